// Graphs of a node that has no network: the real actor over whatever calls and catalog it is given.
import { createGraphs, type GraphActorEvent, graphAddress } from '../../../actors/graph.ts';
import type { GraphApi } from '../../../actors/graph-api.ts';
import { createGraphDoor } from '../../../actors/graph-door.ts';
import type { CallsApi, CatalogApi } from '../../../actors/service-api.ts';
import { type Cell, supervise } from '../../../actors/supervise.ts';
import { realClock } from '../../../src/clock.ts';
import { realRandom } from '../../../src/random.ts';
import { noDurableRuns } from '../../actors/no-durable-runs.ts';

export const createGraphsAlone = ({ calls, catalog }: { calls: CallsApi; catalog: Pick<CatalogApi, 'find'> }): GraphApi => {
  const sink = { log: () => {}, count: () => {} };
  const clock = realClock;
  let cell: Cell<GraphActorEvent> | null = null;
  const door = createGraphDoor({
    ...{ name: 'n1', clock, graceMs: 1_000, catalog, isStopping: () => false, cell: () => cell },
    durable: noDurableRuns,
  });
  cell = supervise<GraphActorEvent>({
    ...{ address: graphAddress, clock, random: realRandom, sink, onChange: () => {}, undelivered: door.undelivered },
    create: (scope) => createGraphs(scope, { clock, sink, calls: () => calls, ...door.memory() }),
  });
  return door.api;
};
