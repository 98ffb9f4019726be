// One group of the register service on one node, as one supervised actor: the Raft replica (if this node hosts one), the state
// machine above it, and the requests of this node's users and of other nodes. When it fails, all of it starts again from disk.
import { type Failure, failure } from '../machines/errors.ts';
import { standingOf } from '../machines/raft/index.ts';
import type { Configuration, RaftEvent, Member as RaftPeer, ReconfigureTarget, ReplicaId } from '../machines/raft/types.ts';
import {
  encodeCommand,
  entryVersionOf,
  entryVersions,
  formRequestRead,
  formRequestWrite,
  formResult,
  parseIdempotencyKey,
  parseRead,
  parseRequestRead,
  parseRequestWrite,
  parseResult,
  parseWrite,
  type RegisterOutcome,
  type RegisterRead,
  type RegisterResult,
  type RegisterWrite,
} from '../machines/register/index.ts';
import { limits } from '../machines/wire/limits.ts';
import type { ActorGroups } from './actor-groups.ts';
import type {
  BackupPart,
  CallOptions,
  GroupChange,
  GroupStatus,
  Outcome,
  ReadOptions,
  WatchMessage,
  WriteOptions,
} from './api.ts';
import { answerEntries, buildTooOld, createGroupEntries, type GroupEntries } from './group-entries.ts';
import type { LeadingMember } from './leadership.ts';
import type { Observe, ObserveStep } from './observe.ts';
import type { PeerId, Ports, Timer } from './ports/index.ts';
import { createQueueWaits, type ReceiveRequest } from './queue-waits.ts';
import { createMember, type Member, type ReadEnd } from './raft.ts';
import { type LoadedGroup, loadGroup, type RaftStore } from './raft-store.ts';
import { createRegisterReplica, expireCommand, type RecordPages, type RegisterReplica } from './register.ts';
import { waitOf } from './register-waits.ts';
import { type Attempt, createRequests, type RequestKind, type Requests } from './requests.ts';
import type { Delivery, Router } from './router.ts';
import type { NodeSettings } from './settings.ts';
import { createSnapshotTransfers, type SnapshotTransfers } from './snapshot.ts';
import type { Component, Scope } from './supervise.ts';
import type { Writer } from './writer.ts';

type WriteRequest = { write: RegisterWrite; idempotencyKey: string | null };
type ReadRequest = { read: RegisterRead; lease: boolean };
type ChangeRequest = GroupChange;

export type GroupEvent =
  | { type: 'write'; write: RegisterWrite; options: WriteOptions; done: (outcome: Outcome<RegisterResult>) => void }
  | { type: 'read'; read: RegisterRead; options: ReadOptions; done: (outcome: Outcome<RegisterResult>) => void }
  | { type: 'change'; change: GroupChange; options: CallOptions; done: (outcome: Outcome<{ index: number }>) => void }
  | { type: 'watch'; prefix: string; from: number; on: (message: WatchMessage) => void; ended: (end: () => void) => void }
  | { type: 'backup'; on: (part: BackupPart, more: () => void) => void; options: CallOptions; ended: (end: () => void) => void }
  | { type: 'delivery'; delivery: Delivery }
  | { type: 'raft'; delivery: Delivery }
  | { type: 'snapshot'; delivery: Delivery }
  | { type: 'peer-lost' | 'peer-found'; peer: PeerId }
  | { type: 'drain'; peer: PeerId }
  /** Host this replica from now on (genesis, or a leader's request). */
  | { type: 'host'; replica: ReplicaId }
  /** The node stops: hand leadership over if we have it, to the node that should lead, or whoever can best. */
  | { type: 'relinquish'; to: string | null; done: () => void };

