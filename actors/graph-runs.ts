// Durable runs as whoever asks for one sees them: begun once under their id, followed from wherever one is, and gone on with when nobody looks.

import { type ActorAddress, addressLimits, isActorKey } from '../machines/entity/address.ts';
import { type Failure, failure } from '../machines/errors.ts';
import {
  callsOf,
  type DurableBegin,
  type DurableRun,
  durableGraphLimits,
  outcomeOf,
  type Plan,
  type PlannedCall,
  reportsOf,
  runOf,
} from '../machines/graph/index.ts';
import { pack } from '../machines/wire/envelope.ts';
import { hexOf } from '../machines/wire/octets.ts';
import type { ActorEnd, ActorsApi } from './actor-api.ts';
import type { Outcome } from './api.ts';
import type { DurableOptions, GraphEvents, GraphHandle, GraphOptions } from './graph-api.ts';
import { type DurableAnswer, graphActorType } from './graph-durable.ts';
import type { ClockPort, RandomPort } from './ports/index.ts';

const limits = durableGraphLimits;
const beginMs = 10_000;
/** The last run of that id is being forgotten: how long after it is asked again. */
const againMs = 100;

export type DurableRunsArguments = {
  random: RandomPort;
  clock: Pick<ClockPort, 'after' | 'nowMs'>;
  actors: () => Pick<ActorsApi, 'ask' | 'deliver' | 'subscribe'>;
};

export type DurableRequest = {
  /** As it is written down, and as it was checked. */
  readonly graph: unknown;
  readonly plan: Plan;
  readonly idempotent: ReadonlySet<PlannedCall>;
  readonly options: GraphOptions;
};

export interface DurableRuns {
  run(durable: DurableOptions, request: DurableRequest, on: GraphEvents): GraphHandle;
  attach(id: string, on: GraphEvents): GraphHandle;
  cancel(id: string, done: (outcome: Outcome<null>) => void): void;
}

const invalid = (why: string): Failure => failure('INVALID_REQUEST', why);
const notFound = (id: string): Failure =>
  failure('NOT_FOUND', `there is no durable run '${id}': nobody began it, or it has been forgotten`);

const forgotten = (id: string): Failure =>
  failure('OUTCOME_UNKNOWN', `the durable run '${id}' was forgotten before anybody here heard how it ended`);

const whyNoId = (id: unknown): Failure | null =>
  isActorKey(id)
    ? null
    : invalid(`the id of a run is a text of 1 to ${addressLimits.keyCharsMax} characters without control characters`);

const whyUnfit = ({ keepMs = limits.keepMsDefault }: DurableOptions, { options }: DurableRequest): Failure | null => {
  if (!Number.isSafeInteger(keepMs) || keepMs < 0 || keepMs > limits.keepMsMax)
    return invalid(`keepMs is a whole number of milliseconds from 0 to ${limits.keepMsMax}`);
  if (options.within !== undefined)
    return invalid('a durable run outlives the call that begins it: it takes no `within`, give it a principal');
  const { principal } = options;
  if (principal !== undefined && (principal === '' || principal.length > limits.principalCharsMax))
    return invalid(`a principal has 1 to ${limits.principalCharsMax} characters`);
  return null;
};

const addressOf = (id: string): ActorAddress => ({ type: graphActorType, key: id, node: null });

/** In words of runs. Nobody keeps durable ones: who asked wants to know what to do about it. */
const explained = (id: string, why: Failure): Failure => {
  if (why.code === 'ACTOR_STOPPED') return notFound(id);
  return why.code === 'ACTOR_NOT_FOUND'
    ? { ...why, message: 'no node keeps durable runs: start the nodes with --durable-graphs (durableGraphs: true)' }
    : why;
};

