// The promises of Raft, judged from outside: fed by the tap of every replica (actors/observe.ts), after every event, at a cost
// proportional to what changed. Promises are those of the paper's Figure 3 and §5, and decision 2: what is said is on disk first.

import type { Observation } from '../../actors/observe.ts';
import type { Configuration, Entry, HardState } from '../../machines/raft/types.ts';
import { type Digest, digestAfter, digestOfBase, emptyDigest } from './raft/digest.ts';
import { checkLabel, onCompacted, onInstalled } from './raft/labels.ts';
import { checkChange, checkElected, holderOf, quorumOf } from './raft/members.ts';
import { DurableLog, forgetOldest, GroupMemory, type ReplicaMemory, raftJudgeLimits } from './raft/memory.ts';

export type RaftPromise =
  /** At most one leader in a term (Figure 3), and all who name one name the same. */
  | 'election-safety'
  /** A replica votes for one in a term, whatever happened to its process since. */
  | 'one-vote-a-term'
  | 'term-monotone'
  /** A leader never overwrites or deletes entries of its own term (Figure 3). */
  | 'leader-append-only'
  /** Logs that have an entry with the same index and term are equal up to it (Figure 3). */
  | 'log-matching'
  /** Whatever is committed in a term is in the logs of leaders of later terms (Figure 3). */
  | 'leader-completeness'
  /** All replicas apply the same at an index (Figure 3). */
  | 'state-machine-safety'
  | 'commit-monotone'
  /** Each entry once in a life, one after the other. */
  | 'applied-in-order'
  /** Leaders are elected by votes, and entries committed by logs, that are on the disks of a quorum; nothing is applied before that. */
  | 'durable-before-said'
  /** What was on a disk is there after a restart. */
  | 'durable-kept'
  /** Who is elected votes itself, or did until the latest change, which is not known to be committed (dissertation §4.2.2). */
  | 'voters-lead'
  /**
   * A leader begins a change of members only when the one before is committed, and an entry of its own term (Raft §6; Ongaro's note
   * of 2015 on changes of single servers).
   */
  | 'one-change-at-a-time'
  /** A snapshot carries the configuration that is in force at its index (Raft §7). */
  | 'configuration-kept'
  /** A read that is confirmed reflects whatever was committed when it was asked (dissertation §6.4). */
  | 'fresh-reads';

export type RaftViolation = {
  readonly promise: RaftPromise;
  readonly group: string;
  readonly replica: string;
  readonly message: string;
};

export type RaftJudge = {
  /** Feed it everything, from all replicas of all groups, in the order in which it happens. Answers what this one breaks. */
  observe(observation: Observation): readonly RaftViolation[];
  /** The process of this replica ended: nothing that was only in memory is held against it. (Its next life begins with `restored`.) */
  restarted(replica: string): void;
  /** Something beyond what a disk may do was done to this replica's disk: what it finds at its next start may be less. */
  damaged(replica: string): void;
  /** The first ones, oldest first; the first is the one to look at. */
  readonly violations: readonly RaftViolation[];
};

export type Of<Type extends Observation['type']> = Extract<Observation, { type: Type }>;
type Break = (promise: RaftPromise, message: string) => void;
export type Scene = {
  readonly group: GroupMemory;
  readonly replica: ReplicaMemory;
  readonly id: string;
  readonly broken: Break;
};

export const createRaftJudge = (): RaftJudge => {
  const groups = new Map<string, GroupMemory>();
  const violations: RaftViolation[] = [];

  const ofReplica = (id: string, change: (replica: ReplicaMemory) => void): void => {
    for (const { replicas } of groups.values()) {
      const replica = replicas.get(id);
      if (replica !== undefined) change(replica);
    }
  };

  return {
    violations,
    observe(observation) {
      const { group: name, replica: id } = observation;
      let group = groups.get(name);
      if (group === undefined) groups.set(name, (group = new GroupMemory()));
      let found: RaftViolation[] | null = null;
      const broken: Break = (promise, message) => {
        const violation = { promise, group: name, replica: id, message };
        (found ??= []).push(violation);
        if (violations.length < raftJudgeLimits.violationsMax) violations.push(violation);
      };
      look({ group, replica: group.replica(id), id, broken }, observation);
      return found ?? noViolations;
    },
    restarted: (id) => ofReplica(id, beginLife),
    damaged: (id) =>
      ofReplica(id, (replica) => {
        replica.isDamaged = true;
        replica.wasDamaged = true;
      }),
  };
};

const noViolations: readonly RaftViolation[] = [];