export type GroupArguments = {
  group: string;
  /** Null: this node hosts no replica (yet). */
  replica: ReplicaId | null;
  settings: NodeSettings;
  ports: Ports;
  router: Router;
  writer: Writer;
  /** Peers connected now, by node name. */
  peerNamed: (name: string) => PeerId | null;
  /** Any connected peer that may know the leader of a group that this node does not host. */
  anyPeer: () => PeerId | null;
  /** Asks a node to host a replica of the group; answers its durable id. */
  askToHost: (peer: PeerId, timeoutMs: number, done: (outcome: Outcome<{ replica: ReplicaId }>) => void) => void;
  onStatus: (status: GroupStatus) => void;
  /** Name → peer of the group's current members. */
  onMembers: (members: Record<string, PeerId>) => void;
  observe?: Observe;
  observeStep?: ObserveStep;
  checkAll: boolean;
  /** Who leads, and whether its lease holds, may have changed; null: there is no replica here any more. */
  onLeading?: (member: LeadingMember | null) => void;
  /** Replicated actors live in it. */
  actors?: ActorGroups | null;
  /** Groups' quietness, for the beats between nodes. */
  onQuiet: (quiet: { leading: { peers: PeerId[]; term: number } | null; following: PeerId | null }) => void;
};

const defaultTimeoutMs = limits.callTimeoutMsDefault;

/** Elections take less. */
const forgottenAfterMs = 2_000;

/** What is said of a change when there is no time to ask for it once more. */
const refusals = {
  pending: 'RECONFIGURATION_PENDING',
  'not-caught-up': 'RECONFIGURATION_PENDING',
  unheard: 'NO_QUORUM',
  overloaded: 'OVERLOADED',
  invalid: 'INVALID_REQUEST',
} as const;

const notHosted = (group: string, node: string): Failure =>
  failure('NOT_READY', `${node} has no replica of '${group}' that is loaded; ask a node that has one`, { group });

