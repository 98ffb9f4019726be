// Actors that are opened without a message: remembered ones, singletons, those with work of their own, and one of each node. A few at a
// time, so that messages have their turn in between; what cannot be opened now is tried again as long as it belongs here.
import { type ActorAddress, addressText } from '../machines/entity/address.ts';
import { errorTable, type Failure } from '../machines/errors.ts';
import type { ActorDefinition } from './actor-api.ts';
import type { SinkPort } from './ports/index.ts';
import type { Scope } from './supervise.ts';

const underWayMax = 32;
const againMs = 1_000;

export type Opening = {
  readonly definition: ActorDefinition;
  readonly address: ActorAddress;
  /** It belongs here still, and does not live yet. */
  readonly isWanted: () => boolean;
};

export type OpeningsArguments = {
  scope: Pick<Scope, 'guard' | 'after'>;
  sink: SinkPort;
  open: (definition: ActorDefinition, address: ActorAddress, done: (why: Failure | null) => void) => void;
};

export const createOpenings = ({ scope, sink, open }: OpeningsArguments): { add(opening: Opening): void } => {
  /** By address; in the order in which they came. */
  const waiting = new Map<string, Opening>();
  const underWay = new Set<string>();
  const late = new Map<string, Opening>();
  /** Types and why: told once, or a type that many are remembered of would fill the log. */
  const told = new Set<string>();

  const next = (): void => {
    for (const [text, opening] of waiting) {
      if (underWay.size >= underWayMax) return;
      waiting.delete(text);
      if (underWay.has(text) || !opening.isWanted()) continue;
      underWay.add(text);
      open(
        opening.definition,
        opening.address,
        scope.guard((why) => {
          underWay.delete(text);
          if (why !== null) failed(text, opening, why);
          next();
        }),
      );
    }
  };

  const failed = (text: string, opening: Opening, why: Failure): void => {
    const { type } = opening.address;
    sink.count('actors_unopened_total', { type, code: why.code });
    const isPassing = errorTable[why.code].retryable;
    if (!isPassing && !told.has(`${type} ${why.code}`)) {
      told.add(`${type} ${why.code}`);
      sink.log('warn', why.code, `${text}, and perhaps others, cannot be opened: ${why.message}`, { actor: text });
    }
    if (!isPassing) return;
    if (late.size === 0) scope.after(againMs, again);
    late.set(text, opening);
  };

  const again = (): void => {
    const due = [...late.values()];
    late.clear();
    for (const opening of due) add(opening);
  };

  const add = (opening: Opening): void => {
    waiting.set(addressText(opening.address), opening);
    next();
  };
  return { add };
};
