// One replica of one Raft group: fulfils the machine's effects through the ports and brings their answers back as events
// (decisions 1 and 2). What a message means is the machine's; what a write looks like is the store's; when both meet is here.
import {
  createRaft,
  decodeConfiguration,
  formRaftMessage,
  parseRaftMessage,
  type RaftState,
  step,
  successorOf,
} from '../machines/raft/index.ts';
import type {
  Configuration,
  Entry,
  ProposalRejection,
  RaftEffect,
  RaftEvent,
  RaftMessage,
  RaftOptions,
  RaftRestored,
  ReadRejection,
  ReconfigureRejection,
  ReconfigureTarget,
  ReplicaId,
  SnapshotMeta,
  TransferRejection,
} from '../machines/raft/types.ts';
import type { Observe, ObserveStep } from './observe.ts';
import type { ClockPort, PeerId, RandomPort, SinkPort, Timer } from './ports/index.ts';
import type { RaftStore } from './raft-store.ts';
import type { Router } from './router.ts';
import type { SnapshotTransfers } from './snapshot.ts';
import type { Scope } from './supervise.ts';
import type { Writer } from './writer.ts';

export type ProposalEnd<Outcome> =
  | { type: 'applied'; outcome: Outcome; index: number; term: number }
  | { type: 'rejected'; reason: ProposalRejection; leader: PeerId | null }
  /** Another entry took its place: it surely did not happen. */
  | { type: 'overwritten' }
  /** This replica can no longer know (a snapshot passed it by). */
  | { type: 'unknown' };

export type ReadEnd = { type: 'ready'; index: number } | { type: 'rejected'; reason: ReadRejection; leader: PeerId | null };
export type ReconfigureEnd = { ok: true; index: number } | { ok: false; reason: ReconfigureRejection; message: string };
export type TransferEnd = { ok: true } | { ok: false; reason: TransferRejection };

/** What the replicated state machine does for the member. */
export interface Replicated<Outcome> {
  /** False: this build does not know what it says, and must not guess. Nothing is applied any more, and this replica promises nothing. */
  reads(entry: Entry): boolean;
  /** It met one that it does not read. */
  unreadable(entry: Entry): void;
  /** Applies one command entry; its keyspace writes are collected by the callee and taken by `takeWrites`. */
  apply(entry: Entry): Outcome;
  /** All entries of a turn are applied and their writes handed to the writer. */
  applied(index: number): void;
  /** The keyspace was replaced by a snapshot: rebuild what is in memory, then call `done`. */
  installed(meta: SnapshotMeta, done: () => void): void;
}

export interface Member<Outcome> {
  readonly state: RaftState;
  propose(data: Uint8Array, done: (end: ProposalEnd<Outcome>) => void): void;
  read(mode: 'read-index' | 'lease', done: (end: ReadEnd) => void): void;
  reconfigure(target: ReconfigureTarget, done: (end: ReconfigureEnd) => void): void;
  transfer(to: ReplicaId, done: (end: TransferEnd) => void): void;
  receive(peer: PeerId, body: unknown): void;
  event(event: RaftEvent): void;
  leaderPeer(): PeerId | null;
  /** Who could take over best, or null. */
  successor(): ReplicaId | null;
  /** Replicas of the current configuration that live on this peer. */
  replicasOf(peer: PeerId): ReplicaId[];
  stop(): void;
}

export type MemberArguments<Outcome> = {
  scope: Scope;
  clock: ClockPort;
  random: RandomPort;
  sink: SinkPort;
  router: Router;
  writer: Writer;
  store: RaftStore;
  group: string;
  replica: ReplicaId;
  options: RaftOptions;
  restored: RaftRestored;
  compactAfter: { entries: number; bytes: number };
  replicated: Replicated<Outcome>;
  /** Keyspace operations that the entries applied in this turn want. */
  takeOperations: (appliedIndex: number, timeMs: number) => ReturnType<RaftStore['stateOperations']>;
  snapshots: SnapshotTransfers;
  onChanged: () => void;
  observe?: Observe;
  observeStep?: ObserveStep;
  /** Asserts Raft's costly invariants too. */
  checkAll?: boolean;
  onWarn: (code: string, message: string) => void;
};

type Persist = Extract<RaftEffect, { type: 'persist' }>;

/** Who waits for an entry. A leader that lost its term and won another may place a second entry where the first one was. */
type Placed<Outcome> = { term: number; done: (end: ProposalEnd<Outcome>) => void; earlier: Placed<Outcome> | null };

const strangersMax = 1_024;
const applyEntriesMax = 512;