export const createGroup = (scope: Scope, args: GroupArguments): Component<GroupEvent> => {
  const { group, settings, ports, router, writer } = args;
  const { clock, sink, network } = ports;
  let hosted: {
    member: Member<RegisterOutcome>;
    register: RegisterReplica;
    store: RaftStore;
    snapshots: SnapshotTransfers;
    entries: GroupEntries;
  } | null = null;
  let replica = args.replica;
  let halted: string | null = null;
  let statusDue = false;
  let leaderBefore: PeerId | null = null;
  let expireTimer: Timer | null = null;
  /** Copies of the keyspace under way, by what ends them. */
  const backups = new Set<(why: Failure) => void>();
  /** Who waits for this node to have applied an index. */
  let appliedWaits: { index: number; run: () => void }[] = [];

  // -------------------------------------------------------------- status

  const nameOf = (configuration: Configuration, id: ReplicaId | null): string | null =>
    id === null ? null : (configuration.members[id]?.name ?? null);

  /** Not yet, or no longer, a member: what it holds says nothing of the group as it is. */
  const isOutside = (): boolean => hosted !== null && standingOf(hosted.member.state) === 'outsider';

  const serves = (): boolean => hosted !== null && !isOutside();

  const status = (): GroupStatus => {
    if (hosted === null)
      return {
        ...{ id: group, role: 'none', term: 0, leader: null, voters: [], learners: [], commitIndex: 0, appliedIndex: 0 },
        ...{ firstIndex: 0, lastIndex: 0, quiet: false, replica, joint: false, halted },
      };
    const { state } = hosted.member;
    const { configuration } = state;
    const names = (ids: ReplicaId[]): string[] => ids.map((id) => nameOf(configuration, id) ?? id);
    const votes = configuration.voters.includes(state.replica) || configuration.outgoing?.includes(state.replica) === true;
    return {
      id: group,
      replica,
      role: isOutside() ? 'none' : votes || state.role === 'leader' ? state.role : 'learner',
      term: state.term,
      leader: nameOf(configuration, state.leader),
      voters: names(configuration.voters),
      learners: names(configuration.learners),
      commitIndex: state.commit,
      appliedIndex: state.applied,
      firstIndex: state.log.firstIndex,
      lastIndex: state.log.lastIndex,
      quiet: state.quiet,
      joint: configuration.outgoing !== null,
      halted: halted ?? (state.halted ? 'PERSIST_FAILED' : null),
    };
  };

  const tellStatus = (): void => {
    if (statusDue) return;
    statusDue = true;
    scope.soon(() => {
      statusDue = false;
      args.onStatus(status());
      // A leader's first entry may have been applied.
      if (hosted !== null) args.onLeading?.(hosted.member);
    });
  };

  /** Whoever reads from this replica's state is told to go elsewhere. */
  const dismiss = (why: Failure): void => {
    for (const fail of [...backups]) fail(why);
    hosted?.register.dismiss(why);
  };

  const onChanged = (): void => {
    tellStatus();
    if (hosted === null) return;
    const { member } = hosted;
    args.onLeading?.(member);
    if (member.state.role !== 'leader') waits.dismiss(member.leaderPeer());
    hosted.entries.look();
    const { state } = member;
    // Nothing more will happen here: whoever watches has to watch elsewhere.
    if (isOutside()) dismiss(notHosted(group, settings.name));
    const leader = member.leaderPeer();
    const others = Object.values(state.configuration.members)
      .map((one) => one.peer)
      .filter((peer) => peer !== network.self);
    args.onMembers(Object.fromEntries(Object.values(state.configuration.members).map((one) => [one.name, one.peer])));
    args.onQuiet({
      leading: state.quiet && state.role === 'leader' ? { peers: others, term: state.term } : null,
      following: state.quiet && state.role !== 'leader' ? leader : null,
    });
    if (leader !== leaderBefore) {
      leaderBefore = leader;
      if (leader === null)
        sink.log('info', 'LEADER_UNKNOWN', `no leader of '${group}' is known in term ${state.term}`, { group });
      else {
        // A learner may hear the leader before it has heard of the members.
        const name = nameOf(state.configuration, state.leader) ?? leader;
        sink.log('info', 'LEADER', `${name} leads '${group}' in term ${state.term}`, { group, term: state.term });
        scope.soon(() => {
          for (const requests of everyRequests) requests.leaderChanged();
        });
      }
    }
    scheduleExpire();
  };

  // -------------------------------------------------------------- log time

  /** While this node leads, proposes `expire` when its wall clock passes the earliest expiry. */
  const scheduleExpire = (): void => {
    if (expireTimer !== null || hosted === null || hosted.member.state.role !== 'leader') return;
    const atMs = hosted.register.nextExpiryMs();
    if (atMs === Number.POSITIVE_INFINITY) return;
    const delayMs = Math.min(Math.max(1, atMs - clock.wallMs()), 1_000);
    expireTimer = scope.after(delayMs, () => {
      expireTimer = null;
      if (hosted === null || hosted.member.state.role !== 'leader') return;
      if (hosted.register.nextExpiryMs() > clock.wallMs()) return scheduleExpire();
      hosted.member.propose(expireCommand(), () => scheduleExpire());
    });
  };

  // -------------------------------------------------------------- executing at the leader

  const executeWrite = (request: WriteRequest, _timeLeftMs: number, done: (attempt: Attempt<RegisterResult>) => void): void => {
    if (hosted === null) return done({ type: 'not-leader', leader: null });
    const session = request.idempotencyKey === null ? {} : { session: { id: request.idempotencyKey } };
    hosted.member.propose(encodeCommand({ write: request.write, ...session }), (end) => {
      if (end.type === 'applied') {
        const { outcome } = end;
        done({ type: 'done', outcome: outcome.ok ? { ok: true, value: outcome.result } : outcome });
        return;
      }
      if (end.type === 'overwritten') return done({ type: 'again' });
      if (end.type === 'unknown') return done({ type: 'lost' });
      if (end.reason === 'not-leader') return done({ type: 'not-leader', leader: end.leader });
      if (end.reason === 'transferring') return done({ type: 'again' });
      const code = end.reason === 'too-large' ? 'TOO_LARGE' : 'OVERLOADED';
      const message = `the leader of '${group}', ${settings.name}, refused the write: ${end.reason}`;
      done({ type: 'refused', failure: failure(code, message) });
    });
  };

  const executeRead = (request: ReadRequest, _timeLeftMs: number, done: (attempt: Attempt<RegisterResult>) => void): void => {
    confirmRead(request.lease ? 'lease' : 'read-index', (end) => {
      if (end.type === 'rejected') {
        if (end.reason === 'not-leader') return done({ type: 'not-leader', leader: end.leader });
        if (end.reason === 'no-quorum') return done({ type: 'again' });
        return done({ type: 'refused', failure: failure('OVERLOADED', `${settings.name} has too many reads under way`) });
      }
      if (hosted === null) return done({ type: 'again' });
      hosted.register.read(request.read, (outcome) => done({ type: 'done', outcome }));
    });
  };

  const confirmRead = (mode: 'read-index' | 'lease', done: (end: ReadEnd) => void): void => {
    if (hosted === null) return done({ type: 'rejected', reason: 'not-leader', leader: null });
    hosted.member.read(mode, done);
  };

  // -------------------------------------------------------------- reconfiguration at the leader

  const executeChange = (
    change: ChangeRequest,
    timeLeftMs: number,
    done: (attempt: Attempt<{ index: number }>) => void,
  ): void => {
    const deadlineMs = clock.nowMs() + timeLeftMs;
    const fail = (why: Failure): void => done({ type: 'refused', failure: why });
    if (hosted === null) return done({ type: 'not-leader', leader: null });
    const { member } = hosted;
    const { configuration } = member.state;
    const existing = Object.values(configuration.members).find((one) => one.name === change.node);
    if (change.type !== 'add' && existing === undefined)
      return fail(failure('MEMBER_NOT_FOUND', `'${group}' has no member ${change.node}`));

    /** Tries the whole change again shortly; false where the time does not allow it. */
    const again = (): boolean => {
      if (clock.nowMs() + changeRetryMs >= deadlineMs) return false;
      scope.after(changeRetryMs, () => executeChange(change, deadlineMs - clock.nowMs(), done));
      return true;
    };

    const reconfigure = (target: ReconfigureTarget, then: (index: number) => void): void =>
      member.reconfigure(target, (end) => {
        if (end.ok) return then(end.index);
        if (end.reason === 'not-leader') return done({ type: 'not-leader', leader: member.leaderPeer() });
        if (end.reason === 'lost') return done({ type: 'lost' });
        const code = refusals[end.reason];
        if (code !== 'OVERLOADED' && code !== 'INVALID_REQUEST' && again()) return;
        const so =
          end.reason === 'not-caught-up'
            ? `${change.node} is a learner of '${group}' and has no vote yet; ask again later`
            : `'${group}' refuses to ${change.type} ${change.node}`;
        fail(failure(code, `${so}: ${end.message}`));
      });
    const finish = (index: number): void => done({ type: 'done', outcome: { ok: true, value: { index } } });

    if (change.type === 'transfer') {
      member.transfer(existing!.replica, (end) => {
        if (end.ok) return finish(member.state.commit);
        if (end.reason === 'not-leader') return done({ type: 'not-leader', leader: member.leaderPeer() });
        if (end.reason === 'unanswered') return done({ type: 'lost' });
        const code = end.reason === 'not-a-voter' ? 'INVALID_REQUEST' : 'NO_QUORUM';
        fail(failure(code, `leadership of '${group}' did not move to ${change.node}: ${end.reason}`));
      });
      return;
    }
    if (change.type === 'remove') return reconfigure(without(configuration, existing!.replica), finish);
    if (change.type === 'promote') {
      if (configuration.voters.includes(existing!.replica)) return finish(member.state.commit);
      return reconfigure(withVoter(configuration, existing!), finish);
    }
    if (existing !== undefined) {
      const wanted = change.role === 'learner' || configuration.voters.includes(existing.replica);
      if (wanted) return fail(failure('ALREADY_MEMBER', `${change.node} is already a member of '${group}'`));
      return reconfigure(withVoter(configuration, existing), finish);
    }
    const peer = change.node === settings.name ? network.self : args.peerNamed(change.node);
    if (peer === null)
      return fail(failure('MEMBER_NOT_FOUND', `${change.node} is not connected to ${settings.name}; start it first`));
    const { entries } = hosted;
    const host = (): void =>
      args.askToHost(
        peer,
        timeLeftMs,
        scope.guard((outcome) => {
          // It was started a moment ago, or its name was another's until a moment ago: it asks for the genesis twice a second.
          if (!outcome.ok) return outcome.failure.code === 'NOT_READY' && again() ? undefined : fail(outcome.failure);
          const added: RaftPeer = { replica: outcome.value.replica, name: change.node, peer };
          reconfigure(withLearner(member.state.configuration, added), (index) => {
            if (change.role === 'learner') return finish(index);
            executeChange(change, deadlineMs - clock.nowMs(), done);
          });
        }),
      );
    entries.check(change.node, peer, (why) => (why === null ? host() : fail(why)));
  };

  // -------------------------------------------------------------- requests, from here and from other nodes

  const applied = (): number => hosted?.member.state.applied ?? 0;

  const answerApplied = (): void => {
    const ready = appliedWaits.filter(({ index }) => index <= applied());
    appliedWaits = appliedWaits.filter(({ index }) => index > applied());
    for (const { run } of ready) run();
  };

  /**
   * Who leaves may never hear how that ended, for the others need not tell it. While it hears of no leader it asks them, as one that
   * is outside already does. So does who hears of no leader for long: it may have been taken out while it was cut off, and nobody owes
   * it that news.
   */
  let leaderlessSinceMs: number | null = null;
  const leaderOrGuide = (): PeerId | null => {
    if (hosted === null || isOutside()) return args.anyPeer();
    const { member } = hosted;
    const { configuration, replica: own } = member.state;
    const stays = configuration.voters.includes(own) || configuration.learners.includes(own);
    const leader = member.leaderPeer();
    leaderlessSinceMs = leader === null ? (leaderlessSinceMs ?? clock.nowMs()) : null;
    const isForgotten = leaderlessSinceMs !== null && clock.nowMs() - leaderlessSinceMs >= forgottenAfterMs;
    return leader ?? (stays && !isForgotten ? null : args.anyPeer());
  };

  const place = {
    group,
    nodeName: settings.name,
    self: network.self,
    leader: leaderOrGuide,
    leads: () => hosted !== null && hosted.member.state.role === 'leader',
  };
  const access = { scope, clock, router };
  const writes: Requests<WriteRequest, RegisterResult> = createRequests(
    {
      type: 'write',
      effect: true,
      repeatable: ({ write, idempotencyKey }) =>
        idempotencyKey !== null || (write.op === 'queue-send' && write.dedup !== undefined),
      form: formRequestWrite,
      parse: parseRequestWrite,
      formResult,
      parseResult,
      execute: executeWrite,
    },
    place,
    access,
  );
  const reading: RequestKind<ReadRequest, RegisterResult> = {
    type: 'read',
    effect: false,
    repeatable: () => true,
    form: formRequestRead,
    parse: parseRequestRead,
    formResult,
    parseResult,
    execute: executeRead,
  };
  const reads: Requests<ReadRequest, RegisterResult> = createRequests(reading, place, access);
  /** Those that wait for something to tell: many, long, and no reason to put off a stop. */
  const patientReads: Requests<ReadRequest, RegisterResult> = createRequests({ ...reading, type: 'wait' }, place, access);
  const changes: Requests<ChangeRequest, { index: number }> = createRequests(
    {
      type: 'change',
      effect: true,
      repeatable: () => false,
      form: (change) => change,
      parse: parseChange,
      formResult: (result) => result.index,
      parseResult: (body) => (typeof body === 'number' && Number.isSafeInteger(body) ? { index: body } : null),
      execute: executeChange,
    },
    place,
    access,
  );
  const waits = createQueueWaits({
    ...{ scope, clock },
    free: (queue) => hosted?.register.freeIn(queue) ?? 0,
    isKnown: (idempotencyKey) => hosted?.register.isKnown(idempotencyKey) ?? false,
    propose: (request, done) => executeWrite(request, 0, done),
    confirm: (done) => confirmRead('read-index', done),
    at: () => ({ index: applied(), term: hosted?.member.state.term ?? 0 }),
  });
  const receives: Requests<ReceiveRequest, RegisterResult> = createRequests(
    {
      type: 'receive',
      effect: true,
      // What a lost attempt was given comes into sight again.
      repeatable: () => true,
      form: formRequestWrite,
      parse: (body) => receiveOf(parseRequestWrite(body)),
      formResult,
      parseResult,
      execute: waits.receive,
    },
    place,
    access,
  );
  const everyRequests = [writes, reads, patientReads, changes, receives];
  const requestsOf = (type: string): Pick<typeof writes, 'serve'> | null => {
    switch (type) {
      case 'write':
        return writes;
      case 'read':
        return reads;
      case 'wait':
        return patientReads;
      case 'change':
        return changes;
      case 'receive':
        return receives;
      default:
        return null;
    }
  };

  const timeoutOf = (options: CallOptions): number => Math.min(options.timeoutMs ?? defaultTimeoutMs, limits.callTimeoutMsMax);

  const onDelivery = (delivery: Delivery): void => {
    const { peer, type } = delivery;
    // Of nodes without a replica too: they may be about to get one.
    if (type === 'entries') return answerEntries({ group, node: settings.name, newest: settings.entriesMax, sink }, delivery);
    const requests = requestsOf(type);
    if (requests === null) return router.refuse(peer, 'TYPE_UNKNOWN', `no such request: ${type.slice(0, 32)}`, { group });
    requests.serve(delivery.body, delivery.timeLeftMs, delivery.answer);
  };

  /** Programs hand in whatever JavaScript lets them: it is checked like bytes from outside. */
  const onWrite = ({ write, options, done }: Extract<GroupEvent, { type: 'write' }>): void => {
    const parsed = parseWrite(write);
    if (!parsed.ok) return done({ ok: false, failure: parsed.failure });
    const key = options.idempotencyKey === undefined ? null : parseIdempotencyKey(options.idempotencyKey);
    if (key !== null && !key.ok) return done({ ok: false, failure: key.failure });
    const request = { write: parsed.value, idempotencyKey: key?.value ?? null };
    const receive = receiveOf(request);
    if (receive !== null) receives.execute(receive, timeoutOf(options), done);
    else writes.execute(request, timeoutOf(options), done);
  };

  const onRead = (given: Extract<GroupEvent, { type: 'read' }>): void => {
    const parsed = parseRead(given.read);
    if (!parsed.ok) return given.done({ ok: false, failure: parsed.failure });
    const event = { ...given, read: parsed.value };
    if (event.options.consistency !== 'local')
      return (waitOf(event.read) === null ? reads : patientReads).execute(
        { read: event.read, lease: event.options.consistency === 'lease' },
        timeoutOf(event.options),
        event.done,
      );
    if (!serves()) return event.done({ ok: false, failure: notHosted(group, settings.name) });
    hosted!.register.read(event.read, event.done);
  };

  const onChange = ({ change, options, done }: Extract<GroupEvent, { type: 'change' }>): void => {
    const parsed = parseChange(change);
    if (parsed === null) return done({ ok: false, failure: failure('INVALID_REQUEST', 'the change of members is malformed') });
    changes.execute(parsed, timeoutOf(options), done);
  };

  const onWatch = ({ prefix, from, on, ended }: Extract<GroupEvent, { type: 'watch' }>): void => {
    const failed = (why: Failure): void => on({ type: 'failed', failure: why });
    if (typeof prefix !== 'string' || !Number.isSafeInteger(from) || from < 0)
      return failed(failure('INVALID_REQUEST', 'a watch takes a prefix and the index to begin at, or 0'));
    if (!serves()) return failed(notHosted(group, settings.name));
    ended(hosted!.register.watch(prefix, from, on));
  };

  const onBackup = (event: Extract<GroupEvent, { type: 'backup' }>): void => {
    let wait: Timer | null = null;
    let pages: RecordPages | null = null;
    const close = (): void => {
      backups.delete(fail);
      wait?.cancel();
      pages?.close();
    };
    const fail = (why: Failure): void => {
      if (!backups.has(fail)) return;
      close();
      event.on({ type: 'failed', failure: why }, () => {});
    };
    const more = scope.guard(() =>
      pages?.next((why, records) => {
        if (why !== null) return fail(failure('STORAGE_FAILED', why.message));
        if (records.length > 0) return event.on({ type: 'records', records }, more);
        close();
        event.on({ type: 'end' }, () => {});
      }),
    );
    const begin = (): void => {
      if (hosted === null || !backups.has(fail)) return;
      wait?.cancel();
      const { applied: index, log, term } = hosted.member.state;
      // Opened now, so that the copy is what its label says.
      pages = hosted.register.records();
      event.on({ type: 'start', group, index, term, timeMs: log.timeAt(index) }, more);
    };
    backups.add(fail);
    event.ended(close);
    if (!serves()) return fail(notHosted(group, settings.name));
    const timeoutMs = timeoutOf(event.options);
    // A linearizable read of nothing first: this node may be behind its leader, and the copy must hold everything that was
    // acknowledged before it was asked for.
    const behind = failure('NOT_READY', `${settings.name} is behind the leader of '${group}' and did not catch up in time`);
    wait = scope.after(timeoutMs, () => fail(behind));
    reads.execute({ read: { op: 'list', prefix: '', limit: 1 }, lease: false }, timeoutMs, (outcome) => {
      if (!outcome.ok) return fail(outcome.failure);
      appliedWaits.push({ index: outcome.value.index, run: begin });
      answerApplied();
    });
  };

  // -------------------------------------------------------------- life

  /** It uses entries that this build does not read: nothing is applied here any more, for what would be made of them is a guess. */
  const halt = (needs: number): void => {
    const { code, message } = buildTooOld(group, settings.name, settings.entriesMax, needs);
    halted = code;
    sink.log('error', code, message, { group });
    tellStatus();
  };

  const host = (id: ReplicaId): void => {
    replica = id;
    loadGroup(
      writer,
      group,
      scope.guard((loaded: LoadedGroup) => onLoaded(id, loaded)),
    );
  };

  const onLoaded = (id: ReplicaId, loaded: LoadedGroup): void => {
    if (!loaded.ok) {
      halted = loaded.halted;
      sink.log('error', loaded.halted, loaded.message, { group });
      return tellStatus();
    }
    const { store, restored } = loaded;
    const register = createRegisterReplica({
      ...{ scope, clock, writer, store, watchEventsMax: settings.watchEventsMax, actors: args.actors?.host(group) ?? null },
      entriesMax: settings.entriesMax,
    });
    register.load(restored.applied, (isRead) => {
      if (!isRead) return halt(register.entries());
      const snapshots = createSnapshotTransfers({
        ...{ scope, clock, random: ports.random, sink, router, writer, store, group, replica: id },
        offer: (peer, message) => hosted?.member.receive(peer, message),
      });
      const member: Member<RegisterOutcome> = createMember<RegisterOutcome>({
        ...{ scope, clock, random: ports.random, sink, router, writer, store, group, replica: id },
        options: settings.raft,
        restored,
        compactAfter: { entries: settings.snapshotEntries, bytes: settings.snapshotBytes },
        replicated: {
          reads: register.reads,
          unreadable: ({ data }) => halt(entryVersionOf(data)),
          apply: register.apply,
          applied(index) {
            register.applied(index);
            tellStatus();
            scheduleExpire();
            if (appliedWaits.length > 0) scope.soon(answerApplied);
            waits.wake();
            args.actors?.applied(group, false);
          },
          installed(meta, done) {
            register.load(meta.index, (isLoaded) => {
              if (!isLoaded) {
                halt(register.entries());
                return member.event({ type: 'unreadable' });
              }
              done();
              args.actors?.applied(group, true);
              answerApplied();
            });
          },
        },
        takeOperations: (index, timeMs) => store.stateOperations(register.takeWrites(), index, timeMs),
        snapshots,
        onChanged,
        ...(args.observe === undefined ? {} : { observe: args.observe }),
        ...(args.observeStep === undefined ? {} : { observeStep: args.observeStep }),
        checkAll: args.checkAll,
        onWarn(code, message) {
          sink.log('warn', code, message, { group });
          sink.count('raft_warnings_total', { group, code });
        },
      });
      const entries = createGroupEntries({
        ...{ group, node: settings.name, self: network.self, newest: settings.entriesMax, scope, router, sink },
        led: () => (member.state.role === 'leader' ? member.state.configuration : null),
        used: register.entries,
        propose: (data, done) => member.propose(data, () => done()),
      });
      hosted = { member, register, store, snapshots, entries };
      const { ledger, keyspace: read } = register;
      args.actors?.opened({
        ...{ group, scope, ledger, read, want: entries.want, whyNot: () => entries.whyNot(entryVersions.actors) },
        propose: (data, done) => member.propose(data, done),
      });
      onChanged();
    });
  };

  const raftEvents = (peer: PeerId, type: 'peer-lost' | 'peer-found'): void => {
    if (hosted === null) return;
    if (type === 'peer-lost') hosted.snapshots.peerClosed(peer);
    if (type === 'peer-lost') hosted.entries.lost(peer);
    else hosted.entries.look();
    for (const id of hosted.member.replicasOf(peer)) hosted.member.event({ type, replica: id } satisfies RaftEvent);
  };

  const successorOf = ({ state, successor }: Member<RegisterOutcome>, name: string | null): ReplicaId | null => {
    if (state.role !== 'leader') return null;
    const wanted = Object.values(state.configuration.members).find((one) => one.name === name)?.replica;
    const progress = wanted === undefined ? undefined : state.progress.get(wanted);
    return wanted !== undefined && progress?.match === state.log.lastIndex && !progress.regressed ? wanted : successor();
  };

  const relinquish = (to: string | null, done: () => void): void => {
    hosted?.register.endWaits();
    const successor = hosted === null ? null : successorOf(hosted.member, to);
    if (successor === null) return untilIdle(done);
    hosted!.member.transfer(successor, () => untilIdle(done));
  };

  /**
   * Whoever waits for an answer gets it, from the new leader if need be; the node's patience is the limit. Who waits for messages of a
   * queue may wait for long, and can do so at any other node.
   */
  const untilIdle = (done: () => void): void => {
    if ([writes, reads, changes].every((requests) => !requests.isBusy)) return done();
    scope.after(idlePollMs, () => untilIdle(done));
  };

  const receive = (event: GroupEvent): void => {
    switch (event.type) {
      case 'raft':
        return hosted === null ? void 0 : hosted.member.receive(event.delivery.peer, event.delivery.body);
      case 'write':
        return onWrite(event);
      case 'read':
        return onRead(event);
      case 'change':
        return onChange(event);
      case 'delivery':
        return onDelivery(event.delivery);
      case 'snapshot':
        return hosted?.snapshots.receive(event.delivery);
      case 'drain':
        return hosted?.snapshots.drained(event.peer);
      case 'peer-lost':
      case 'peer-found':
        return raftEvents(event.peer, event.type);
      case 'host':
        // Once only: two members with one log would be two voters with one vote.
        if (replica === null) host(event.replica);
        else if (replica !== event.replica)
          throw new Error(`InvariantBroken: '${group}' hosts ${replica}, asked for ${event.replica}`);
        return;
      case 'watch':
        return onWatch(event);
      case 'backup':
        return onBackup(event);
      case 'relinquish':
        return relinquish(event.to, event.done);
    }
  };

  if (replica !== null) host(replica);
  else tellStatus();

  return {
    receive,
    stop(reason) {
      const why =
        reason === null
          ? failure('STOPPING', `${settings.name} is stopping`)
          : failure('NOT_READY', `'${group}' on ${settings.name} failed and starts again: ${reason}`);
      // The member first: it knows best which of its requests surely did nothing.
      hosted?.member.stop();
      args.actors?.closed(group);
      dismiss(why);
      hosted?.register.stop(why);
      hosted?.store.close();
      for (const requests of everyRequests) requests.stop(why);
      hosted = null;
      args.onLeading?.(null);
      args.onQuiet({ leading: null, following: null });
      args.onStatus(status());
    },
  };
};

