// The door of graphs of calls: define one, make references, run it.
export { literal } from '../../machines/graph/index.ts';
export { defineGraph, GraphBuilder, type GraphLimits } from './define.ts';
export { failureOf, orElse, type Ref, type RefTo, ref, type WithRefs } from './references.ts';
export { GraphError, type GraphResult, GraphRun, type RunOptions } from './run.ts';