const look = (scene: Scene, observation: Observation): void => {
  switch (observation.type) {
    case 'restored':
      return onRestored(scene, observation);
    case 'role':
      return onRole(scene, observation);
    case 'hard-state':
      return onHardState(scene, observation.hardState);
    case 'logged':
      return onLogged(scene, observation.entries);
    case 'applied':
      return onApplied(scene, observation.entries);
    case 'installed':
      return onInstalled(scene, observation);
    case 'compacted':
      return onCompacted(scene, observation.meta);
    case 'read-asked':
      return scene.replica.reads.asked(observation.ref, scene.group.committed.lastIndex);
    case 'read-ended':
      return onReadEnded(scene, observation);
  }
};

const beginLife = (replica: ReplicaMemory): void => {
  replica.role = 'follower';
  replica.term = replica.hardState.term;
  replica.commit = 0;
  replica.applied = null;
  replica.reads.clear();
};

// ---------------------------------------------------------------- roles and votes

const onRole = (scene: Scene, { role, term, leader, commit, configuration }: Of<'role'>): void => {
  const { group, replica, id, broken } = scene;
  if (term < replica.term) broken('term-monotone', `${id} went from term ${replica.term} to ${term}`);
  if (commit < replica.commit) broken('commit-monotone', `${id} went from commit ${replica.commit} to ${commit}`);
  replica.role = role;
  replica.term = Math.max(replica.term, term);
  replica.commit = Math.max(replica.commit, commit);
  const leads = role === 'leader' ? id : leader;
  if (leads === null) return;
  const known = group.leaderships.get(term);
  if (known !== undefined && known.leader !== leads)
    return broken('election-safety', `term ${term} is led by ${known.leader}, and by ${leads} according to ${id}`);
  if (role !== 'leader') return;
  if (known === undefined || known.configurations.length === 0) elected(scene, term, configuration);
  const leadership = known ?? { leader: id, configurations: [] };
  if (leadership.configurations.at(-1) !== configuration) leadership.configurations.push(configuration);
  group.leaderships.set(term, leadership);
  forgetOldest(group.leaderships, raftJudgeLimits.termsMax);
};

const elected = (scene: Scene, term: number, configuration: Configuration): void => {
  const { group, replica, id, broken } = scene;
  checkElected(scene, term);
  if (replica.hardState.term !== term)
    broken('durable-before-said', `${id} leads term ${term}, on its disk is term ${replica.hardState.term}`);
  const votes = group.votesOf(term);
  const voted = (voter: string): boolean => votes.get(voter) === id;
  if (!quorumOf(configuration, voted)) {
    const given = [...votes].filter(([, to]) => to === id).map(([voter]) => voter);
    broken('durable-before-said', `${id} leads term ${term}, but the votes on disks are ${given.join(', ') || 'none'}`);
  }
  // Whether its log has all that is committed shows when its first entry is on some disk (onLogged): until then a part of the log may
  // still be on its way there.
};

const onHardState = ({ group, replica, id, broken }: Scene, { term, vote }: HardState): void => {
  const before = replica.hardState;
  if (term < before.term) broken('term-monotone', `${id} has term ${term} on its disk after ${before.term}`);
  const votes = group.votesOf(term);
  const voted = votes.get(id) ?? null;
  if (voted !== null && voted !== vote)
    broken('one-vote-a-term', `${id} voted for ${voted} and for ${vote ?? 'nobody'} in term ${term}`);
  if (vote !== null && voted === null) votes.set(id, vote);
  replica.hardState = { term, vote };
};

// ---------------------------------------------------------------- logs

const onLogged = (scene: Scene, entries: readonly Entry[]): void => {
  const { replica, id, broken } = scene;
  const { log } = replica;
  const first = entries[0];
  const last = entries.at(-1);
  if (first === undefined || last === undefined) return;
  if (first.index > log.lastIndex + 1) {
    broken('log-matching', `${id} logs entry ${first.index} after ${log.lastIndex}`);
    log.reset(first.index - 1, 0, digestOfBase(first.index - 1, 0));
  }
  if (first.index <= log.baseIndex)
    return broken('durable-kept', `${id} writes entry ${first.index} again, which is committed and behind its log's beginning`);
  const own = ownEntries(replica, first.index);
  log.truncateFrom(first.index);
  replica.configurations.truncateFrom(first.index);
  for (const entry of entries) onEntry(scene, entry);
  checkOwn(scene, own);
  checkPrefix(scene, first.index - 1, last.term);
  settle(scene);
};

/** Digests of what a leader wrote in its term, from `index` on. */
const ownEntries = ({ role, term, log }: ReplicaMemory, index: number): { index: number; digest: Digest }[] => {
  const own: { index: number; digest: Digest }[] = [];
  if (role !== 'leader') return own;
  for (let at = log.lastIndex; at >= index && log.termAt(at) === term; at--) own.push({ index: at, digest: log.digestAt(at)! });
  return own;
};