const receiveOf = (request: WriteRequest | null): ReceiveRequest | null => {
  if (request?.write.op !== 'queue-receive') return null;
  return { write: request.write, idempotencyKey: request.idempotencyKey };
};

const changeRetryMs = 100;
const idlePollMs = 10;

const targetOf = (configuration: Configuration): ReconfigureTarget => ({
  voters: [...configuration.voters],
  learners: [...configuration.learners],
  members: { ...configuration.members },
});

const without = (configuration: Configuration, id: ReplicaId): ReconfigureTarget => {
  const target = targetOf(configuration);
  delete target.members[id];
  return {
    voters: target.voters.filter((one) => one !== id),
    learners: target.learners.filter((one) => one !== id),
    members: target.members,
  };
};

const withLearner = (configuration: Configuration, member: RaftPeer): ReconfigureTarget => {
  const target = targetOf(configuration);
  return {
    ...target,
    learners: [...target.learners, member.replica],
    members: { ...target.members, [member.replica]: member },
  };
};

const withVoter = (configuration: Configuration, member: RaftPeer): ReconfigureTarget => {
  const target = without(configuration, member.replica);
  return { ...target, voters: [...target.voters, member.replica], members: { ...target.members, [member.replica]: member } };
};

const parseChange = (body: unknown): GroupChange | null => {
  if (typeof body !== 'object' || body === null) return null;
  const { type, node, role } = body as Record<string, unknown>;
  if (typeof node !== 'string' || node.length === 0 || node.length > 63) return null;
  if (type === 'add') return role === 'learner' || role === 'voter' ? { type, node, role } : null;
  return type === 'remove' || type === 'promote' || type === 'transfer' ? { type, node } : null;
};
