// How many retries a service may be given: a share of the calls that were made of it lately, and a few a second for services that are
// called seldom. Retries beyond that would multiply the load of a service that is sick because of its load (Finagle's RetryBudget).

export type BudgetOptions = {
  /** Of the calls in the window, so many may be tried again, 0 to 1 … */
  share: number;
  /** … and so many a second besides. */
  perSecond: number;
  windowMs: number;
};

export const budgetDefaults: BudgetOptions = { share: 0.2, perSecond: 5, windowMs: 10_000 };

const slots = 10;

/** Calls and retries of the last `windowMs`, counted in slots: what is forgotten is forgotten a slot at a time, never early. */
export type Budget = {
  readonly options: BudgetOptions;
  readonly calls: number[];
  readonly retries: number[];
  /** Number of the slot that is counted into now. */
  slot: number;
  callsSum: number;
  retriesSum: number;
};

export const createBudget = (options: BudgetOptions, nowMs: number): Budget => ({
  ...{ options, calls: new Array<number>(slots + 1).fill(0), retries: new Array<number>(slots + 1).fill(0) },
  ...{ slot: slotAt(options, nowMs), callsSum: 0, retriesSum: 0 },
});

const slotAt = ({ windowMs }: BudgetOptions, nowMs: number): number => Math.floor((nowMs * slots) / windowMs);

const forget = (budget: Budget, slot: number): void => {
  const { calls, retries } = budget;
  const first = Math.max(budget.slot + 1, slot - slots);
  for (let next = first; next <= slot; next++) {
    const place = next % (slots + 1);
    budget.callsSum -= calls[place]!;
    budget.retriesSum -= retries[place]!;
    calls[place] = 0;
    retries[place] = 0;
  }
  budget.slot = slot;
};

const turn = (budget: Budget, nowMs: number): number => {
  const slot = slotAt(budget.options, nowMs);
  if (slot > budget.slot) forget(budget, slot);
  return budget.slot % (slots + 1);
};

export const noteCall = (budget: Budget, nowMs: number): void => {
  budget.calls[turn(budget, nowMs)]!++;
  budget.callsSum++;
};

/** True: there may be one more, and it is counted. */
export const takeRetry = (budget: Budget, nowMs: number): boolean => {
  const place = turn(budget, nowMs);
  const { share, perSecond, windowMs } = budget.options;
  if (budget.retriesSum + 1 > share * budget.callsSum + (perSecond * windowMs) / 1_000) return false;
  budget.retries[place]!++;
  budget.retriesSum++;
  return true;
};
