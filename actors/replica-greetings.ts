// What goes before a comparison: each tells the other where it stands in the rounds and what it has of others, and the ledger to whom it
// is news. Two of which one has forgotten what the other still has to forget do not compare: they would find differences that are none.
import {
  formGreeting,
  type Greeting,
  type Ledger,
  parseGreeting,
  standingOf,
  type Told,
  tellSeen,
} from '../machines/replicator/index.ts';
import type { PeerId, Ports } from './ports/index.ts';
import { replicatorAddress } from './replica-deltas.ts';
import type { ReplicaLog } from './replica-log.ts';
import type { ReplicaRounds } from './replica-rounds.ts';
import type { Router } from './router.ts';
import type { Scope } from './supervise.ts';

export const greetingType = 'rounds';

const limits = {
  /** An answer that comes later begins nothing. */
  answerMs: 10_000,
  /** Greetings of one comparison: each may bring the other a newer ledger. */
  greetingsMax: 4,
  /** Until a ledger that was told is on the disk. */
  againMs: 50,
} as const;

export type ReplicaGreetingsArguments = {
  scope: Scope;
  ports: Ports;
  router: Router;
  log: ReplicaLog;
  rounds: () => ReplicaRounds;
  /** Compares with it; `told` is what it has. `takesOnly`: nothing of what is here is given. */
  begin: (peer: PeerId, told: Told, takesOnly: boolean) => void;
};

export interface ReplicaGreetings {
  greet(peer: PeerId): void;
  onDelivery(peer: PeerId, body: unknown): void;
  onPeerClose(peer: PeerId): void;
}

export const createReplicaGreetings = ({
  scope,
  ports,
  router,
  log,
  rounds,
  begin,
}: ReplicaGreetingsArguments): ReplicaGreetings => {
  const { clock } = ports;
  /** Who was greeted, when first, and how often since. */
  const greeted = new Map<PeerId, { atMs: number; count: number }>();

  const send = (peer: PeerId, type: Greeting['type'], theirs: number): void => {
    const { state, speaks } = rounds();
    const { ledger, self } = state;
    const [version, edition, stable] = ledger === null ? [0, 0, 0] : [ledger.version, ledger.edition, ledger.stable];
    const told: Ledger | null = version > theirs ? ledger : null;
    const greeting: Greeting = { type, replica: self, version, edition, stable, speaks, seen: tellSeen(state), ledger: told };
    router.send(peer, 'bulk', replicatorAddress, replicatorAddress, greetingType, formGreeting(greeting));
  };

  /** Everything that it speaks of is on the disk by then: a crash must not take away what others rely on. */
  const answer = (peer: PeerId, theirs: number): void =>
    log.afterAll(
      'write',
      scope.guard(({ ok }) => {
        if (ok) send(peer, 'answer', theirs);
      }),
    );

  const again = (peer: PeerId, theirs: number): void => {
    const met = greeted.get(peer);
    if (met === undefined || ++met.count > limits.greetingsMax) return;
    send(peer, 'ask', theirs);
  };

  const onAnswer = (peer: PeerId, { replica, version, edition, stable, speaks, seen }: Greeting): void => {
    const met = greeted.get(peer);
    if (met === undefined || clock.nowMs() - met.atMs > limits.answerMs) return;
    const { state, isChanging, isFree } = rounds();
    const ours = state.ledger;
    if (isFree && version === 0) {
      greeted.delete(peer);
      if (speaks && !isChanging) begin(peer, [], false);
      return;
    }
    if (isChanging || ours === null || version < ours.version) return again(peer, version);
    // It was told with this answer: once more when it is here.
    if (version > ours.version && (edition !== ours.edition || stable !== ours.stable))
      return void scope.after(limits.againMs, () => again(peer, version));
    greeted.delete(peer);
    const standing = standingOf(state);
    if (!speaks || (standing !== 'member' && standing !== 'begins') || !rounds().judge(replica, edition)) return;
    begin(peer, seen, standing === 'begins');
  };

  return {
    greet(peer) {
      greeted.set(peer, { atMs: clock.nowMs(), count: 1 });
      send(peer, 'ask', Number.POSITIVE_INFINITY);
    },
    onDelivery(peer, body) {
      const greeting = parseGreeting(body);
      if (greeting === null) return router.refuse(peer, 'MESSAGE_MALFORMED', 'what should be a greeting of a replica is none');
      if (greeting.ledger !== null) rounds().hear(greeting.ledger);
      if (greeting.version === 0) rounds().meetsUnlisted();
      if (greeting.type === 'ask') answer(peer, greeting.version);
      else onAnswer(peer, greeting);
    },
    onPeerClose: (peer) => void greeted.delete(peer),
  };
};
