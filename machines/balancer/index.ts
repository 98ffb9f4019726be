// The door of the balancer: `choose` whom a call goes to, `begin` and `end` it. Strategies are behind one seam (strategy.ts), each in a
// file of its own.
export { begin, type Call, choose, end } from './choose.ts';
export { balancerLimits } from './limits.ts';
export { type BalancerState, createBalancer, type Place } from './state.ts';
export * from './types.ts';
export { type BalancedNode, balancerView } from './view.ts';
