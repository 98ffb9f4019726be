// The simulator: the node's own tree on virtual time, with seeded faults and judges. A seed is a bug report.
export { type Fault, faults } from './nemesis.ts';
export { type Scenario, scenarios } from './scenarios.ts';
export { type Knobs, type RunOptions, type RunResult, runSeed, type Verdict } from './swarm.ts';
export { runTwice, type Twice } from './twice.ts';
