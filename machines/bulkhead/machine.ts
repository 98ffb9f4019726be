// A bulkhead at work: what is more than a service can do at once waits for a short while or is refused at once, by a name that says
// why, so that one service's trouble stays its own. A call is refused as early as it can be known: work that nobody waits for any
// more is what keeps an overloaded system overloaded.
import { InvariantBroken } from '../invariant.ts';
import { checkStep } from './invariants.ts';
import { type Importance, importances } from './options.ts';
import { isKnown, leastOf, measure, waitOf } from './pace.ts';
import { aheadOf, dequeue, enqueue, firstOf, remove, removeLeast, type Waiting } from './queue.ts';
import type { Bulkhead, BulkheadEffect, BulkheadEvent, CallId, Shed, Turn } from './state.ts';

/** Takes in one event. Changes `state`; the effects are to be done in their order. */
export const step = (state: Bulkhead, givenMs: number, event: BulkheadEvent): BulkheadEffect[] => {
  if (!Number.isFinite(givenMs)) throw new InvariantBroken('time-is-finite', `${givenMs}`);
  // A clock that goes back stands still until it has caught up.
  state.nowMs = Math.max(state.nowMs, givenMs);
  const turn: Turn = { nowMs: state.nowMs, effects: [] };
  if (turn.nowMs >= state.deadlineMs) sweep(state, turn);
  take(state, turn, event);
  if (state.queue.of.size > 0) startWaiting(state, turn);
  checkStep(state, turn);
  return turn.effects;
};

// ---------------------------------------------------------------- the short way

/**
 * What `arrived` does where there is room and nobody waits, without a word about it: true, the call has been started. False: nothing has
 * happened, and `step` says what becomes of it. Most calls go this way, and for a short one words cost more than itself.
 */
export const startAtOnce = (
  state: Bulkhead,
  givenMs: number,
  id: CallId,
  importance: Importance,
  deadlineMs: number,
): boolean => {
  const { running, queue, options, counts } = state;
  const hasRoom = queue.of.size === 0 && !state.isStopped && running.size < options.runningMax[importance];
  // Any time that is no number, too, and calls that are late.
  if (!hasRoom || !(givenMs >= state.nowMs) || !(deadlineMs > givenMs) || givenMs >= state.deadlineMs) return false;
  if (running.has(id)) return false;
  state.nowMs = givenMs;
  running.set(id, givenMs);
  counts.arrived++;
  counts.started++;
  return true;
};

/** What `ended` does where nobody waits. False: nothing has happened, `step` says what follows. */
export const endAtOnce = (state: Bulkhead, givenMs: number, id: CallId): boolean => {
  const { running, queue, counts } = state;
  if (queue.of.size > 0 || !(givenMs >= state.nowMs) || givenMs >= state.deadlineMs || !running.has(id)) return false;
  state.nowMs = givenMs;
  onEnded(state, givenMs, id);
  if (counts.started !== counts.ended + running.size) throw new InvariantBroken('started-ends', `${id}`);
  return true;
};

// ---------------------------------------------------------------- events

const take = (state: Bulkhead, turn: Turn, event: BulkheadEvent): void => {
  switch (event.type) {
    case 'wake':
      return;
    case 'arrived':
      return onArrived(state, turn, event);
    case 'ended':
      return onEnded(state, turn.nowMs, event.id);
    case 'abandoned':
      if (remove(state.queue, event.id) !== null) state.counts.abandoned++;
      return;
    case 'stop':
      state.isStopped = true;
      for (const { id } of state.queue.of.values()) {
        remove(state.queue, id);
        refuse(state, turn, id, 'stopping');
      }
  }
};

