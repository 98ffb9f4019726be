// The words of membership: what a node says of itself, what is said of it, what the machine is told (events) and what it wants done
// (effects). SWIM: Das, Gupta, Motivala 2002. Lifeguard: Dadgar, Phillips, Currey 2017.

/** A libp2p peer id: who a message is from is proved by the connection, and nobody else speaks for it. */
export type PeerId = string;

/** The life of a node (row N2). */
export type NodeState = 'created' | 'joining' | 'ready' | 'degraded' | 'draining' | 'left' | 'failed';

/** What a node says of itself (row N1). Never changed in place: a new one replaces it. */
export type Profile = {
  readonly name: string;
  readonly version: string;
  readonly region: string;
  readonly tags: readonly string[];
  readonly capabilities: readonly string[];
  /** Amounts, or words: `{ cpus: 8, disk: 'ssd' }`. */
  readonly resources: Readonly<Record<string, number | string>>;
  /** How much work it takes, in a unit of whoever places work; 0: not said. */
  readonly capacity: number;
  /** How busy its event loop was lately, 0 to 1. */
  readonly load: number;
  readonly state: NodeState;
  /** Multiaddrs under which it can be dialled. */
  readonly addresses: readonly string[];
};

/** All of it but what is measured. */
export type Told = Omit<Profile, 'load'>;

/** In the order in which one outranks the other at the same incarnation. `evicted` outranks every incarnation, for good. */
export const memberStatuses = ['alive', 'suspect', 'failed', 'left', 'evicted'] as const;
export type MemberStatus = (typeof memberStatuses)[number];

/** One statement about one member. Without a profile it says that the profile is what it was. */
export type Fact = {
  peer: PeerId;
  /** Raised by the member itself alone. */
  incarnation: number;
  status: MemberStatus;
  /** Who suspects; null unless `status` is suspect. */
  by: PeerId | null;
  /** How long it has been failed, left or evicted already; 0 otherwise. */
  agoMs: number;
  /** The profile and the incarnation in which the member said it, or null. */
  told: { profileAt: number; profile: Profile } | null;
};

/** What a member is known as, for comparison. */
export type Version = { peer: PeerId; incarnation: number; status: MemberStatus; profileAt: number };

/** Somebody who was thrown out, as a disk remembers it. */
export type Evicted = { peer: PeerId; name: string; incarnation: number; agoMs: number };

// ---------------------------------------------------------------- messages

export type MembershipMessage =
  | { type: 'probe'; sequence: number; facts: Fact[] }
  | { type: 'ack'; sequence: number; facts: Fact[] }
  /** Probe `target` for me. */
  | { type: 'ask'; sequence: number; target: PeerId; facts: Fact[] }
  /** I have tried `ask` and heard nothing either (Lifeguard §IV.A: the asker learns that at least we two hear each other). */
  | { type: 'nack'; sequence: number; facts: Fact[] }
  | { type: 'gossip'; facts: Fact[] }
  /** A digest of everything known, and the sender's own fact. */
  | { type: 'digest'; root: number; facts: Fact[] }
  /** Digests of all buckets; none if the roots are equal. */
  | { type: 'buckets'; hashes: number[] }
  /** What is known of the members in these buckets. */
  | { type: 'versions'; buckets: number[]; versions: Version[] }
  /** What the other lacks, what is lacking here, and how many of the buckets asked about this answers. */
  | { type: 'page'; facts: Fact[]; wants: PeerId[]; done: number };

export type MembershipMessageType = MembershipMessage['type'];

// ---------------------------------------------------------------- events

/** Somewhere to look for members: a peer, or an address where one is expected to live. */
export type Contact = { peer: PeerId | null; addresses: readonly string[] };

export type MembershipEvent =
  /** Time has passed: sent when `state.deadlineMs` is reached; harmless at any other time. */
  | { type: 'wake' }
  /** `from` is the authenticated peer. */
  | { type: 'message'; from: PeerId; message: MembershipMessage }
  /** There is an admitted connection to this peer. */
  | { type: 'met'; peer: PeerId }
  /**
   * Something of it arrived, whatever it was. Brings nothing forward and says nothing, so it may be told as often as it happens. It
   * proves that its process ran a moment ago and can reach this node; not that this node reaches it, nor that it knows anybody.
   */
  | { type: 'heard'; peer: PeerId }
  /** Its connection ended or it cannot be dialled: worth a probe out of turn, proof of nothing. */
  | { type: 'unreachable'; peer: PeerId }
  /** What discovery knows now; replaces what it knew before. */
  | { type: 'contacts'; contacts: readonly Contact[] }
  | { type: 'profile'; profile: Told }
  /** How busy this process is, measured now and again: about once a second. */
  | { type: 'load'; load: number }
  /** The `persist` effect with this incarnation is durable. */
  | { type: 'persisted'; incarnation: number }
  /** This process did nothing for so long: its event loop was blocked, or it was stopped. */
  | { type: 'blocked'; forMs: number }
  | { type: 'leave' }
  /** An operator throws a member out, for good. */
  | { type: 'evict'; peer: PeerId };

// ---------------------------------------------------------------- effects

