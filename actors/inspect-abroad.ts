// Follows actors at other members: asks each again and again for what comes next, tells which nodes are followed and which are not, and
// asks those that come.
import { type Failure, failure } from '../machines/errors.ts';
import type { MemberView } from '../machines/membership/index.ts';
import { type InspectBatch, type InspectItem, inspectLimits } from './inspect-api.ts';
import type { LocalWanted } from './inspect-follow.ts';
import { holdMs } from './inspect-sessions.ts';
import { formNext, inspectAddress, parseBatch, parseOutcome } from './inspect-wire.ts';
import type { ClockPort, PeerId, Timer } from './ports/index.ts';
import type { AskFailure, Router } from './router.ts';
import type { Scope } from './supervise.ts';

const answerMs = holdMs + 3_000;
const membersEveryMs = 1_000;
const againMs = 1_000;

export type AbroadWanted = {
  /** What is wanted of the node of this name; null: nothing. */
  of: (node: string) => LocalWanted | null;
  /** Nodes that must be there for what is wanted: who is missing is told. */
  named: readonly string[];
};

export type AbroadArguments = {
  scope: Scope;
  clock: ClockPort;
  router: Router;
  members: () => readonly MemberView[];
  /** A number for each reading. */
  newId: () => number;
  wanted: AbroadWanted;
  on: (batch: InspectBatch) => void;
};

export interface Abroad {
  stop(): void;
}

/** Why a member who was asked gave no answer. */
export const failureOfAsk = ({ code }: AskFailure, node: string): Failure =>
  code === 'STOPPING'
    ? failure('STOPPING', 'this node is stopping')
    : code === 'OVERLOADED'
      ? failure('OVERLOADED', `too much waits to be sent to ${node}`)
      : failure('UNREACHABLE', `${node} did not answer`);

export const isThere = ({ status }: MemberView): boolean => status === 'alive' || status === 'suspect';

type Reading = {
  readonly peer: PeerId;
  readonly node: string;
  failure: Failure | null | 'untold';
  timer: Timer | null;
  isOver: boolean;
};

export const followAbroad = (args: AbroadArguments): Abroad => {
  const { scope, clock, router, wanted } = args;
  const readings = new Map<PeerId, Reading>();
  const missing = new Set<string>();
  let timer: Timer | null = null;
  let isOver = false;

  const tell = (node: string, why: Failure | null): void => {
    const item: InspectItem = { type: 'node', node, atMs: clock.wallMs(), failure: why };
    args.on({ items: [item], charts: {}, leftOut: 0 });
  };

  /** Once for each change. */
  const standing = (reading: Reading, why: Failure | null): void => {
    const before = reading.failure;
    reading.failure = why;
    if (before !== 'untold' && before?.code === why?.code) return;
    tell(reading.node, why);
  };

  const ask = (reading: Reading, id: number): void => {
    const { peer, node } = reading;
    const body = formNext(id, wanted.of(node)!);
    const question = { peer, lane: 'calls', source: inspectAddress, target: inspectAddress, type: 'next', body } as const;
    router.ask(
      { ...question, timeoutMs: answerMs },
      scope.guard((why, answer) => {
        if (reading.isOver) return;
        const outcome = why === null ? parseOutcome(answer, parseBatch(node)) : null;
        if (why === null && outcome === null) router.refuse(peer, 'MESSAGE_MALFORMED', 'what should be seen of actors is not');
        const failed = why !== null ? failureOfAsk(why, node) : outcome?.ok === false ? outcome.failure : null;
        if (outcome?.ok !== true) {
          standing(reading, failed ?? failure('INTERNAL', `${node} said something that is none of ours`));
          reading.timer = scope.after(againMs, () => ask(reading, id));
          return;
        }
        standing(reading, null);
        const { items, leftOut } = outcome.value;
        if (items.length > 0 || leftOut > 0) args.on(outcome.value);
        // In a turn of its own: who answers at once must not keep us from everything else.
        if (!reading.isOver) reading.timer = scope.after(0, () => ask(reading, id));
      }),
    );
  };

  const begin = (peer: PeerId, node: string): void => {
    const reading: Reading = { peer, node, failure: 'untold', timer: null, isOver: false };
    readings.set(peer, reading);
    ask(reading, args.newId());
  };

  const drop = (reading: Reading): void => {
    reading.isOver = true;
    reading.timer?.cancel();
    readings.delete(reading.peer);
  };

  const refresh = (): void => {
    const there = args.members().filter((member) => !member.self && member.name !== '' && isThere(member));
    const peers = new Set(there.map(({ peer }) => peer));
    for (const reading of [...readings.values()])
      if (!peers.has(reading.peer)) {
        drop(reading);
        standing(reading, failure('UNREACHABLE', `${reading.node} is gone`));
      }
    for (const { peer, name } of there) {
      if (readings.has(peer) || wanted.of(name) === null || readings.size >= inspectLimits.membersMax) continue;
      begin(peer, name);
    }
    for (const node of wanted.named) {
      const isMissing = !there.some(({ name }) => name === node);
      if (isMissing && !missing.has(node))
        tell(node, failure('MEMBER_NOT_FOUND', `no node is known as '${node}' that is there`));
      if (isMissing) missing.add(node);
      else missing.delete(node);
    }
    if (!isOver) timer = scope.after(membersEveryMs, refresh);
  };

  refresh();
  return {
    stop() {
      isOver = true;
      timer?.cancel();
      for (const reading of [...readings.values()]) drop(reading);
    },
  };
};
