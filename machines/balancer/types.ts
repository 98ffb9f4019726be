// The words of the balancer: among those who offer what is called, whom does a call go to? One balancer for each service that a node
// calls; it knows what this node itself measured, and is told the rest with every question.

/** Whoever offers; the name is the caller's to choose, the same at every node of the cluster if `sticky` is to agree. */
export type NodeId = string;

export const strategyNames = [
  ...(['least-loaded', 'latency', 'round-robin', 'random', 'weighted-round-robin', 'sticky', 'cost', 'geographic'] as const),
] as const;
export type StrategyName = (typeof strategyNames)[number];

/** One who offers, as it is known when asked. Never changed in place: what changed is a new one. */
export type Candidate = {
  readonly node: NodeId;
  /** Null: not said, and then the same as nobody's. */
  readonly zone: string | null;
  readonly region: string | null;
  /** How much of the work it takes compared with others; 0: none while anybody else can. */
  readonly weight: number;
  /** What a call costs there, in a unit of whoever sets it; null: not said, which is dearer than anything. */
  readonly cost: number | null;
  /** How busy it is by its own word, 0 to 1; null: not known. */
  readonly load: number | null;
  readonly breaker: 'closed' | 'open' | 'half-open';
  /** How many probes its breaker would admit now; 0 unless half-open. */
  readonly probes: number;
};

export type Ask = {
  /** Never changed in place either: as long as nothing has changed, the same list makes the choice cheap. */
  readonly candidates: readonly Candidate[];
  readonly strategy: StrategyName;
  /** What `sticky` keeps together; others leave it alone. */
  readonly key?: string;
  /** Tried already by this call, or out of the question for it. */
  readonly excluded?: ReadonlySet<NodeId>;
};

export type ChoiceRefusal =
  | 'NO_CANDIDATES'
  /** Every candidate was tried already. */
  | 'ALL_EXCLUDED'
  /** The breakers of all that are left are open, or half-open without a probe to spare. */
  | 'ALL_OPEN'
  | 'KEY_MISSING'
  | 'STRATEGY_UNKNOWN'
  | 'CANDIDATE_INVALID'
  | 'TOO_MANY_CANDIDATES'
  | 'TOO_MANY_NODES';

export type Choice =
  /** `probe`: its breaker is half-open, so ask that for the slot first; if it has none left, exclude the node and ask here again. */
  | { readonly ok: true; readonly node: NodeId; readonly probe: boolean }
  | { readonly ok: false; readonly code: ChoiceRefusal; readonly message: string };

export type CallOutcome =
  | 'ok'
  /** By the fault of the node or of what runs there; a time-out of the call, too. */
  | 'failed'
  /** The node was too busy and said so at once: it is well, but it has no room. */
  | 'refused'
  /** The call cannot have arrived: no connection. */
  | 'unreachable'
  /** Says nothing about the node: the caller's own error, cancelled, or refused before it left. */
  | 'ignored';

export type BalancerEffect = {
  readonly type: 'ejected';
  readonly node: NodeId;
  readonly untilMs: number;
  readonly why: 'unreachable' | 'failing';
};

export type BalancerOptions = {
  /** Time in which what was measured loses all but 1/e of its weight. */
  latencyDecayMs: number;
  /** A failed call makes a node look no slower than this, unless it took longer. */
  penaltyMsMax: number;
  /** A node with this load has all the room that it needs; above it has less, at 1 none. */
  roomyLoad: number;
  /** A tier (zone, price) takes all calls while so much of it is missing: 1.4 means two sevenths. */
  overprovision: number;
  /** Outcomes are judged this often. */
  judgeMs: number;
  /** Fewer outcomes of one node (older ones count half, a quarter …) say nothing. */
  outcomesMin: number;
  /** A node is ejected that fails at least this share of its calls … */
  failedShareMin: number;
  /** … and so many times the share that is usual among the others. */
  failedFactor: number;
  /** The first ejection lasts so long, about; each further one twice as long … */
  ejectMsMin: number;
  /** … up to this. A level is forgiven for every ejection's length in which nothing happens. */
  ejectMsMax: number;
  /** No more of the candidates are out of use by ejection, those with open breakers counted in; but one of two may be. */
  ejectedShareMax: number;
  /** A node to which no call went for so long is forgotten. */
  rememberMs: number;
};

export const balancerDefaults: BalancerOptions = {
  ...{ latencyDecayMs: 10_000, penaltyMsMax: 1_000, roomyLoad: 0.7, overprovision: 1.4 },
  ...{ judgeMs: 5_000, outcomesMin: 20, failedShareMin: 0.25, failedFactor: 3 },
  ...{ ejectMsMin: 2_000, ejectMsMax: 300_000, ejectedShareMax: 0.5, rememberMs: 600_000 },
};