export const createDurableRuns = ({ random, clock, actors }: DurableRunsArguments): DurableRuns => {
  const cancelRun: DurableRuns['cancel'] = (id, done) => {
    const why = whyNoId(id);
    if (why !== null) return done({ ok: false, failure: why });
    lookAt(id, (there) => {
      if (!there.ok) return done(there);
      actors().deliver(addressOf(id), { type: 'cancel' }, {}, (outcome) =>
        done(outcome.ok ? outcome : { ok: false, failure: explained(id, outcome.failure) }),
      );
    });
  };

  /** Whether it was begun, and is not forgotten. */
  const lookAt = (id: string, done: (outcome: Outcome<null>) => void): (() => void) =>
    actors().ask(addressOf(id), { type: 'look' }, { timeoutMs: beginMs }, (outcome) => {
      if (!outcome.ok) return done({ ok: false, failure: explained(id, outcome.failure) });
      done(outcome.value === true ? { ok: true, value: null } : { ok: false, failure: notFound(id) });
    });

  /** One who looks on; told nothing once it has ended. */
  const follower = (id: string, on: GraphEvents, gone: Failure) => {
    let isOver = false;
    let isBegun = false;
    let isUnwanted = false;
    let unsubscribe = (): void => {};
    let told = { settled: 0, undone: 0 };
    const end = (ended: Parameters<GraphEvents['end']>[0]): void => {
      if (isOver) return;
      isOver = true;
      unsubscribe();
      on.end(ended);
    };
    const look = (value: unknown): void => {
      if (isOver) return;
      const run = runOf(value as DurableRun);
      if (run === null) return end({ ok: false, failure: gone });
      const reports = reportsOf(run);
      const settled = run.settled.length;
      const from = { ...told };
      told = { settled, undone: reports.length - settled };
      for (const report of reports.slice(from.settled, settled)) if (!isOver) on.step(report);
      for (const { step, compensation } of reports.slice(settled + from.undone))
        if (!isOver && compensation !== null) on.compensated(step, compensation);
      if (run.phase === 'over') end({ ok: true, value: outcomeOf(run) });
    };
    const lost = ({ reason, failure: why }: ActorEnd): void => {
      if (reason === 'stopped' || reason === 'never-lived') return end({ ok: false, failure: gone });
      const unknown = failure('OUTCOME_UNKNOWN', `the durable run '${id}' cannot be followed: ${why?.message ?? reason}`);
      end({ ok: false, failure: unknown });
    };
    return {
      end,
      begin(): void {
        isBegun = true;
        if (isUnwanted) cancelRun(id, () => {});
        if (isOver) return;
        on.begun?.();
        unsubscribe = actors().subscribe(addressOf(id), 'context', look, lost);
        if (isOver) unsubscribe();
      },
      handle: {
        cancel: () => {
          if (isOver) return;
          // It might be there before what begins the run.
          if (isBegun) cancelRun(id, () => {});
          else isUnwanted = true;
        },
        leave(): void {
          isOver = true;
          unsubscribe();
        },
      },
    };
  };

  return {
    run(durable, request, on) {
      const { id, keepMs = limits.keepMsDefault } = durable;
      const one = follower(id, on, forgotten(id));
      const graph = pack(request.graph).slice();
      const large = graph.byteLength > limits.graphBytesMax;
      const why = whyNoId(id) ?? whyUnfit(durable, request) ?? (large ? tooLarge(graph.byteLength) : null);
      if (why !== null) one.end({ ok: false, failure: why });
      if (why !== null) return one.handle;
      const calls = callsOf(request.plan);
      const idempotent = calls.flatMap(({ call }, at) => (request.idempotent.has(call) ? [at] : []));
      const principal = request.options.principal ?? null;
      const untilMs = clock.nowMs() + beginMs;
      const begin = (): void => {
        const nonce = hexOf(random.bytes(12));
        const event = { type: 'begin' as const, graph, idempotent, principal, keepMs, nonce } satisfies Omit<
          DurableBegin,
          'atMs'
        >;
        actors().ask(addressOf(id), event, { timeoutMs: beginMs, id: nonce }, (outcome) => {
          const isGone = outcome.ok ? (outcome.value as DurableAnswer) === 'gone' : outcome.failure.code === 'ACTOR_STOPPED';
          if (isGone && clock.nowMs() < untilMs) return void clock.after(againMs, begin);
          if (isGone) return one.end({ ok: false, failure: failure('NOT_READY', `the last run '${id}' is being forgotten`) });
          if (!outcome.ok) return one.end({ ok: false, failure: explained(id, outcome.failure) });
          if ((outcome.value as DurableAnswer) !== 'other') return one.begin();
          const message = `another graph, or one for another principal, has the id '${id}'`;
          one.end({ ok: false, failure: failure('IDEMPOTENCY_CONFLICT', message) });
        });
      };
      begin();
      return one.handle;
    },
    attach(id, on) {
      const one = follower(id, on, notFound(id));
      const why = whyNoId(id);
      if (why !== null) one.end({ ok: false, failure: why });
      else lookAt(id, (there) => (there.ok ? one.begin() : one.end(there)));
      return one.handle;
    },
    cancel: cancelRun,
  };
};

const tooLarge = (bytes: number): Failure =>
  failure('TOO_LARGE', `the graph has ${bytes} bytes, a durable one at most ${limits.graphBytesMax}`);
