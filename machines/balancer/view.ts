// What a balancer knows, for status and metrics.
import { isEjected } from './ejection.ts';
import { latencyMs } from './latency.ts';
import type { BalancerState } from './state.ts';
import type { NodeId } from './types.ts';

export type BalancedNode = {
  node: NodeId;
  inflight: number;
  /** Null: never measured. */
  latencyMs: number | null;
  /** Of its recent outcomes, 0 to 1; null: there are none. */
  failedShare: number | null;
  /** Null: it is not. */
  ejectedForMs: number | null;
  /** Ejections that are not forgiven. */
  ejections: number;
};

export const balancerView = (state: BalancerState, nowMs: number): BalancedNode[] =>
  [...state.memories.values()].map((memory) => {
    const { node, inflight, measuredMs, fine, failed, level } = memory;
    return {
      ...{ node, inflight, latencyMs: measuredMs === null ? null : latencyMs(state, memory, nowMs) },
      failedShare: fine + failed === 0 ? null : failed / (fine + failed),
      ejectedForMs: isEjected(memory, nowMs) ? memory.ejectedUntilMs - nowMs : null,
      ejections: level,
    };
  });
