// When a leader hands its group to the node that should lead it. Slowly: what moves costs every actor of the group a moment, and what
// looked like a reason may be over soon. Each leader decides for itself, from what it knows; since all decide alike there is no back and
// forth, and where what they know differs for a while, a group that was just handed over rests.

export type BalanceOptions = {
  isOn: boolean;
  everyMs: number;
  /** Nothing is handed over in so long a time after a node began, or began to lead the group. */
  graceMs: number;
  /** The same node must be preferred for so long. */
  settleMs: number;
  /** Between two groups that a node hands over. */
  pauseMs: number;
  /** A group that was to be handed over rests so long, whatever came of it. */
  restMs: number;
};

export const balanceDefaults: BalanceOptions = {
  ...{ isOn: true, everyMs: 1_000, graceMs: 10_000, settleMs: 5_000, pauseMs: 2_000, restMs: 30_000 },
};

/** Where this node cannot serve all of a group and the other can, that is reason enough, whenever this node began. */
const urgentMs = 500;

/** A group that this node leads, as it is now. */
export type LedGroup = {
  readonly group: string;
  readonly leadsSinceMs: number;
  /** Who should lead it, or null: this node should, or nobody is known who could. */
  readonly preferred: string | null;
  /** Neither its members nor its leader are changing, and who is preferred has all of its log and was heard lately. */
  readonly isReady: boolean;
  /** This node lacks something that the group needs, and that who is preferred has. */
  readonly isUrgent: boolean;
};

export type BalanceState = {
  readonly startedMs: number;
  wishes: Map<string, { to: string; sinceMs: number }>;
  /** When a group was last to be handed over, by group. */
  handed: Map<string, number>;
  lastMs: number;
};

export const createBalance = (nowMs: number): BalanceState => ({
  ...{ startedMs: nowMs, wishes: new Map(), handed: new Map(), lastMs: Number.NEGATIVE_INFINITY },
});

/** Looks at all groups that this node leads; at most one is to be handed over now. */
export const nextHandover = (
  state: BalanceState,
  options: BalanceOptions,
  nowMs: number,
  led: readonly LedGroup[],
): { group: string; to: string } | null => {
  const { isOn, graceMs, settleMs, pauseMs, restMs } = options;
  const wishes = new Map<string, { to: string; sinceMs: number }>();
  for (const { group, preferred } of led) {
    if (preferred === null) continue;
    const before = state.wishes.get(group);
    wishes.set(group, before?.to === preferred ? before : { to: preferred, sinceMs: nowMs });
  }
  state.wishes = wishes;
  for (const [group, atMs] of state.handed) if (nowMs - atMs >= restMs) state.handed.delete(group);
  if (!isOn || nowMs - state.lastMs < pauseMs) return null;
  const isDue = ({ leadsSinceMs, isUrgent }: LedGroup, sinceMs: number): boolean =>
    isUrgent
      ? nowMs - sinceMs >= urgentMs
      : nowMs - Math.max(state.startedMs, leadsSinceMs) >= graceMs && nowMs - sinceMs >= settleMs;
  let next: { group: string; to: string; sinceMs: number } | null = null;
  for (const one of led) {
    const wish = wishes.get(one.group);
    if (wish === undefined || !one.isReady || !isDue(one, wish.sinceMs) || state.handed.has(one.group)) continue;
    if (next === null || wish.sinceMs < next.sinceMs) next = { group: one.group, ...wish };
  }
  if (next === null) return null;
  state.lastMs = nowMs;
  state.handed.set(next.group, nowMs);
  return { group: next.group, to: next.to };
};
