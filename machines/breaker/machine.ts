// A breaker at work: `admit` before a call, `settle` after it, `command` for a person, `wake` when its time has come. A call through
// a closed breaker costs a comparison; whatever changes the status goes through the chart.
import { InvariantBroken } from '../invariant.ts';
import { nextUint32 } from '../random.ts';
import { type BreakerMove, type BreakerStatus, moved } from './chart.ts';
import { checkBreaker } from './invariants.ts';
import type { Breaker, BreakerEffect, Outcome, Ticket } from './state.ts';
import { emptyWindow, forgetFailures, isFull, note, shareOf } from './window.ts';

/** What `admit` answers when the call must not be made. */
export const refused = 0;

/** A clock that goes back stands still until it has caught up. */
const goOn = (breaker: Breaker, nowMs: number): void => {
  if (nowMs > breaker.nowMs && nowMs < Number.POSITIVE_INFINITY) breaker.nowMs = nowMs;
  else if (!(nowMs <= breaker.nowMs)) throw new InvariantBroken('time-is-finite', `${nowMs}`);
};

/** May a call be made? A ticket that `settle` wants back, once, however the call ends; or `refused`. */
export const admit = (breaker: Breaker, nowMs: number, effects: BreakerEffect[]): Ticket => {
  wake(breaker, nowMs, effects);
  if (breaker.status === 'closed' || breaker.status === 'forced-closed') {
    breaker.counts.admitted++;
    return breaker.epoch;
  }
  if (breaker.status === 'half-open') {
    takeBackPlaces(breaker);
    if (breaker.probes.length + breaker.probesDone < breaker.options.probes) return admitProbe(breaker);
  }
  breaker.counts.refused++;
  return refused;
};

const admitProbe = (breaker: Breaker): Ticket => {
  const ticket = ++breaker.serial;
  breaker.probes.push({ ticket, endMs: breaker.nowMs + breaker.options.probeMs });
  breaker.counts.admitted++;
  checkBreaker(breaker);
  return ticket;
};

/** Whoever took a probe and is not heard of again must not keep the breaker half-open for ever. */
const takeBackPlaces = ({ probes, nowMs }: Breaker): void => {
  // They were let through in this order, each for as long.
  while (probes.length > 0 && probes[0]!.endMs <= nowMs) probes.shift();
};

/** How the call ended that was admitted with this ticket, and how long it took. */
export const settle = (
  breaker: Breaker,
  nowMs: number,
  ticket: Ticket,
  outcome: Outcome,
  tookMs: number,
  effects: BreakerEffect[],
): void => {
  wake(breaker, nowMs, effects);
  if (!(ticket >= 1 && ticket <= breaker.serial)) throw new InvariantBroken('ticket-was-given', `${ticket}`);
  const { status, counts } = breaker;
  const probe = status === 'half-open' ? takeProbe(breaker, ticket) : false;
  // Admitted before the status was entered, or given up: what it says is about another time.
  if (!probe && ticket !== breaker.epoch) return void counts.late++;
  if (outcome === 'none') return void counts.unmeasured++;
  const isSlow = breaker.options.slow !== null && tookMs >= breaker.options.slow.ms;
  if (outcome === 'success') counts.succeeded++;
  else counts.failed++;
  if (isSlow) counts.slow++;
  if (probe) settleProbe(breaker, outcome, isSlow, effects);
  else if (status === 'closed') settleCall(breaker, outcome, isSlow, effects);
};

const takeProbe = (breaker: Breaker, ticket: Ticket): boolean => {
  takeBackPlaces(breaker);
  const at = breaker.probes.findIndex((probe) => probe.ticket === ticket);
  if (at >= 0) breaker.probes.splice(at, 1);
  return at >= 0;
};

const settleProbe = (breaker: Breaker, outcome: Outcome, isSlow: boolean, effects: BreakerEffect[]): void => {
  if (outcome === 'failure') return move(breaker, 'PROBE_FAILED', effects);
  breaker.probesDone++;
  if (isSlow) breaker.probesSlow++;
  const { options, probesDone, probesSlow } = breaker;
  if (probesDone < options.probes) return;
  const isTooSlow = options.slow !== null && probesSlow / probesDone >= options.slow.shareMin;
  move(breaker, isTooSlow ? 'PROBES_SLOW' : 'PROBES_SUCCEEDED', effects);
};

