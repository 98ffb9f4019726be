// What a node knows for its graph actor, whatever becomes of that, and the calls of those who run graphs. A graph is checked here, before
// the actor hears of it: against itself, and against what is offered now.
import { type Failure, failure } from '../machines/errors.ts';
import { checkGraph, checkOffered } from '../machines/graph/index.ts';
import type { GraphActorEvent, GraphArguments, GraphRequest } from './graph.ts';
import type { GraphApi, GraphOptions } from './graph-api.ts';
import type { DurableRuns } from './graph-runs.ts';
import type { ClockPort } from './ports/index.ts';
import type { CatalogApi } from './service-api.ts';
import type { Cell } from './supervise.ts';

export type GraphDoorArguments = {
  name: string;
  clock: ClockPort;
  /** How long a stop of the node waits for runs: half of it to end, half to undo. */
  graceMs: number;
  catalog: Pick<CatalogApi, 'find'>;
  durable: DurableRuns;
  isStopping: () => boolean;
  cell: () => Cell<GraphActorEvent> | null;
};

export interface GraphDoor {
  readonly api: GraphApi;
  /** What a new incarnation of the actor is given. */
  memory(): Pick<GraphArguments, 'onRunning'>;
  undelivered(event: GraphActorEvent): void;
  /** `done` once no run is under way: they may end, then they are cancelled, and then they are not waited for any more. */
  drain(done: () => void): void;
}

type Checked = { failure: Failure } | Pick<GraphRequest, 'plan' | 'idempotent'>;

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** What whoever runs it says of its times stands in place of what the graph says, and is checked like it. */
const withOptions = (graph: unknown, { timeoutMs, compensateMs, concurrency }: GraphOptions): unknown => {
  const own = Object.entries({ timeoutMs, compensateMs, concurrency }).filter(([, value]) => value !== undefined);
  return own.length === 0 || !isRecord(graph) ? graph : { ...graph, ...Object.fromEntries(own) };
};

export const createGraphDoor = ({
  name,
  clock,
  graceMs,
  catalog,
  durable,
  isStopping,
  cell,
}: GraphDoorArguments): GraphDoor => {
  let running: ReadonlySet<GraphRequest> = new Set();
  let onIdle: () => void = () => {};

  const check = (graph: unknown, options: GraphOptions): Checked => {
    const checked = checkGraph(withOptions(graph, options));
    if (!checked.ok) return checked;
    const offered = checkOffered(checked.plan, (lookup) => catalog.find(lookup));
    return offered.ok ? { plan: checked.plan, idempotent: offered.idempotent } : offered;
  };
  const refused = (request: GraphRequest, why: Failure): void => {
    if (request.isOver) return;
    request.isOver = true;
    request.on.end({ ok: false, failure: why });
  };

  return {
    api: {
      check(graph, options = {}) {
        const checked = check(graph, options);
        return 'failure' in checked ? checked.failure : null;
      },
      run(graph, options, on) {
        const none = { cancel() {}, leave() {} };
        const actor = cell();
        const refuse = (why: Failure): typeof none => {
          on.end({ ok: false, failure: why });
          return none;
        };
        if (isStopping()) return refuse(failure('STOPPING', `${name} is stopping`));
        if (actor === null) return refuse(failure('NOT_READY', `${name} is starting`));
        const checked = check(graph, options);
        if ('failure' in checked) return refuse(checked.failure);
        if (options.durable !== undefined)
          return durable.run(options.durable, { ...checked, graph: withOptions(graph, options), options }, on);
        const request: GraphRequest = { ...checked, options, on, isOver: false };
        actor.send({ type: 'run', request });
        const cancel = (): void => {
          if (!request.isOver) actor.send({ type: 'cancel', request });
        };
        return { cancel, leave: cancel };
      },
      running: () => running.size,
      attach: durable.attach,
      cancelDurable: durable.cancel,
    },
    memory: () => ({
      onRunning(runs) {
        running = runs;
        if (runs.size === 0) onIdle();
      },
    }),
    undelivered(event) {
      if (event.type === 'run') refused(event.request, failure('NOT_READY', `the graph actor of ${name} is being restarted`));
    },
    drain(done) {
      if (running.size === 0) return done();
      let isOver = false;
      const finish = (): void => {
        if (isOver) return;
        isOver = true;
        timer.cancel();
        done();
      };
      onIdle = finish;
      let timer = clock.after(graceMs / 2, () => {
        timer = clock.after(graceMs / 2, finish);
        for (const request of [...running]) cell()?.send({ type: 'cancel', request });
      });
    },
  };
};
