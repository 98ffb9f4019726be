// The words of routes: over whom a member is reached that this node has no connection to. What is told (events), what is wanted done
// (effects), and what crosses between two nodes.

/** A libp2p peer id, proved by the connection it is heard over. */
export type PeerId = string;

/** How a peer is reached: the next node first, the peer itself last. Never changed in place. */
export type Way = {
  readonly path: readonly PeerId[];
  /** Of a round trip over all of it, as far as everybody on it has measured; null: somebody has not. */
  readonly latencyMs: number | null;
  readonly learnedMs: number;
  /** Nobody goes it after this without asking again. */
  readonly untilMs: number;
};

/** Can you reach it? Who is asked adds who asked, whom the connection proves, to those over whom the question came. */
export type RouteQuestion = {
  readonly target: PeerId;
  /** Over whom it came, first who began; without the one who sends it. The way must not lead over any of them. */
  readonly travelled: readonly PeerId[];
  /** Drawn by who began: who is asked by several because of the same question asks others once. */
  readonly flood: number;
  /** Links from who is asked to the target, at most. */
  readonly linksMax: number;
  /** Who does not know it is to ask others. */
  readonly isWide: boolean;
};

/** From who was asked to the target, empty if it is the target itself; the rest as of a way. */
export type RouteAnswer = { readonly path: readonly PeerId[]; readonly latencyMs: number | null; readonly leftMs: number };

export type RoutesEvent =
  /** Time has passed: sent when `state.deadlineMs` is reached; harmless at any other time. */
  | { type: 'wake' }
  | { type: 'opened' | 'closed'; peer: PeerId }
  | { type: 'measured'; peer: PeerId; rttMs: number }
  /** It lives, as far as membership knows; perhaps it can be reached now. */
  | { type: 'came'; peer: PeerId }
  /** It has failed, left or was thrown out. */
  | { type: 'gone'; peer: PeerId }
  /** `find` is the caller's number; one `found` is the answer. `isDialable`: a message to it would open a connection. */
  | { type: 'find'; find: number; target: PeerId; isDialable: boolean }
  /** The answer to a `refresh`. */
  | { type: 'refreshed'; target: PeerId; isDialable: boolean }
  /** A peer asks; `asked` is the caller's number; one `answer` follows. */
  | {
      type: 'asked';
      asked: number;
      from: PeerId;
      question: RouteQuestion;
      timeLeftMs: number;
      isDialable: boolean;
    }
  /** What came of one `ask`; null: it knows no way, or did not answer. */
  | { type: 'answered'; question: number; from: PeerId; answer: RouteAnswer | null }
  /** What was sent to `target` over `via` did not get there. */
  | { type: 'broken'; target: PeerId; via: PeerId };

export type RoutesEffect =
  /** One `answered` is expected. */
  | { type: 'ask'; question: number; to: PeerId; ask: RouteQuestion; timeoutMs: number }
  | { type: 'answer'; asked: number; answer: RouteAnswer | null }
  | { type: 'found'; find: number; way: Way | null }
  /** A way in use ends soon. One `refreshed` is expected. */
  | { type: 'refresh'; target: PeerId };

export type RoutesOptions = {
  /** A way is gone for so long after it was learned. */
  ttlMs: number;
  /** Whom nobody reaches is not looked for again for so long; nor is a way that broke taken on the word of the same peer. */
  noneMs: number;
  /** After this share of its time a way that was used is asked for again. */
  refreshShare: number;
  /** Every look-up ends in this time (row R1). */
  askMs: number;
  /** Neighbours are asked what they know themselves for so long, and what others know after that. */
  nearMs: number;
  /** So many are asked side by side. */
  fanout: number;
  /** Links of a way, at most (row R4). */
  hopsMax: number;
};

export const routesDefaults: RoutesOptions = {
  ...{ ttlMs: 30_000, noneMs: 3_000, refreshShare: 0.75, askMs: 5_000, nearMs: 1_000, fanout: 6, hopsMax: 5 },
};

export const routesLimits = {
  /** Peers of whom it is remembered how they are reached, or that they are not. */
  targetsMax: 1_024,
  waysMax: 4,
  questionsMax: 512,
  /** Questions of one peer that this node asks others about, at a time. */
  servedMax: 32,
  /** Who waits for the same answer. */
  waitersMax: 1_024,
  floodsMax: 2_048,
  /** Of this node and of others: a path on the wire is never longer. */
  pathMax: 8,
  peerCharsMax: 128,
  latencyMsMax: 600_000,
  timeMsMax: 3_600_000,
} as const;

/** Throws a RangeError that names what is out of bounds. */
export const checkRoutesOptions = (options: RoutesOptions): void => {
  const { ttlMs, noneMs, refreshShare, askMs, nearMs, fanout, hopsMax } = options;
  const demand = (holds: boolean, what: string): void => {
    if (!holds) throw new RangeError(`routes: ${what}`);
  };
  const isTime = (value: number): boolean => Number.isFinite(value) && value >= 1 && value <= routesLimits.timeMsMax;
  demand([ttlMs, noneMs, askMs, nearMs].every(isTime), 'times are from 1 ms to an hour');
  demand(nearMs <= askMs, 'nearMs is at most askMs');
  demand(refreshShare > 0 && refreshShare < 1, 'refreshShare is between 0 and 1');
  demand(Number.isInteger(fanout) && fanout >= 1 && fanout <= 64, 'fanout is from 1 to 64');
  demand(
    Number.isInteger(hopsMax) && hopsMax >= 2 && hopsMax <= routesLimits.pathMax,
    `hopsMax is from 2 to ${routesLimits.pathMax}`,
  );
};
