// Quiet groups (decision 13): a leader with nothing to say and everything acknowledged agrees with its followers to stop their
// heartbeats and election timers; beats between the nodes stand in for them, and any event wakes the group.
import { wakeUp } from './election.ts';
import type { Output, RaftState } from './state.ts';

/** May the next heartbeat propose quiet? Everything is committed, acknowledged and applied, everybody heard lately. */
export const mayBeQuiet = (state: RaftState, nowMs: number): boolean => {
  const { options, log } = state;
  if (state.awake || options.quietAfterMs === 0 || nowMs - state.activeMs < options.quietAfterMs) return false;
  if (state.commit !== log.lastIndex || state.applied !== log.lastIndex || state.configuration.outgoing !== null) return false;
  if (state.reads.length > 0 || state.readsWaiting.length > 0 || state.transfer !== null || state.reconfiguration !== null)
    return false;
  for (const progress of state.progress.values()) {
    if (progress.match !== log.lastIndex || progress.regressed) return false;
    if (nowMs - progress.heardMs > 3 * options.heartbeatMs) return false;
  }
  return true;
};

/** Everybody has agreed (or there is nobody else): no heartbeat is sent any more. */
export const becomeQuiet = (state: RaftState, out: Output, nowMs: number): void => {
  if (state.role !== 'leader' || state.quiet || !mayBeQuiet(state, nowMs)) return;
  for (const progress of state.progress.values()) if (!progress.quiet) return;
  state.quiet = true;
  state.heartbeatDeadlineMs = Number.POSITIVE_INFINITY;
  out.changed = true;
};

/** Something happens: a quiet leader speaks to everybody again at once. */
export const wakeLeader = (state: RaftState, out: Output, nowMs: number): void => {
  if (state.role !== 'leader') return;
  state.activeMs = nowMs;
  state.quietRound = Number.POSITIVE_INFINITY;
  for (const progress of state.progress.values()) progress.quiet = false;
  if (!state.quiet) return;
  wakeUp(state, out);
  state.heartbeatMs = nowMs;
  state.heartbeatDeadlineMs = nowMs + state.options.heartbeatMs;
  // They were not heard because they were asked not to speak.
  for (const progress of state.progress.values()) progress.heardMs = nowMs;
  out.newRound = true;
};
