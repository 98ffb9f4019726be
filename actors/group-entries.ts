// Which entries the members of a group read, and from when on the group uses a newer version of them (decision 16). Its leader asks each
// member, over the connection that there is, and once all of them read a newer version, voters and learners alike, it says so in the log.
// What a member said holds until its connection ends: it may come back as another build.
import { type Failure, failure } from '../machines/errors.ts';
import type { Configuration } from '../machines/raft/types.ts';
import { encodeCommand, isEntryVersion } from '../machines/register/index.ts';
import type { PeerId, SinkPort } from './ports/index.ts';
import type { Delivery, Router } from './router.ts';
import type { Scope } from './supervise.ts';

export type GroupEntriesArguments = {
  readonly group: string;
  /** This node, and the newest version that its build reads. */
  readonly node: string;
  readonly self: PeerId;
  readonly newest: number;
  readonly scope: Scope;
  readonly router: Pick<Router, 'ask'>;
  readonly sink: SinkPort;
  /** As this replica knows it; null: this node does not lead. */
  readonly led: () => Configuration | null;
  /** What the group uses. */
  readonly used: () => number;
  /** Into the log; told when it is applied, or will not be. */
  readonly propose: (data: Uint8Array, done: () => void) => void;
};

export interface GroupEntries {
  /** From now on a newer version is of use: it is enabled as soon as that is possible. */
  want(): void;
  /** Looks whether it is possible now. */
  look(): void;
  lost(peer: PeerId): void;
  /** Null: entries of this version may be proposed. */
  whyNot(version: number): Failure | null;
  /** Null: that node may become a member, as far as its build goes. */
  check(node: string, peer: PeerId, done: (why: Failure | null) => void): void;
}

/** What every build reads that does not answer. */
const unsaid = 1;
const askTimeoutMs = 1_000;
const againMs = 500;

export const buildTooOld = (group: string, node: string, reads: number, needs: number): Failure =>
  failure(
    'BUILD_TOO_OLD',
    `${node} reads entries up to version ${reads}, '${group}' needs version ${needs}: start a newer build of Polity on ${node}`,
    { group, node, reads, needs },
  );

/** Another node asks which entries this one reads, and says what the group uses: whoever is too old for it hears so himself. */
export const answerEntries = (
  { group, node, newest, sink }: Pick<GroupEntriesArguments, 'group' | 'node' | 'newest' | 'sink'>,
  { body, answer }: Pick<Delivery, 'body' | 'answer'>,
): void => {
  if (isEntryVersion(body) && body > newest)
    sink.log('error', 'BUILD_TOO_OLD', buildTooOld(group, node, newest, body).message, { group });
  answer(newest);
};

export const createGroupEntries = (args: GroupEntriesArguments): GroupEntries => {
  const { group, node, self, newest, scope, router, sink, led, used } = args;
  const address = `register/${group}`;
  const reads = new Map<PeerId, number>();
  const asking = new Set<PeerId>();
  let isWanted = false;
  /** What is on its way into the log; 0: nothing. */
  let proposed = 0;
  let isDue = false;
  let lamented = '';

  const ask = (peer: PeerId, done: (version: number | null) => void): void =>
    router.ask(
      { peer, lane: 'calls', source: address, target: address, type: 'entries', body: used(), timeoutMs: askTimeoutMs },
      scope.guard((why, body) => done(why === null && isEntryVersion(body) ? body : null)),
    );

  const others = ({ members }: Configuration) => Object.values(members).filter(({ peer }) => peer !== self);

  /** Who keeps the group from a version that this build reads, for a person. */
  const lament = (configuration: Configuration): void => {
    const old = others(configuration).filter(({ peer }) => (reads.get(peer) ?? newest) <= used());
    const text = old.map(({ name, peer }) => `${name} reads entries up to version ${reads.get(peer)}`).join(', ');
    if (text === lamented) return;
    lamented = text;
    if (text !== '')
      sink.log('warn', 'BUILD_AWAITED', `'${group}' stays at version ${used()} of its entries: ${text}`, { group });
  };

  const again = (): void => {
    if (isDue) return;
    isDue = true;
    scope.after(againMs, () => {
      isDue = false;
      look();
    });
  };

  const askAll = (peers: readonly PeerId[]): void => {
    for (const peer of peers) {
      if (asking.has(peer)) continue;
      asking.add(peer);
      ask(peer, (version) => {
        asking.delete(peer);
        if (version === null) return again();
        reads.set(peer, version);
        look();
      });
    }
  };

  const look = (): void => {
    const configuration = isWanted && used() < newest ? led() : null;
    if (configuration === null || proposed > 0) return;
    const peers = others(configuration).map(({ peer }) => peer);
    const unknown = peers.filter((peer) => !reads.has(peer));
    askAll(unknown);
    lament(configuration);
    if (unknown.length > 0) return;
    const version = Math.min(newest, ...peers.map((peer) => reads.get(peer)!));
    if (version <= used()) return;
    proposed = version;
    args.propose(encodeCommand({ write: { op: 'entries', version } }), () => {
      proposed = 0;
      if (used() < version) again();
    });
  };

  return {
    look,
    want() {
      if (isWanted) return;
      isWanted = true;
      look();
    },
    lost(peer) {
      if (reads.delete(peer) && isWanted) again();
    },
    whyNot(version) {
      if (used() >= version) return null;
      if (newest < version) return buildTooOld(group, node, newest, version);
      isWanted = true;
      look();
      const old = others(led() ?? noMembers).find(({ peer }) => (reads.get(peer) ?? newest) < version);
      if (old !== undefined) return buildTooOld(group, old.name, reads.get(old.peer)!, version);
      return failure('NOT_READY', `'${group}' asks its members whether they read entries of version ${version}`, { group });
    },
    check(name, peer, done) {
      const needs = (): number => Math.max(used(), proposed);
      if (needs() <= unsaid || peer === self) return done(null);
      ask(peer, (version) => {
        const knows = version ?? unsaid;
        done(knows >= needs() ? null : buildTooOld(group, name, knows, needs()));
      });
    },
  };
};

const noMembers: Configuration = { voters: [], outgoing: null, learners: [], learnersNext: [], members: {} };