export type ChangeReason =
  /** Said by the member itself. */
  | 'said'
  /** Said by another. */
  | 'heard'
  /** This node's own probes were not answered. */
  | 'unanswered'
  /** An operator at this node. */
  | 'operator'
  /** Gone for so long that it is no longer remembered. */
  | 'forgotten';

/** `before` or `after` null: not known. Equal: the profile changed, or only the incarnation. */
export type Change = { peer: PeerId; before: MemberStatus | null; after: MemberStatus | null; why: ChangeReason };

export type WarnCode =
  | 'PROFILE_TOO_LARGE'
  | 'PROFILE_MALFORMED'
  | 'INCARNATION_REFUSED'
  | 'MEMBERS_FULL'
  | 'BLOCKED'
  | 'ACCUSED'
  | 'MEMBER_NOT_FOUND';

/** Bulk: too long to stand before a probe. What leaves on different lanes may overtake. */
export type MessageLane = 'control' | 'bulk';

export type MembershipEffect =
  /** May be lost. `to` never names this node. */
  | { type: 'send'; to: PeerId[]; lane: MessageLane; message: MembershipMessage }
  /** It would be good to be connected; `met` is the answer if it works. */
  | { type: 'dial'; peer: PeerId | null; addresses: readonly string[] }
  /** Make it durable and answer `persisted`; nothing above what is durable is ever said. */
  | { type: 'persist'; incarnation: number }
  /** Make it durable in place of what was remembered before: all who were thrown out, the latest first. Nothing waits for it. */
  | { type: 'remember'; evicted: Evicted[] }
  | { type: 'changed'; changes: Change[] }
  /** Enough members know that this node leaves; it may go. The last effect of its last step, as `evicted` is. */
  | { type: 'left' }
  /** This node was thrown out and says nothing any more. */
  | { type: 'evicted' }
  | { type: 'warn'; code: WarnCode; message: string; peer: PeerId | null };

// ---------------------------------------------------------------- options

export type MembershipOptions = {
  probeMs: number;
  /** Without an answer so long after a direct probe, others are asked to probe. */
  probeTimeoutMs: number;
  /** How many are asked. */
  helpers: number;
  /** Who was heard so lately is not probed when its turn comes … (0: everybody is) */
  heardMs: number;
  /** … if it answered a probe this lately: what arrives proves one direction, and says nothing of its membership. */
  vouchedMs: number;
  /** The shortest suspicion lasts max(floor, probeMs × factor × log10(members)). */
  suspicionFloorMs: number;
  suspicionFactor: number;
  /** The longest lasts so many times the shortest. */
  suspicionMaxFactor: number;
  /** So many others who failed to reach the suspect make its suspicion the shortest (Lifeguard §IV.B). */
  confirmations: number;
  /** An own suspicion is tried again this often until it ends. */
  suspicionProbeMs: number;
  /** Who has been failed for so long elsewhere, and is alive here, is asked before it is believed. */
  disputeMs: number;
  gossipMs: number;
  gossipFanout: number;
  /** News is told to ln(members) + so many members by everyone who hears it. */
  gossipSpare: number;
  gossipBytes: number;
  piggybackBytes: number;
  /** Anti-entropy with a random member: this soon after an exchange that found something, … */
  exchangeMinMs: number;
  /** … and, doubling while nothing is found, this seldom. */
  exchangeMaxMs: number;
  exchangeTimeoutMs: number;
  exchangeAttempts: number;
  pageBytes: number;
  /** A message longer than this leaves on the bulk lane. */
  bulkBytes: number;
  /** How often a failed member or an unmet contact may be dialled. */
  healMs: number;
  rememberFailedMs: number;
  rememberLeftMs: number;
  rememberEvictedMs: number;
  /** A wake that comes later than this was held up by this process itself. */
  lateMs: number;
  /** Profiles are said no more often. */
  profileMs: number;
  /** A load that differs by less from what was said is not worth saying. */
  loadStep: number;
  /** Loads are said no more often than this for each member: all together say as many, however many they are. */
  loadMsPerMember: number;
  leaveAcks: number;
  leaveMs: number;
  /** Incarnations made durable at a time, so that a refutation waits for no disk. */
  incarnationsReserved: number;
};

export const membershipDefaults: MembershipOptions = {
  ...{ probeMs: 1_000, probeTimeoutMs: 500, helpers: 3, heardMs: 500, vouchedMs: 10_000 },
  ...{ suspicionFloorMs: 2_500, suspicionFactor: 1.25, suspicionMaxFactor: 3, confirmations: 3, suspicionProbeMs: 500 },
  disputeMs: 3_000,
  ...{ gossipMs: 200, gossipFanout: 4, gossipSpare: 12, gossipBytes: 4_096, piggybackBytes: 1_024 },
  ...{ exchangeMinMs: 1_000, exchangeMaxMs: 30_000, exchangeTimeoutMs: 1_000, exchangeAttempts: 3 },
  ...{ pageBytes: 32_768, bulkBytes: 4_096 },
  ...{ healMs: 5_000, rememberFailedMs: 86_400_000, rememberLeftMs: 3_600_000, rememberEvictedMs: 604_800_000 },
  ...{
    lateMs: 200,
    profileMs: 1_000,
    loadStep: 0.1,
    loadMsPerMember: 500,
    leaveAcks: 3,
    leaveMs: 5_000,
    incarnationsReserved: 64,
  },
};
