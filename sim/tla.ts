// What replicas of one group do, in the words of etcd-io/raft's TLA+ trace validation (its tla/Traceetcdraft.tla reads one JSON object a
// line): TLC then says whether the specification allows this very run. Each line carries the replica as it is: before a message is
// received, after everything else.
//
// A cluster begins there with configuration entries of term 1 in its log, here with a configuration and no log: the configuration counts
// as entry 1 of term 1, and every index and term is one more than ours.
//
// The specification knows no pre-votes (they change nothing that it has), no leases and no quiet groups. A vote that is refused
// because a leader is heard it would grant: such a request counts as lost. Our disks do not keep the commit index and our members change
// through joint configurations, which it does not have: at the first restart, change of members or snapshot the trace ends, with a word
// why.
import type { Step } from '../actors/observe.ts';
import type { Configuration, Entry, RaftMessage, Role } from '../machines/raft/types.ts';
import type { Listen } from './record.ts';

type State = Pick<Step, 'role' | 'term' | 'vote' | 'commit' | 'lastIndex' | 'configuration'>;

type Replica = {
  readonly name: string;
  state: State;
  /** Writes under way: what leaves when they are durable. */
  readonly held: Map<number, number>;
  /** Acknowledgements to itself that are not on its disk yet: the index of each. */
  ownAcks: number[];
  /** Its own vote in this term is not on its disk yet. */
  ownVote: boolean;
};

export type TlaLine = Readonly<Record<string, unknown>>;

export type TlaOptions = {
  readonly group?: string;
  readonly write: (line: TlaLine) => void;
};

const roleNames: Record<Role, string> = {
  follower: 'StateFollower',
  // Asking first changes nothing yet.
  'pre-candidate': 'StateFollower',
  candidate: 'StateCandidate',
  leader: 'StateLeader',
};

/** The validation sorts lines by what follows the second colon: numbers of one length keep their order. */
const firstNumber = 1_000_000_001;
const nobody = '0';

type Names = (replica: string | null) => string;

const messageFields = (message: RaftMessage, name: Names): Record<string, unknown> | null => {
  const base = {
    ...{ type: '', term: message.term + 1, from: name(message.from), to: name(message.to), entries: 0, logTerm: 0, index: 0 },
    ...{ commit: 0, vote: nobody, reject: false, rejectHint: 0 },
  };
  switch (message.type) {
    case 'vote':
      return { ...base, type: 'MsgVote', index: message.lastIndex + 1, logTerm: message.lastTerm + 1 };
    case 'vote-reply':
      return { ...base, type: 'MsgVoteResp', reject: !message.granted };
    case 'append': {
      const { prevIndex, prevTerm, entries, commit } = message;
      // The follower takes no more than it has.
      const known = Math.min(commit, prevIndex + entries.length) + 1;
      const previous = { index: prevIndex + 1, logTerm: prevTerm + 1 };
      return { ...base, ...previous, type: 'MsgApp', entries: entries.length, commit: known };
    }
    case 'append-reply': {
      const { index, conflict } = message;
      if (conflict === null) return { ...base, type: 'MsgAppResp', index: index + 1 };
      const hint = { rejectHint: conflict.index + 1, logTerm: conflict.term + 1 };
      return { ...base, ...hint, type: 'MsgAppResp', index: index + 1, reject: true };
    }
    case 'heartbeat':
      // 0: nothing is known of what the follower has, not even the beginning.
      return { ...base, type: 'MsgHeartbeat', commit: message.commit === 0 ? 0 : message.commit + 1 };
    case 'heartbeat-reply':
      return { ...base, type: 'MsgHeartbeatResp' };
    default:
      return null;
  }
};

const eventNames: Partial<Record<RaftMessage['type'], string>> = {
  vote: 'RequestVoteRequest',
  'vote-reply': 'RequestVoteResponse',
  append: 'AppendEntriesRequest',
  heartbeat: 'AppendEntriesRequest',
  'append-reply': 'AppendEntriesResponse',
  'heartbeat-reply': 'AppendEntriesResponse',
};

const messagesOf = ({ effects }: Step): RaftMessage[] =>
  effects.flatMap((effect) => (effect.type === 'send' ? [effect.message] : effect.type === 'persist' ? effect.messages : []));

const appendedBy = ({ effects }: Step): Entry[] =>
  effects.flatMap((effect) => (effect.type === 'persist' ? effect.entries : []));

/** Leads and follows as the specification has it: who only asks first follows. */
const isNewRole = (role: Role, before: State, after: State): boolean =>
  after.role === role && (before.role !== role || before.term !== after.term);