const settleCall = (breaker: Breaker, outcome: Outcome, isSlow: boolean, effects: BreakerEffect[]): void => {
  const { window, options, nowMs } = breaker;
  const isFailure = outcome === 'failure';
  note(window, nowMs, isFailure, isSlow);
  if (!isFailure && options.consecutive) forgetFailures(window);
  const failedShare = shareOf(window, 'failed', 1) ?? 1;
  if (isFailure && isFull(window, nowMs) && failedShare >= options.failureShareMin)
    return move(breaker, 'FAILED_TOO_OFTEN', effects);
  const { slow } = options;
  if (slow === null) return;
  const slowShare = shareOf(window, 'slow', slow.callsMin) ?? 0;
  if (slowShare >= slow.shareMin) move(breaker, 'SLOW_TOO_OFTEN', effects);
};

const commands = { open: 'FORCED_OPEN', close: 'FORCED_CLOSED', reset: 'RESET' } as const;

/** `open` and `close` hold until somebody says otherwise; `reset` makes it as if it were new (row B3). */
export const command = (breaker: Breaker, nowMs: number, what: keyof typeof commands, effects: BreakerEffect[]): void => {
  wake(breaker, nowMs, effects);
  const held: BreakerStatus = what === 'open' ? 'forced-open' : 'forced-closed';
  if (what !== 'reset' && breaker.status === held) return;
  if (what === 'reset') breaker.openings = 0;
  move(breaker, commands[what], effects);
};

/** Time has passed. Whoever looks at breakers without calling through them calls this at `untilMs`. */
export const wake = (breaker: Breaker, nowMs: number, effects: BreakerEffect[]): void => {
  goOn(breaker, nowMs);
  if (breaker.nowMs >= breaker.untilMs) move(breaker, 'WAITED', effects);
};

const move = (breaker: Breaker, why: BreakerMove, effects: BreakerEffect[]): void => {
  const from = breaker.status;
  const to = moved(from, why);
  if (to === null) throw new InvariantBroken('move-is-drawn', `${why} while ${from}`);
  // Before the status is entered: how long it was closed says how long it is open.
  breaker.untilMs = to === 'open' ? breaker.nowMs + openAgain(breaker) : Number.POSITIVE_INFINITY;
  breaker.status = to;
  breaker.sinceMs = breaker.nowMs;
  // Everything that was admitted before is from another time.
  breaker.epoch = ++breaker.serial;
  emptyWindow(breaker.window);
  breaker.probes.length = 0;
  breaker.probesDone = 0;
  breaker.probesSlow = 0;
  checkBreaker(breaker);
  effects.push({ type: 'changed', from, to, why, openForMs: to === 'open' ? breaker.openForMs : null });
};

/** So that 2 to this power is far above any maximum, and finite. */
const openingsMax = 64;

/** It has been closed for as long as it was open last, and for a window: the trouble of then is over. */
const isCalm = ({ status, options, openForMs, nowMs, sinceMs }: Breaker): boolean => {
  const windowMs = options.window.by === 'time' ? options.window.ms : 0;
  return status === 'closed' && nowMs - sinceMs >= Math.max(openForMs, windowMs);
};

/** For how long it is open now. Never longer than the maximum, and spread there, too. */
const openAgain = (breaker: Breaker): number => {
  const { openMs, openMsMax, jitter } = breaker.options;
  breaker.openings = isCalm(breaker) ? 1 : Math.min(openingsMax, breaker.openings + 1);
  const leastMs = Math.min(openMsMax / (1 + jitter), openMs * 2 ** (breaker.openings - 1));
  const chance = nextUint32(breaker.random) / 0x1_0000_0000;
  breaker.openForMs = Math.floor(leastMs * (1 + jitter * chance));
  return breaker.openForMs;
};
