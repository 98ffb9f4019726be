// Every maximum of the balancer.
export const balancerLimits = {
  /** In one question. */
  candidatesMax: 1_024,
  /** Remembered, candidates of other questions among them. */
  nodesMax: 4_096,
  nodeCharsMax: 256,
  keyCharsMax: 4_096,
  weightMax: 1_000_000,
  costMax: 1e12,
  /** What one call can tell of latency. */
  latencyMsMax: 3_600_000,
  ejectLevelMax: 16,
} as const;

if (balancerLimits.candidatesMax * 2 > balancerLimits.nodesMax)
  throw new Error('limits of the balancer contradict each other: the candidates of two questions are remembered');