export class TlaTrace {
  readonly #group: string;
  readonly #write: (line: TlaLine) => void;
  readonly #replicas = new Map<string, Replica>();
  #number = firstNumber;
  #atMs = 0;
  /** Why the trace ends before the run does; null: it does not. */
  ended: string | null = null;

  constructor({ group = 'kv', write }: TlaOptions) {
    this.#group = group;
    this.#write = write;
  }

  readonly listen: Listen = (event) => {
    if (this.ended !== null) return;
    this.#atMs = event.atMs;
    if (event.type === 'observed' && event.observation.type === 'restored' && event.observation.group === this.#group)
      this.#begin(event.node, event.observation);
    else if (event.type === 'stepped' && event.step.group === this.#group) this.#step(event.step);
  };

  #name: Names = (replica) => (replica === null ? nobody : (this.#replicas.get(replica)?.name ?? replica));

  #begin(
    node: string,
    { replica, hardState, snapshot, entries }: { replica: string; hardState: { term: number; vote: string | null } } & Snapshot,
  ): void {
    if (this.#replicas.has(replica)) return this.#end(`${node} begins a second life`);
    const configuration = snapshot?.configuration;
    const isNew = hardState.term === 0 && hardState.vote === null && entries.length === 0 && (snapshot?.index ?? 0) === 0;
    if (!isNew || configuration === undefined) return this.#end(`${node} begins with a log`);
    const known = [...this.#replicas.values()][0];
    if (known !== undefined && !isSameVoters(known.state.configuration, configuration))
      return this.#end(`${node} is no member from the beginning`);
    const state: State = { role: 'follower', ...hardState, commit: 0, lastIndex: 0, configuration };
    this.#replicas.set(replica, { name: node, state, held: new Map(), ownAcks: [], ownVote: false });
    this.#line('InitState', replica, state);
  }

  #end(why: string): void {
    this.ended = why;
  }

  #line(name: string, replica: string, state: State, message: RaftMessage | null = null): void {
    const { term, vote, commit, role, lastIndex, configuration } = state;
    const voters = (replicas: readonly string[] | null): string[] =>
      (replicas ?? []).map((id) => configuration.members[id]?.name ?? id).sort();
    const event = {
      ...{
        name,
        nid: this.#name(replica),
        state: { term: term + 1, vote: this.#nameIn(vote, configuration), commit: commit + 1 },
      },
      ...{ role: roleNames[role], log: lastIndex + 1, conf: [voters(configuration.voters), voters(configuration.outgoing)] },
      ...(message === null ? {} : { msg: messageFields(message, (id) => this.#nameIn(id, configuration)) }),
    };
    this.#write({ level: 'info', ts: this.#number++, atMs: this.#atMs, tag: 'trace', event });
  }

  #nameIn(replica: string | null, { members }: Configuration): string {
    return replica === null ? nobody : (members[replica]?.name ?? this.#name(replica));
  }

  #step(step: Step): void {
    const known = this.#replicas.get(step.replica);
    if (known === undefined) return;
    const before = known.state;
    const { role, term, vote, commit, lastIndex, configuration } = step;
    const after: State = { role, term, vote, commit, lastIndex, configuration };
    const why = reasonToEnd(step, before, after);
    if (why !== null) return this.#end(`${known.name} ${why}`);
    known.state = after;
    this.#received(step, known, before, after);
    this.#becomes(step, known, before, after);
    if (role === 'leader' && commit > before.commit) this.#line('Commit', step.replica, after);
    this.#says(step, known, before, after);
  }

  #received(step: Step, known: Replica, before: State, after: State): void {
    const { event, replica } = step;
    if (event.type === 'persisted') {
      const waiting = known.held.get(event.token) ?? 0;
      known.held.delete(event.token);
      const acks = known.ownAcks.filter((index) => index <= step.durable);
      known.ownAcks = known.ownAcks.filter((index) => index > step.durable);
      const votes = known.ownVote && before.role === 'candidate';
      if (waiting > 0 || acks.length > 0 || votes) this.#line('Ready', replica, before);
      if (votes) {
        known.ownVote = false;
        this.#line('ReceiveRequestVoteResponse', replica, before, ownVote(replica, before.term));
      }
      if (before.role === 'leader')
        for (const index of acks)
          this.#line('ReceiveAppendEntriesResponse', replica, before, ownAck(replica, before.term, index));
      return;
    }
    if (event.type !== 'message') return;
    const { message } = event;
    const name = eventNames[message.type];
    // What was not even looked at did not arrive.
    const wasTaken = message.term <= after.term && (message.type !== 'vote' || wasAnswered(step, message));
    if (name !== undefined && wasTaken) this.#line(`Receive${name}`, replica, before, message);
  }

  #becomes(step: Step, known: Replica, before: State, after: State): void {
    const { replica } = step;
    const wasMore = before.role === 'leader' || before.role === 'candidate';
    if (wasMore && (after.role === 'follower' || after.role === 'pre-candidate')) {
      known.ownAcks = [];
      known.ownVote = false;
      this.#line('BecomeFollower', replica, after);
    }
    if (isNewRole('candidate', before, after)) {
      known.ownVote = true;
      this.#line('BecomeCandidate', replica, after);
    }
    // The entry with which it begins to lead comes after that.
    if (isNewRole('leader', before, after))
      this.#line('BecomeLeader', replica, { ...after, lastIndex: before.lastIndex, commit: before.commit });
    if (after.role === 'leader') {
      const entries = appendedBy(step);
      for (let lastIndex = after.lastIndex - entries.length + 1; lastIndex <= after.lastIndex; lastIndex++)
        this.#line('Replicate', replica, { ...after, lastIndex, commit: before.commit });
    }
  }

  #says(step: Step, known: Replica, before: State, after: State): void {
    const { replica, effects } = step;
    if (isNewRole('candidate', before, after))
      this.#line('SendRequestVoteResponse', replica, after, ownVote(replica, after.term));
    if (after.role === 'leader' && appendedBy(step).length > 0) {
      known.ownAcks.push(after.lastIndex);
      this.#line('SendAppendEntriesResponse', replica, after, ownAck(replica, after.term, after.lastIndex));
    }
    for (const message of messagesOf(step)) {
      const name = eventNames[message.type];
      if (name !== undefined) this.#line(`Send${name}`, replica, after, message);
    }
    let leaves = false;
    for (const effect of effects) {
      if (effect.type === 'send') leaves ||= eventNames[effect.message.type] !== undefined;
      if (effect.type === 'persist') known.held.set(effect.token, effect.messages.length);
    }
    // What leaves at once is not kept back until the write is durable.
    if (leaves) this.#line('Ready', replica, after);
  }
}

type Snapshot = { snapshot: { index: number; configuration: Configuration } | null; entries: readonly Entry[] };

const isSameVoters = (a: Configuration, b: Configuration): boolean =>
  [...a.voters].sort().join() === [...b.voters].sort().join();

/** Messages to itself, which our machine has no need of and the specification counts by. */
const ownVote = (replica: string, term: number): RaftMessage => ({
  type: 'vote-reply',
  from: replica,
  to: replica,
  term,
  granted: true,
});
const ownAck = (replica: string, term: number, index: number): RaftMessage => ({
  ...{ type: 'append-reply' as const, from: replica, to: replica, term },
  ...{ index, conflict: null, round: 0 },
});

const wasAnswered = (step: Step, { from }: RaftMessage): boolean =>
  messagesOf(step).some((message) => message.type === 'vote-reply' && message.to === from);

/** What the specification has no words for. */
const reasonToEnd = (step: Step, before: State, after: State): string | null => {
  const { event, effects } = step;
  if (before.configuration !== after.configuration && !isSameVoters(before.configuration, after.configuration))
    return 'changes its members';
  if (appendedBy(step).some(({ kind }) => kind === 'configuration')) return 'changes its members';
  if (event.type === 'snapshot-received' || effects.some(({ type }) => type === 'send-snapshot')) return 'needs a snapshot';
  const isTold = event.type === 'message' && eventNames[event.message.type] !== undefined;
  if (after.term > before.term && after.role !== 'candidate' && after.role !== 'leader' && !isTold)
    return 'hears of a term by a message about a vote to come';
  if (event.type !== 'message' || event.message.type !== 'vote') return null;
  return isRefusedForALeader(step, event.message, before, after) ? 'refuses a vote because it hears a leader' : null;
};

const isRefusedForALeader = (
  step: Step,
  message: Extract<RaftMessage, { type: 'vote' | 'pre-vote' }>,
  before: State,
  after: State,
): boolean => {
  const reply = messagesOf(step).find((said) => said.type === 'vote-reply' && said.to === message.from);
  if (reply?.type !== 'vote-reply' || reply.granted || message.term !== after.term) return false;
  const isFree = (after.term > before.term ? null : before.vote) === null;
  return isFree && before.lastIndex < message.lastIndex;
};