const onArrived = (state: Bulkhead, turn: Turn, event: Extract<BulkheadEvent, { type: 'arrived' }>): void => {
  const { id, importance, principal } = event;
  const { running, queue, options } = state;
  if (running.has(id) || queue.of.has(id)) throw new InvariantBroken('ids-differ', `${id} is here already`);
  state.counts.arrived++;
  const deadlineMs = event.deadlineMs ?? Number.POSITIVE_INFINITY;
  if (state.isStopped) return refuse(state, turn, id, 'stopping');
  // So that a deadline which is no number is one that has passed.
  if (!(deadlineMs > turn.nowMs)) return refuse(state, turn, id, 'deadline-passed');
  // Nobody as important waits then, or he would have been started.
  if (running.size < options.runningMax[importance]) return start(state, turn, id);
  const waitMs = waitOf(state.pace, aheadOf(queue, importance, principal), running.size);
  if (turn.nowMs + waitMs + leastOf(state.pace) >= deadlineMs) return refuse(state, turn, id, 'deadline-unreachable');
  const endMs = Math.min(deadlineMs, turn.nowMs + options.queueMsMax);
  state.deadlineMs = Math.min(state.deadlineMs, Math.max(endMs, turn.nowMs + sweepMs));
  enqueue(queue, { id, importance, principal, deadlineMs, endMs });
  if (queue.of.size <= options.queueMax) return;
  const least = removeLeast(queue)!;
  refuse(state, turn, least.id, least.id === id ? 'full' : 'displaced');
};

const onEnded = (state: Bulkhead, nowMs: number, id: CallId): void => {
  const startedMs = state.running.get(id);
  if (startedMs === undefined) throw new InvariantBroken('ended-was-running', `${id}`);
  state.running.delete(id);
  state.counts.ended++;
  measure(state.pace, nowMs - startedMs);
};

const start = (state: Bulkhead, turn: Turn, id: CallId): void => {
  state.running.set(id, turn.nowMs);
  state.counts.started++;
  turn.effects.push({ type: 'start', id });
};

const startWaiting = (state: Bulkhead, turn: Turn): void => {
  const { queue, running, options } = state;
  for (const importance of importances)
    while (running.size < options.runningMax[importance]) {
      const first = firstOf(queue, importance);
      if (first === null) break;
      const isInTime = first.endMs > turn.nowMs && first.deadlineMs > turn.nowMs + leastOf(state.pace);
      if (isInTime) start(state, turn, dequeue(queue, importance)!.id);
      else expire(state, turn, first);
    }
};

// ---------------------------------------------------------------- time

/** Those who wait are looked through at most so often. Nobody is started late; some hear a moment late that they were not. */
const sweepMs = 10;

/** Refuses everybody whose time is over. */
const sweep = (state: Bulkhead, turn: Turn): void => {
  let nextMs = Number.POSITIVE_INFINITY;
  for (const waiting of state.queue.of.values()) {
    if (waiting.endMs > turn.nowMs) nextMs = Math.min(nextMs, waiting.endMs);
    else expire(state, turn, waiting);
  }
  state.deadlineMs = Math.max(nextMs, turn.nowMs + sweepMs);
};

const expire = (state: Bulkhead, turn: Turn, { id, deadlineMs, endMs }: Waiting): void => {
  remove(state.queue, id);
  const isOver = endMs <= turn.nowMs;
  refuse(state, turn, id, deadlineMs <= turn.nowMs ? 'deadline-passed' : isOver ? 'waited-too-long' : 'deadline-unreachable');
};

// ---------------------------------------------------------------- refusals

const retryMsMin = 100;
const retryMsMax = 30_000;
const retryMsUnknown = 1_000;

const isWorthARetry: Record<Shed, boolean> = {
  ...{ full: true, displaced: true, 'deadline-unreachable': true, 'waited-too-long': true },
  // What is late stays late, and who stops does not begin again.
  ...{ 'deadline-passed': false, stopping: false },
};

/** When about half of those who wait now will have been started. */
const retryAfter = (state: Bulkhead): number => {
  if (!isKnown(state.pace)) return retryMsUnknown;
  const waitMs = waitOf(state.pace, state.queue.of.size / 2, state.running.size);
  return Math.ceil(Math.min(retryMsMax, Math.max(retryMsMin, waitMs)));
};

const refuse = (state: Bulkhead, turn: Turn, id: CallId, why: Shed): void => {
  state.counts.shed[why]++;
  turn.effects.push({ type: 'refuse', id, why, retryAfterMs: isWorthARetry[why] ? retryAfter(state) : null });
};
