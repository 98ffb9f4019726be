// What is always true of a breaker, by name. Checked whenever it changes its status and for every probe; calls through a closed one,
// of which there are many, change nothing that these speak of but the window.
import { InvariantBroken } from '../invariant.ts';
import type { Breaker } from './state.ts';
import { failuresWithin } from './window.ts';

const demand = (invariant: string, holds: boolean, what: () => string): void => {
  if (!holds) throw new InvariantBroken(invariant, what());
};

export const checkBreaker = (breaker: Breaker): void => {
  const { status, options, window, probes, probesDone, probesSlow, untilMs, sinceMs, nowMs, openForMs } = breaker;
  const out = probes.length + probesDone;
  demand('probes-bounded', out <= options.probes, () => `${out} of ${options.probes}`);
  demand('probes-of-half-open', status === 'half-open' || out === 0, () => `${out} while ${status}`);
  demand('slow-probes-counted', probesSlow <= probesDone, () => `${probesSlow} of ${probesDone}`);
  demand('open-ends', (status === 'open') === Number.isFinite(untilMs), () => `${status} until ${untilMs}`);
  demand('open-bounded', openForMs <= options.openMsMax, () => `${openForMs} of at most ${options.openMsMax} ms`);
  demand('window-of-closed', status === 'closed' || window.calls === 0, () => `${window.calls} calls while ${status}`);
  demand('time-goes-on', sinceMs <= nowMs, () => `${status} since ${sinceMs}, now ${nowMs}`);
  demand('tickets-given', breaker.epoch <= breaker.serial, () => `${breaker.epoch} > ${breaker.serial}`);
  for (const { ticket, endMs } of probes) {
    demand('probes-of-this-time', ticket > breaker.epoch && ticket <= breaker.serial, () => `${ticket}`);
    demand('probes-end', endMs <= nowMs + options.probeMs, () => `${ticket} at ${endMs}`);
  }
  const failures = failuresWithin(window, nowMs);
  demand('closed-while-few', options.failureShareMin > 0 || failures < options.failuresMax, () => `${failures} failures`);
};
