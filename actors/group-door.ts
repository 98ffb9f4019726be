// The calls of a node that belong to one of its groups: each finds the group's actor, or is answered why there is none; and what becomes
// of a call that its actor never saw.
import { type Failure, failure } from '../machines/errors.ts';
import { isReserved } from '../machines/register/index.ts';
import type { CallOptions, NodeApi } from './api.ts';
import type { GroupEvent } from './group.ts';
import type { Cell } from './supervise.ts';

/** The group's actor, or why there is none. */
type Reach = (options: CallOptions) => { cell: Cell<GroupEvent> } | { failure: Failure };

/** What ends something that may not have begun yet. */
const ender = (): { end: () => void; began: (stop: () => void) => void } => {
  let stop = (): void => {};
  let ended = false;
  return {
    end() {
      ended = true;
      stop();
    },
    began(given) {
      if (ended) given();
      else stop = given;
    },
  };
};

const reserved = (asked: unknown): Failure | null => {
  const { key, prefix } = (asked ?? {}) as { key?: unknown; prefix?: unknown };
  return isReserved(key) || isReserved(prefix)
    ? failure('INVALID_REQUEST', 'this key is one that Polity keeps for itself')
    : null;
};

export const groupDoor = (reach: Reach): Pick<NodeApi, 'write' | 'read' | 'watch' | 'changeGroup' | 'backup'> => ({
  write(write, options, done) {
    const why = reserved(write);
    if (why !== null) return done({ ok: false, failure: why });
    const at = reach(options);
    if ('failure' in at) return done({ ok: false, failure: at.failure });
    at.cell.send({ type: 'write', write, options, done });
  },
  read(read, options, done) {
    const why = reserved(read);
    if (why !== null) return done({ ok: false, failure: why });
    const at = reach(options);
    if ('failure' in at) return done({ ok: false, failure: at.failure });
    at.cell.send({ type: 'read', read, options, done });
  },
  watch({ group, prefix, from }, on) {
    const at = reach(group === undefined ? {} : { group });
    const { end, began } = ender();
    if ('failure' in at) on({ type: 'failed', failure: at.failure });
    else at.cell.send({ type: 'watch', prefix, from, on, ended: began });
    return end;
  },
  changeGroup(group, change, options, done) {
    const at = reach({ ...options, group });
    if ('failure' in at) return done({ ok: false, failure: at.failure });
    at.cell.send({ type: 'change', change, options, done });
  },
  backup(group, options, on) {
    const at = reach({ ...options, group });
    const { end, began } = ender();
    if ('failure' in at) on({ type: 'failed', failure: at.failure }, () => {});
    else at.cell.send({ type: 'backup', on, options, ended: began });
    return end;
  },
});

/** An event that its group's actor never saw: whoever waits for it is told that nothing was done. */
export const refuseEvent = (event: GroupEvent, why: Failure): void => {
  switch (event.type) {
    case 'write':
    case 'read':
    case 'change':
      return event.done({ ok: false, failure: why });
    case 'watch':
      return event.on({ type: 'failed', failure: why });
    case 'backup':
      return event.on({ type: 'failed', failure: why }, () => {});
    case 'delivery':
      return event.delivery.answer(['again', null]);
    case 'relinquish':
      return event.done();
    default:
      // News of peers and messages of Raft: an actor that starts anew asks for what it needs.
      return;
  }
};
