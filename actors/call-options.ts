// What can be set of calls.
import { type BalancerOptions, balancerDefaults, type StrategyName } from '../machines/balancer/index.ts';
import { type BudgetOptions, budgetDefaults } from '../machines/rpc/index.ts';

export type CallingOptions = {
  /** Of calls that name none. */
  strategy: StrategyName;
  /** Calls of this node's own services are packed and unpacked, too: for tests, so that nothing works here that works nowhere else. */
  serialize: boolean;
  balancer: BalancerOptions;
  /** Of retries. */
  budget: BudgetOptions;
};

export const callingDefaults: CallingOptions = {
  ...{ strategy: 'latency', serialize: false, balancer: balancerDefaults, budget: budgetDefaults },
};
