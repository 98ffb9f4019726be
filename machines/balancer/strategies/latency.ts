// Where an answer is expected soonest: what calls took there lately, times the calls under way and this one. A node that hangs has
// answered nothing that could be measured, but its calls pile up.
import { latencyMs } from '../latency.ts';
import { betterOfTwo, type Strategy } from '../strategy.ts';

/** Where everything takes no time at all, calls under way still count. */
const latencyMsMin = 0.01;

export const latency: Strategy = {
  byKey: false,
  pick(usable, question) {
    const { state, nowMs } = question;
    return betterOfTwo(usable, question, (one, other) => {
      const oneMs = Math.max(latencyMsMin, latencyMs(state, one.memory, nowMs));
      const otherMs = Math.max(latencyMsMin, latencyMs(state, other.memory, nowMs));
      return oneMs * (one.memory.inflight + 1) < otherMs * (other.memory.inflight + 1);
    });
  },
};
