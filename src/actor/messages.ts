// Events that come from others, checked by the schemas of a definition before an actor sees them. At once: an event that waited for its
// schema would be overtaken by the next, so a schema that answers later is refused.
import type { EventObject } from 'xstate';
import type { Outcome } from '../../actors/api.ts';
import { failure, readable } from '../../machines/errors.ts';
import { type Check, type Checked, checkOf, issuesOf } from '../service/schema.ts';
import type { MessageSchemas } from './types.ts';

const refused = (why: string, details?: Record<string, string>): Outcome<never> => ({
  ok: false,
  failure: failure('INVALID_REQUEST', why, details),
});

const typesShownMax = 8;

const fieldsOf = (value: unknown): object | null =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? value : null;

/** What the schema says; a text in its place tells why it says nothing that can be used. */
const checkedBy = (check: NonNullable<Check>, fields: unknown): Checked | string => {
  try {
    const checked = check(fields);
    return checked instanceof Promise ? 'its schema answers later, and an event cannot wait' : checked;
  } catch (error) {
    const why = readable(error);
    return `its schema fails: ${why instanceof Error ? why.message : String(why)}`;
  }
};

/** An event whose type no schema is for is refused: what a machine raises itself goes through no door. */
export const checkBy = (actor: string, messages: MessageSchemas): ((event: EventObject) => Outcome<EventObject>) => {
  const checks = new Map(Object.entries(messages).map(([type, schema]) => [type, checkOf(schema)]));
  const known = [...checks.keys()].slice(0, typesShownMax).join(', ');
  return (event) => {
    const { type, ...fields } = event;
    const check = checks.get(type);
    if (check === undefined) return refused(`${actor} takes no '${type.slice(0, 64)}'; it takes ${known}`);
    if (check === null) return { ok: true, value: event };
    const checked = checkedBy(check, fields);
    if (typeof checked === 'string') return refused(`${actor} cannot take '${type}': ${checked}`);
    if (checked.issues !== undefined) {
      const { message, details } = issuesOf('event', checked.issues);
      return refused(`${actor} cannot take '${type}': ${message}`, details);
    }
    const taken = fieldsOf(checked.value);
    if (taken === null) return refused(`${actor} cannot take '${type}': its schema gives no object`);
    return { ok: true, value: { ...taken, type } };
  };
};