const checkOwn = ({ replica, id, broken }: Scene, own: readonly { index: number; digest: Digest }[]): void => {
  const lost = own.find(({ index, digest }) => replica.log.digestAt(index) !== digest);
  if (lost !== undefined)
    broken('leader-append-only', `${id} leads term ${replica.term} and overwrites its own entry ${lost.index}`);
};

const onEntry = (scene: Scene, entry: Entry): void => {
  const { replica, id, broken } = scene;
  const { index, term } = entry;
  const { lastIndex } = replica.log;
  if (index !== lastIndex + 1) return broken('log-matching', `${id} logs entry ${index} after ${lastIndex}`);
  const before = replica.log.termAt(lastIndex)!;
  if (term < before) broken('log-matching', `${id} logs entry ${index} of term ${term} after term ${before}`);
  judgeEntry(scene, entry, replica.log.append(entry));
  if (entry.kind !== 'configuration') return;
  replica.configurations.add(entry);
  if (replica.role === 'leader' && term === replica.term) checkChange(scene, entry);
};

const judgeEntry = ({ group, replica, id, broken }: Scene, { index, term }: Entry, digest: Digest): void => {
  const other = group.match(index, term, digest, id);
  if (other !== null)
    broken('log-matching', `entry ${index} of term ${term}, or one before it, is another on ${id} than on ${other}`);
  const committed = group.committed.at(index);
  if (committed === undefined || committed.digest === digest) return;
  if (term > committed.committedTerm)
    broken(
      'leader-completeness',
      `${id} has entry ${index} of term ${term}, but another was committed in term ${committed.committedTerm}`,
    );
  if (index <= replica.settled) broken('durable-kept', `${id} has another entry ${index} than it had when that was committed`);
};

/** An entry of a later term says that its leader's log, equal to this one, had everything committed before that term. */
const checkPrefix = ({ group, replica, id, broken }: Scene, beforeIndex: number, term: number): void => {
  const index = Math.min(beforeIndex, group.committed.lastIndex);
  const committed = group.committed.at(index);
  const digest = replica.log.digestAt(index);
  if (committed === undefined || digest === undefined || digest === committed.digest || term <= committed.committedTerm) return;
  broken(
    'leader-completeness',
    `the leader of term ${term}, as ${id} has its log, lacks entry ${index}, committed in ${committed.committedTerm}`,
  );
};

/** How much of the disk is committed, and of no more interest. */
const settle = ({ group, replica }: Scene): void => {
  const { log } = replica;
  replica.settled = Math.max(replica.settled, log.baseIndex);
  const index = Math.min(group.committed.lastIndex, log.lastIndex);
  const digest = log.digestAt(index);
  if (index <= replica.settled || digest === undefined || group.committed.at(index)?.digest !== digest) return;
  replica.settled = index;
  // Rarely, since it copies the rest.
  if (index - log.baseIndex > 1_024 && index - log.baseIndex > 2 * (log.lastIndex - index)) log.forgetTo(index);
};

// ---------------------------------------------------------------- the state machine

const onApplied = (scene: Scene, entries: readonly Entry[]): void => {
  const { group, replica, id, broken } = scene;
  const first = entries[0];
  if (first === undefined) return;
  if (replica.applied !== null && first.index !== replica.applied + 1)
    broken('applied-in-order', `${id} applies entry ${first.index} after ${replica.applied}`);
  const wasCommitted = group.committed.lastIndex;
  for (const entry of entries) onAppliedEntry(scene, entry);
  const last = entries.at(-1)!;
  replica.applied = last.index;
  replica.commit = Math.max(replica.commit, last.index);
  if (last.index > wasCommitted) checkCommitted(scene, last.index);
  settle(scene);
};

const onAppliedEntry = ({ group, replica, id, broken }: Scene, entry: Entry): void => {
  const { index, term } = entry;
  const { log } = replica;
  const onDisk = log.digestAt(index);
  const known = group.committed.at(index);
  // Behind the base only what is committed is known of the disk.
  const before = log.digestAt(index - 1) ?? group.committed.at(index - 1)?.digest;
  const digest = before === undefined ? known?.digest : digestAfter(before, entry);
  if (digest === undefined) return;
  if (index > log.lastIndex || (onDisk !== undefined && onDisk !== digest))
    broken('durable-before-said', `${id} applies entry ${index} of term ${term}, which is not on its disk`);
  if (known === undefined) {
    if (index > group.committed.lastIndex) commit(group, entry, digest, id, replica.term);
    return;
  }
  if (known.digest !== digest)
    broken('state-machine-safety', `${id} applies entry ${index} of term ${term}, ${known.by} another of term ${known.term}`);
  else if (replica.term < known.committedTerm) known.committedTerm = replica.term;
};

