// What happens to a group's actors goes into the log by this door: all that one turn wants is one command, and while some are on their way
// what comes gathers for the next, so that an entry carries the more the busier the group is.

import { encodeItems } from '../machines/entity/ledger-items.ts';
import { type ItemOutcome, type LedgerItem, ledgerLimits } from '../machines/entity/ledger-types.ts';
import { type Failure, failure } from '../machines/errors.ts';
import { encodeCommand, type RegisterOutcome } from '../machines/register/index.ts';
import type { ClockPort } from './ports/index.ts';
import type { ProposalEnd } from './raft.ts';

export type ItemEnd =
  | { type: 'applied'; outcome: ItemOutcome }
  /** It surely did not happen. */
  | { type: 'not-taken'; failure: Failure }
  /** Whether it happened nobody here will know. */
  | { type: 'unknown' };

export type Propose = (data: Uint8Array, done: (end: ProposalEnd<RegisterOutcome>) => void) => void;

export interface Proposals {
  add(item: LedgerItem, done?: (end: ItemEnd) => void): void;
  /** Nothing is taken any more, and what waits surely does not happen. */
  stop(why: Failure): void;
  readonly isIdle: boolean;
}

type Waiting = { item: LedgerItem; bytes: number; done: ((end: ItemEnd) => void) | undefined };

export const proposalLimits = {
  /** On their way at once. */
  commandsMax: 4,
  commandBytesMax: 512 << 10,
  /** That wait, in all: the mailboxes of the actors bound it sooner. */
  itemsMax: 100_000,
} as const;

const sizeOf = (item: LedgerItem): number => {
  if (item.kind === 'event') return 64 + item.event.byteLength;
  if (item.kind === 'answer') return 64 + item.answer.byteLength;
  if (item.kind === 'create') return 64 + item.input.byteLength;
  if (item.kind === 'remove') return 64 + 64 * item.failed.length;
  return item.kind === 'state' ? 64 + item.dump.byteLength : 64;
};

/** `more`: what else the next command is to carry. `whyNot`: the log takes nothing of the kind yet. Ends are told within the group's turn: who listens does little, and does not throw. */
export const createProposals = (
  clock: Pick<ClockPort, 'soon'>,
  propose: Propose,
  more: () => readonly LedgerItem[] = () => [],
  whyNot: () => Failure | null = () => null,
): Proposals => {
  let waiting: Waiting[] = [];
  let isDue = false;
  let commands = 0;
  let stopped: Failure | null = null;

  const schedule = (): void => {
    if (isDue || waiting.length === 0 || commands >= proposalLimits.commandsMax) return;
    isDue = true;
    clock.soon(flush);
  };

  /** As many as one command takes, at least one. */
  const take = (): Waiting[] => {
    let bytes = 0;
    let count = 0;
    for (const one of waiting) {
      if (count > 0 && (bytes + one.bytes > proposalLimits.commandBytesMax || count >= ledgerLimits.itemsMax / 2)) break;
      bytes += one.bytes;
      count++;
    }
    return waiting.splice(0, count);
  };

  const flush = (): void => {
    isDue = false;
    if (waiting.length === 0) return;
    const taken = take();
    const why = whyNot();
    if (why !== null) {
      for (const { done } of taken) done?.({ type: 'not-taken', failure: why });
      return schedule();
    }
    commands++;
    const items = taken.map(({ item }) => item);
    const data = encodeCommand({ write: { op: 'actors', items: encodeItems([...items, ...more()]) } });
    propose(data, (end) => {
      commands--;
      tell(taken, end);
      schedule();
    });
    schedule();
  };

  const tell = (taken: readonly Waiting[], end: ProposalEnd<RegisterOutcome>): void => {
    const ends = endsOf(end);
    for (let at = 0; at < taken.length; at++) taken[at]!.done?.(ends(at));
  };

  return {
    add(item, done) {
      if (stopped !== null) return done?.({ type: 'not-taken', failure: stopped });
      if (waiting.length >= proposalLimits.itemsMax) {
        const message = `${waiting.length} things wait for the log of the group already`;
        return done?.({ type: 'not-taken', failure: failure('OVERLOADED', message) });
      }
      waiting.push({ item, bytes: sizeOf(item), done });
      schedule();
    },
    stop(why) {
      stopped = why;
      const left = waiting;
      waiting = [];
      for (const { done } of left) done?.({ type: 'not-taken', failure: why });
    },
    get isIdle() {
      return commands === 0 && waiting.length === 0;
    },
  };
};

/** By the place of the item in its command. */
const endsOf = (end: ProposalEnd<RegisterOutcome>): ((at: number) => ItemEnd) => {
  const all = (one: ItemEnd) => (): ItemEnd => one;
  const notTaken = (code: Failure['code'], message: string) => all({ type: 'not-taken', failure: failure(code, message) });
  switch (end.type) {
    case 'applied': {
      const { outcome } = end;
      if (!outcome.ok) return all({ type: 'not-taken', failure: outcome.failure });
      if (outcome.result.op !== 'actors') return notTaken('INTERNAL', `an 'actors' command ended as '${outcome.result.op}'`);
      const { outcomes } = outcome.result;
      return (at) => ({ type: 'applied', outcome: outcomes[at]! });
    }
    case 'overwritten':
      return notTaken('NOT_READY', 'another leader was elected meanwhile');
    case 'unknown':
      return all({ type: 'unknown' });
    case 'rejected':
      if (end.reason === 'too-large') return notTaken('TOO_LARGE', 'it is larger than an entry of the log may be');
      if (end.reason === 'overloaded') return notTaken('OVERLOADED', 'the log of the group takes no more now');
      return notTaken('NOT_READY', 'this node does not lead the group of the actor');
  }
};