export const createMember = <Outcome>(args: MemberArguments<Outcome>): Member<Outcome> => {
  const { scope, clock, random, sink, router, writer, store, group, replica, restored, replicated } = args;
  const address = `raft/${group}`;
  const { options, checkAll } = args;
  const state = createRaft({
    replica,
    options,
    restored,
    checkAll: checkAll ?? false,
    seed: random.uint32(),
    nowMs: clock.nowMs(),
  });

  // -------- what waits for an answer
  let lastRef = 0;
  const proposals = new Map<number, (end: ProposalEnd<Outcome>) => void>();
  const placed = new Map<number, Placed<Outcome>>();
  const reads = new Map<number, (end: ReadEnd) => void>();
  const reconfigurations = new Map<number, (end: ReconfigureEnd) => void>();
  const transfers = new Map<number, (end: TransferEnd) => void>();
  /** Reads confirmed at an index that is not applied yet, in order of index. */
  let readsAhead: { index: number; done: (end: ReadEnd) => void }[] = [];
  let unproposed: { ref: number; data: Uint8Array }[] = [];

  // -------- what has been applied
  let applied = restored.applied;
  /** Committed, handed over by the machine, waiting for its turn. */
  let unapplied: Entry[] = [];
  let applyScheduled = false;
  /** It met an entry that it does not read. */
  let isStuck = false;
  let appliedConfiguration = configurationAt(restored);
  let sinceCompaction = { entries: 0, bytes: 0 };
  /** Replicas that no configuration known here names, by the peer that spoke for them; each peer has one, the oldest first. */
  const strangers = new Map<PeerId, ReplicaId>();
  const strangerPeers = new Map<ReplicaId, PeerId>();
  /** Writes that ended while a snapshot's keyspace is being loaded, in order; null when none is. */
  let installing: Persist[] | null = null;

  // -------- the loop: one event at a time, whatever arrives meanwhile waits its turn
  const queue: RaftEvent[] = [];
  let stepping = false;
  /** This turn has handed something to the writer that must be durable. */
  let persisting = false;
  let alarm: { atMs: number; timer: Timer } | null = null;

  const run = (event: RaftEvent): void => {
    queue.push(event);
    if (!stepping) turn(() => {});
  };

  const stepOnce = (event: RaftEvent): RaftEffect[] => {
    const effects = step(state, clock.nowMs(), event);
    const { observeStep } = args;
    if (observeStep !== undefined) {
      const { role, term, vote, commit, durable, configuration } = state;
      const { lastIndex } = state.log;
      observeStep({ group, replica, event, effects, role, term, vote, commit, durable, configuration, lastIndex });
    }
    return effects;
  };

  /** Does `work`, then steps through the events that have come. */
  const turn = (work: () => void): void => {
    stepping = true;
    persisting = false;
    try {
      work();
      for (let next = queue.shift(); next !== undefined; next = queue.shift())
        for (const effect of stepOnce(next)) fulfil(effect);
    } finally {
      stepping = false;
    }
    arm();
  };

  /** One timer at the earliest deadline; a deadline that moved later is found out when it rings. */
  const arm = (): void => {
    if (alarm !== null && alarm.atMs <= state.deadlineMs) return;
    alarm?.timer.cancel();
    alarm = null;
    if (state.deadlineMs === Number.POSITIVE_INFINITY) return;
    const atMs = state.deadlineMs;
    const timer = scope.after(Math.max(0, atMs - clock.nowMs()), () => {
      alarm = null;
      if (clock.nowMs() >= state.deadlineMs) run({ type: 'wake' });
      else arm();
    });
    alarm = { atMs, timer };
  };

  const peerOf = (id: ReplicaId | null): PeerId | null =>
    id === null ? null : (memberPeer(id) ?? strangerPeers.get(id) ?? null);

  const memberPeer = (id: ReplicaId): PeerId | null =>
    Object.hasOwn(state.configuration.members, id) ? state.configuration.members[id]!.peer : null;

  const send = (message: RaftMessage): void => {
    const peer = peerOf(message.to);
    const sent =
      peer === null ? 'unreachable' : router.send(peer, 'control', address, address, 'raft', formRaftMessage(message));
    if (sent !== 'queued') queue.push({ type: 'unreachable', replica: message.to });
  };

  // -------- effects
  const persist = (effect: Persist): void => {
    // The snapshot holds what these would do.
    if (effect.snapshot !== null) unapplied = [];
    persisting = true;
    writer.write(
      store.persist(effect),
      { durable: true },
      scope.guard((why) => {
        if (why !== null) return failed();
        // Answers come in order of tokens: what was written after a snapshot waits until that is loaded.
        if (installing !== null) installing.push(effect);
        else answerPersist(effect);
      }),
    );
  };

  /** What others make of this node's entries it will not hear: nothing more is applied here but what is on its way to that already. */
  const failed = (): void => {
    run({ type: 'persist-failed' });
    const last = unapplied.at(-1)?.index ?? applied;
    for (const [at, waiting] of [...placed]) {
      if (at <= last) continue;
      placed.delete(at);
      loseSight(waiting);
    }
  };

  const answerPersist = (effect: Persist): void => {
    observePersisted(effect);
    if (effect.snapshot === null) return persisted(effect);
    const meta = effect.snapshot;
    installing = [];
    replicated.installed(meta, () => {
      installed(meta);
      const waiting = installing ?? [];
      installing = null;
      persisted(effect);
      for (const later of waiting) {
        if (installing !== null) (installing as Persist[]).push(later);
        else answerPersist(later);
      }
    });
  };

  /**
   * Acknowledgements leave in the turn in which the machine hears of the write: a heartbeat answered between the two would tell the
   * leader less than it was promised, and the leader would take that for a disk that forgot (LOG_REGRESSED).
   */
  const persisted = ({ messages, token }: Persist): void => {
    for (const message of messages) send(message);
    run({ type: 'persisted', token });
  };

  const observePersisted = (effect: Persist): void => {
    const { observe } = args;
    if (observe === undefined) return;
    if (effect.hardState !== null) observe({ type: 'hard-state', group, replica, hardState: effect.hardState });
    if (effect.entries.length > 0) observe({ type: 'logged', group, replica, entries: effect.entries });
  };

  const installed = ({ index, term, configuration }: SnapshotMeta): void => {
    applied = index;
    appliedConfiguration = configuration;
    args.observe?.({ type: 'installed', group, replica, index, term, configuration });
    sinceCompaction = { entries: 0, bytes: 0 };
    for (const [at, waiting] of placed) {
      if (at > index) continue;
      placed.delete(at);
      loseSight(waiting);
    }
    answerReads();
  };

  /**
   * What was appended in this turn goes to the disk and to the peers first: they work while the state machine does, and an
   * acknowledgement need not wait for it.
   */
  const applyInTime = (entries: Entry[]): void => {
    if (!persisting && unapplied.length === 0 && entries.length <= applyEntriesMax) return applyEntries(entries);
    if (isStuck) return;
    for (const entry of entries) unapplied.push(entry);
    scheduleApply();
  };

  const scheduleApply = (): void => {
    if (!applyScheduled) scope.after(0, applySome);
    applyScheduled = true;
  };

  const applySome = (): void => {
    applyScheduled = false;
    // Larger slices for a larger backlog, so that it cannot grow for ever.
    const entries = unapplied.splice(0, Math.max(applyEntriesMax, unapplied.length >> 2));
    if (unapplied.length > 0) scheduleApply();
    turn(() => applyEntries(entries));
  };

  const countProposals = (outcome: ProposalRejection | 'applied' | 'overwritten' | 'unknown', by = 1): void => {
    if (by > 0) sink.count('raft_proposals_total', { group, outcome }, by);
  };

  /** They may have happened, but nobody here will know. */
  const loseSight = (waiting: Placed<Outcome>): void => {
    for (let one: Placed<Outcome> | null = waiting; one !== null; one = one.earlier) {
      countProposals('unknown');
      one.done({ type: 'unknown' });
    }
  };

  const applyEntries = (given: Entry[]): void => {
    const unreadable = isStuck ? 0 : given.findIndex((entry) => entry.kind === 'command' && !replicated.reads(entry));
    applyReadable(unreadable < 0 ? given : given.slice(0, unreadable));
    if (unreadable < 0 || isStuck) return;
    isStuck = true;
    unapplied = [];
    queue.push({ type: 'unreadable' });
    loseSightOfAll();
    replicated.unreadable(given[unreadable]!);
  };

  /** Whoever waits for what is not applied here any more. */
  const loseSightOfAll = (): void => {
    for (const waiting of placed.values()) loseSight(waiting);
    for (const { done } of readsAhead) done({ type: 'rejected', reason: 'not-leader', leader: null });
    placed.clear();
    readsAhead = [];
  };

  const applyReadable = (entries: Entry[]): void => {
    const ends: (() => void)[] = [];
    let own = 0;
    for (const entry of entries) {
      if (entry.index !== applied + 1) throw new Error(`InvariantBroken: apply ${entry.index} after ${applied} in '${group}'`);
      applied = entry.index;
      sinceCompaction.entries++;
      sinceCompaction.bytes += entry.data.byteLength;
      if (entry.kind === 'configuration') appliedConfiguration = decodeConfiguration(entry.data);
      const outcome = entry.kind === 'command' ? replicated.apply(entry) : null;
      const waiting = placed.get(entry.index);
      if (waiting === undefined) continue;
      placed.delete(entry.index);
      for (let one: Placed<Outcome> | null = waiting; one !== null; one = one.earlier) {
        const { term, done } = one;
        const mine = term === entry.term && outcome !== null;
        if (mine) own++;
        ends.push(() =>
          done(mine ? { type: 'applied', outcome, index: entry.index, term: entry.term } : { type: 'overwritten' }),
        );
      }
    }
    const last = entries.at(-1);
    if (last === undefined) return;
    writer.write(args.takeOperations(applied, last.timeMs), { durable: false }, () => {});
    args.observe?.({ type: 'applied', group, replica, entries });
    replicated.applied(applied);
    queue.push({ type: 'applied', index: applied });
    compact(last);
    countProposals('applied', own);
    countProposals('overwritten', ends.length - own);
    for (const end of ends) end();
    answerReads();
  };

  const compact = (last: Entry): void => {
    const { entries, bytes } = args.compactAfter;
    if (sinceCompaction.entries < entries && sinceCompaction.bytes < bytes) return;
    sinceCompaction = { entries: 0, bytes: 0 };
    const meta = { index: last.index, term: last.term, timeMs: last.timeMs, configuration: appliedConfiguration };
    queue.push({ type: 'compact', meta });
    sink.count('raft_compactions_total', { group });
  };

  const answerReads = (): void => {
    if (readsAhead.length === 0) return;
    const ready = readsAhead.filter((read) => read.index <= applied);
    if (ready.length === 0) return;
    readsAhead = readsAhead.filter((read) => read.index > applied);
    for (const read of ready) read.done({ type: 'ready', index: read.index });
  };

  const take = <Done>(from: Map<number, Done>, ref: number): Done => {
    const done = from.get(ref);
    if (done === undefined) throw new Error(`InvariantBroken: nobody waits for ref ${ref} in '${group}'`);
    from.delete(ref);
    return done;
  };

  const sendSnapshot = (to: ReplicaId): void => {
    const peer = peerOf(to);
    const last = { index: applied, term: state.log.termAt(applied)!, timeMs: state.log.timeAt(applied) };
    const meta: SnapshotMeta = { ...last, configuration: appliedConfiguration };
    const finished = scope.guard((ok: boolean) => run({ type: 'snapshot-sent', to, index: meta.index, ok }));
    if (peer === null) return finished(false);
    args.snapshots.send(to, peer, meta, state.term, finished);
  };

  const fulfil = (effect: RaftEffect): void => {
    switch (effect.type) {
      case 'send':
        return send(effect.message);
      case 'persist':
        return persist(effect);
      case 'apply':
        return applyInTime(effect.entries);
      case 'drop-log':
        args.observe?.({ type: 'compacted', group, replica, meta: effect.meta });
        return writer.write(store.dropLog(effect.meta), { durable: false }, () => {});
      case 'send-snapshot':
        return sendSnapshot(effect.to);
      case 'expect-snapshot': {
        const { from, meta } = effect;
        const peer = peerOf(from);
        if (peer === null) return;
        return args.snapshots.expect(from, peer, meta, () => run({ type: 'snapshot-received', from, meta }));
      }
      case 'proposed':
        placed.set(effect.index, {
          term: effect.term,
          done: take(proposals, effect.ref),
          earlier: placed.get(effect.index) ?? null,
        });
        return;
      case 'proposal-rejected':
        countProposals(effect.reason);
        return take(proposals, effect.ref)({ type: 'rejected', reason: effect.reason, leader: peerOf(effect.leader) });
      case 'read-ready':
        args.observe?.({ type: 'read-ended', group, replica, ref: effect.ref, index: effect.index });
        readsAhead.push({ index: effect.index, done: take(reads, effect.ref) });
        return answerReads();
      case 'read-rejected':
        args.observe?.({ type: 'read-ended', group, replica, ref: effect.ref, index: null });
        return take(reads, effect.ref)({ type: 'rejected', reason: effect.reason, leader: peerOf(effect.leader) });
      case 'reconfigured':
        return take(reconfigurations, effect.ref)({ ok: true, index: effect.index });
      case 'reconfigure-rejected':
        return take(reconfigurations, effect.ref)({ ok: false, reason: effect.reason, message: effect.message });
      case 'transferred':
        return take(transfers, effect.ref)({ ok: true });
      case 'transfer-rejected':
        return take(transfers, effect.ref)({ ok: false, reason: effect.reason });
      case 'changed':
        observeRole();
        return args.onChanged();
      case 'warn':
        return args.onWarn(effect.code, effect.message);
    }
  };

  const observeRole = (): void => {
    const { role, term, leader, commit, configuration } = state;
    args.observe?.({ type: 'role', group, replica, role, term, leader, commit, configuration });
  };

  /** Everything proposed since the last time goes to the machine as one event, so that it becomes one append and one write. */
  const flushProposals = (): void => {
    const batch = unproposed;
    unproposed = [];
    run({ type: 'propose', wallMs: clock.wallMs(), proposals: batch });
  };

  /** Nobody speaks for another: the replica named as the sender must live on the peer that sent it. */
  const speaksFor = (peer: PeerId, from: ReplicaId): boolean => {
    const known = peerOf(from);
    if (known !== null) return known === peer;
    forgetStranger(peer);
    const [oldest] = strangers.keys();
    if (oldest !== undefined && strangers.size >= strangersMax) forgetStranger(oldest);
    strangers.set(peer, from);
    strangerPeers.set(from, peer);
    return true;
  };

  const forgetStranger = (peer: PeerId): void => {
    const replicaThere = strangers.get(peer);
    strangers.delete(peer);
    if (replicaThere !== undefined) strangerPeers.delete(replicaThere);
  };

  arm();
  const { hardState, snapshot, entries } = restored;
  args.observe?.({ type: 'restored', group, replica, hardState, snapshot, entries, applied: restored.applied });

  return {
    state,
    propose(data, done) {
      const ref = ++lastRef;
      proposals.set(ref, done);
      unproposed.push({ ref, data });
      if (unproposed.length > 1) return;
      // Who comes alone is served at once. Where others wait already, everything that arrives with this one shares its append:
      // requests over sockets come in one turn each.
      if (placed.size === 0) scope.soon(flushProposals);
      else scope.after(0, flushProposals);
    },
    read(mode, done) {
      const ref = ++lastRef;
      reads.set(ref, done);
      args.observe?.({ type: 'read-asked', group, replica, ref });
      run({ type: 'read', ref, mode });
    },
    reconfigure(target, done) {
      const ref = ++lastRef;
      reconfigurations.set(ref, done);
      run({ type: 'reconfigure', ref, wallMs: clock.wallMs(), target });
    },
    transfer(to, done) {
      const ref = ++lastRef;
      transfers.set(ref, done);
      run({ type: 'transfer', ref, to });
    },
    receive(peer, body) {
      const parsed = parseRaftMessage(body);
      if (!parsed.ok) return router.refuse(peer, parsed.refused, parsed.message, { group });
      const { message } = parsed;
      if (message.to !== replica) return sink.count('raft_misaddressed_total', { group });
      if (!speaksFor(peer, message.from))
        return router.refuse(peer, 'SPOKE_FOR_ANOTHER', `replica ${message.from} does not live there`, { group });
      run({ type: 'message', message });
    },
    event: run,
    leaderPeer: () => peerOf(state.leader),
    successor: () => successorOf(state, clock.nowMs()),
    replicasOf: (peer) =>
      Object.values(state.configuration.members)
        .filter((member) => member.peer === peer)
        .map((member) => member.replica),
    stop() {
      args.snapshots.stop();
      countProposals('not-leader', proposals.size);
      for (const done of proposals.values()) done({ type: 'rejected', reason: 'not-leader', leader: null });
      loseSightOfAll();
      for (const done of reads.values()) done({ type: 'rejected', reason: 'not-leader', leader: null });
      // Refused would have been answered at once: these are in the log, and others may go on with them.
      for (const done of reconfigurations.values()) done({ ok: false, reason: 'lost', message: 'the replica stops' });
      for (const done of transfers.values()) done({ ok: false, reason: 'not-leader' });
      proposals.clear();
      reads.clear();
    },
  };
};

/** The configuration as of the applied index: a snapshot's, or that of the last configuration entry applied. */
const configurationAt = (restored: RaftRestored): Configuration => {
  const empty: Configuration = { voters: [], outgoing: null, learners: [], learnersNext: [], members: {} };
  let configuration = restored.snapshot?.configuration ?? empty;
  for (const entry of restored.entries)
    if (entry.kind === 'configuration' && entry.index <= restored.applied) configuration = decodeConfiguration(entry.data);
  return configuration;
};
