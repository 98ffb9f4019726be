// One register with its keyspace, for tests that tell a story: every call is the next entry of the log.
import {
  apply,
  createRegister,
  encodeCommand,
  type KeyValue,
  query,
  type RegisterEvent,
  type RegisterLimits,
  type RegisterOutcome,
  type RegisterResult,
  type RegisterWrite,
  registerLimits,
} from '../../../machines/register/index.ts';
import { createKeyspaceMap } from './keyspace-map.ts';

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

export const createReplica = (bounds: Partial<RegisterLimits> = {}) => {
  const state = createRegister({ ...registerLimits, ...bounds });
  const keyspace = createKeyspaceMap();
  const at = { index: 0, term: 1, timeMs: 1_000 };
  let events: RegisterEvent[] = [];
  const applyData = (data: Uint8Array): RegisterOutcome => {
    at.index++;
    const applied = apply(state, { ...at, data }, keyspace.read);
    keyspace.write(applied.writes);
    events = applied.events;
    return applied.outcome;
  };
  const write = (request: RegisterWrite, session?: string): RegisterOutcome =>
    applyData(encodeCommand({ write: request, ...(session === undefined ? {} : { session: { id: session } }) }));
  return {
    state,
    keyspace,
    at,
    applyData,
    write,
    /** The result of what must succeed. */
    done(request: RegisterWrite, session?: string): RegisterResult {
      const outcome = write(request, session);
      if (!outcome.ok) throw new Error(`${outcome.failure.code}: ${outcome.failure.message}`);
      return outcome.result;
    },
    /** The code of what must fail. */
    code(request: RegisterWrite, session?: string): string {
      const outcome = write(request, session);
      if (outcome.ok) throw new Error('it succeeded');
      return outcome.failure.code;
    },
    put(
      key: string,
      value: string,
      more: Partial<Extract<RegisterWrite, { op: 'put' }>> = {},
      session?: string,
    ): RegisterOutcome {
      return write({ op: 'put', key, value: bytes(value), ...more }, session);
    },
    get(key: string): KeyValue | null {
      const outcome = query(state, keyspace.read, { op: 'get', key }, at.index);
      return outcome.ok && outcome.result.op === 'get' ? outcome.result.found : null;
    },
    /** Of the last entry, as 'type key'. */
    heard: (): string[] => events.map((event) => `${event.type} ${event.key}`),
    events: () => events,
  };
};