const commit = (group: GroupMemory, entry: Entry, digest: Digest, by: string, inTerm: number): void => {
  if (entry.index !== group.committed.lastIndex + 1) group.configurations.forget();
  group.committed.add(entry.index, digest, entry.term, by, inTerm);
  group.configurations.add(entry);
};

/** Whoever applies an entry first shows that it is committed: it must lie on the disks of a quorum. */
const checkCommitted = ({ group, replica, id, broken }: Scene, index: number): void => {
  const { committed, leaderships } = group;
  const configurations = leaderships.get(replica.term)?.configurations ?? [];
  const digest = committed.at(index)?.digest;
  if (configurations.length === 0 || digest === undefined) return;
  const has = holderOf(group, index, digest);
  if (configurations.some((configuration) => quorumOf(configuration, has))) return;
  const holders = [...group.replicas.keys()].filter(has);
  broken(
    'durable-before-said',
    `${id} applies entry ${index}, which is on the disks of ${holders.join(', ') || 'nobody'} only`,
  );
};

const onReadEnded = ({ replica, id, broken }: Scene, { ref, index }: Of<'read-ended'>): void => {
  const committed = replica.reads.ended(ref, index);
  if (committed !== null)
    broken('fresh-reads', `${id} confirms a read at ${index}, but ${committed} was committed when it was asked`);
};

// ---------------------------------------------------------------- a new life

const onRestored = (scene: Scene, { hardState, snapshot, entries, applied }: Of<'restored'>): void => {
  const { group, replica } = scene;
  restoreHardState(scene, hardState);
  const base = { index: snapshot?.index ?? 0, term: snapshot?.term ?? 0 };
  if (snapshot !== null && !replica.isDamaged) checkLabel(scene, snapshot);
  const found = new DurableLog();
  found.reset(base.index, base.term, baseDigest(group, replica.log, base));
  for (const entry of entries) found.append(entry);
  if (replica.isDamaged) replica.settled = Math.min(replica.settled, found.lastIndex);
  else checkKept(scene, found);
  replica.log = found;
  replica.configurations.begin(base.index, snapshot?.configuration ?? null);
  for (const entry of entries) replica.configurations.add(entry);
  // What a write left that ended unheard of is judged like any other.
  for (const entry of entries) judgeEntry(scene, entry, found.digestAt(entry.index)!);
  replica.isDamaged = false;
  beginLife(replica);
  replica.applied = Math.max(applied, base.index);
  replica.commit = replica.applied;
  const wasCommitted = group.committed.lastIndex;
  for (const entry of entries)
    if (entry.index > wasCommitted && entry.index <= replica.applied)
      commit(group, entry, found.digestAt(entry.index)!, scene.id, replica.term);
  settle(scene);
};

const restoreHardState = (scene: Scene, found: HardState): void => {
  const { group, replica, id, broken } = scene;
  const kept = replica.hardState;
  if (replica.isDamaged) {
    // It may vote again in terms that it forgot: no promise of this replica's reaches beyond its disk.
    for (const [term, votes] of group.votes) if (term >= found.term) votes.delete(id);
    if (found.vote !== null) group.votesOf(found.term).set(id, found.vote);
    replica.hardState = { ...found };
    return;
  }
  const isForgotten = found.term < kept.term || (found.term === kept.term && kept.vote !== null && found.vote !== kept.vote);
  if (!isForgotten) return onHardState(scene, found);
  const words = ({ term, vote }: HardState): string => `term ${term} and a vote for ${vote ?? 'nobody'}`;
  broken('durable-kept', `${id} starts with ${words(found)}, on its disk were ${words(kept)}`);
};

const baseDigest = (group: GroupMemory, log: DurableLog, { index, term }: { index: number; term: number }): Digest => {
  if (index === 0) return emptyDigest;
  const known = log.termAt(index) === term ? log.digestAt(index) : undefined;
  const committed = group.committed.at(index);
  return known ?? (committed?.term === term ? committed.digest : undefined) ?? digestOfBase(index, term);
};

/**
 * A write may have become durable that nobody heard of, and replaced a tail; but a log that ends earlier, without another entry in
 * the place of one of its own, has lost something. (That nothing committed was replaced is judged entry by entry.)
 */
const checkKept = ({ replica, id, broken }: Scene, found: DurableLog): void => {
  const { log } = replica;
  if (found.lastIndex >= log.lastIndex) return;
  const hasReplaced = log.digestAt(found.lastIndex) !== found.digestAt(found.lastIndex);
  if (!hasReplaced || found.lastIndex < log.baseIndex)
    broken('durable-kept', `${id} starts with a log up to ${found.lastIndex}, on its disk it reached ${log.lastIndex}`);
};
