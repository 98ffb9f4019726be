// The services of this node: where calls are executed, its own and those of others. First the limits of whoever calls (machines/limiter),
// then the bulkhead of the service (machines/bulkhead), then the handler. Outlives every actor: a handler that runs is not the
// business of an actor that begins anew. Synchronous and without a timer a call: a call that waits for nothing costs a microsecond.
import {
  type BulkheadEffect,
  endAtOnce,
  type Importance,
  importances,
  startAtOnce,
  step,
  viewOf,
} from '../machines/bulkhead/index.ts';
import { catalogLimits, whyUnfit } from '../machines/catalog/index.ts';
import { type Failure, failure, readable } from '../machines/errors.ts';
import { createLimiter, type Limiter, type LimiterOptions, take } from '../machines/limiter/index.ts';
import { createAlarm } from './alarm.ts';
import type { Outcome } from './api.ts';
import type { ClockPort, PeerId, SinkPort, Timer } from './ports/index.ts';
import type { CallEvents, CallHandle, Execution, HostedMethod, HostedService, ServiceHost } from './service-api.ts';
import { countEnded, countRefused, createCountsByName } from './service-counts.ts';
import { cutOff, givesStream, noMethod, notFound, rateLimited, shed, stops, tooLong } from './service-refusals.ts';
import { ended, failed, Run, type RunHost } from './service-run.ts';
import { createServiceTable, type Hosted, hostedOf } from './service-table.ts';

export const serviceHostLimits = {
  /** As many as an owner may offer in the catalog. */
  servicesMax: catalogLimits.ownerOffersMax,
  /** Calls within calls: one that goes on for longer goes in a circle. */
  chainMax: 32,
} as const;

export type ServiceHostArguments = {
  /** Of this node. */
  name: string;
  self: PeerId;
  clock: ClockPort;
  sink: SinkPort;
  limits: LimiterOptions;
  /** One that is there already, because others take from it too; else one is made of `limits`. */
  limiter?: Limiter;
  /** How long a stop waits for what runs. */
  graceMs: number;
};

export const createServiceHost = (args: ServiceHostArguments): ServiceHost => new Host(args);

const nothing: readonly BulkheadEffect[] = [];

const least = (one: Importance, other: Importance | null): Importance =>
  other !== null && importances.indexOf(other) > importances.indexOf(one) ? other : one;

class Host implements ServiceHost, RunHost {
  readonly name: string;
  readonly #self: PeerId;
  readonly #clock: ClockPort;
  readonly #sink: SinkPort;
  readonly #limiter: Limiter;
  readonly #graceMs: number;
  readonly #table = createServiceTable();
  readonly #counts = createCountsByName();
  /** Those that wait and those that run, but for what has not come back from its handler yet. */
  readonly #runs = new Map<number, Run>();
  #lastId = 0;
  #running = 0;
  /** What ends of calls have set free, in their order; `#settles` while somebody works it off. */
  readonly #due: { hosted: Hosted; effect: BulkheadEffect }[] = [];
  #settles = false;
  #stopping: { dones: (() => void)[]; limit: Timer | null; isOver: boolean } | null = null;

  constructor({ name, self, clock, sink, limits, limiter, graceMs }: ServiceHostArguments) {
    this.name = name;
    this.#self = self;
    this.#clock = clock;
    this.#sink = sink;
    this.#graceMs = graceMs;
    this.#limiter = limiter ?? createLimiter({ options: limits, nowMs: clock.nowMs() });
  }

  // ---------------------------------------------------------------- what is offered

  add(service: HostedService): Failure | null {
    const why = this.#whyNot(service);
    if (why !== null) return failure('INVALID_REQUEST', why);
    if (this.#stopping !== null) return stops(this.name);
    const clock = this.#clock;
    const alarm = (ring: () => void) => createAlarm(clock, clock.after, ring);
    const counts = this.#counts.of(service.offer.name);
    this.#table.add(
      hostedOf(service, { nowMs: clock.nowMs(), alarm, counts }, (hosted) => this.#step(hosted, { type: 'wake' })),
    );
    return null;
  }

  #whyNot({ offer, methods }: HostedService): string | null {
    const unfit = whyUnfit(offer);
    if (unfit !== null) return unfit;
    const { kind, name, version } = offer;
    if (kind !== 'service') return `${name} is a ${kind}; only services are executed`;
    if (Object.keys(methods).length === 0) return `${name} has no method`;
    for (const method of Object.keys(offer.methods))
      if (!Object.hasOwn(methods, method)) return `${name}.${method} is offered, and nothing executes it`;
    for (const method of Object.keys(methods))
      if (!Object.hasOwn(offer.methods, method)) return `${name}.${method} is executed, but not offered`;
    if (this.#table.at(name, version) !== null) return `${this.name} offers ${name}@${version} already`;
    if (this.#table.size >= serviceHostLimits.servicesMax)
      return `${this.name} offers ${this.#table.size} services already, which is the most`;
    return null;
  }

  remove({ name, version }: { name: string; version: string }): void {
    const hosted = this.#table.at(name, version);
    if (hosted === null) return;
    this.#table.remove(hosted);
    hosted.isRemoved = true;
    this.#step(hosted, { type: 'stop' });
  }

  offers(service: string, version: string | null): HostedService | null {
    return this.#table.find(service, version)?.service ?? null;
  }

  // ---------------------------------------------------------------- a call

  execute(execution: Execution, on: CallEvents): CallHandle {
    const hosted = this.#table.find(execution.service, execution.version);
    if (hosted === null) return refuse(on, notFound(this.name, this.#table.versionsOf(execution.service), execution));
    const method = hosted.methods.get(execution.method);
    const why =
      this.#stopping !== null ? stops(this.name) : method === undefined ? noMethod(this.name, hosted, execution) : null;
    if (why !== null) return refuse(on, why);
    if (execution.chain.length >= serviceHostLimits.chainMax) return refuse(on, tooLong(execution));
    if (execution.takesItems === false && method!.isStream) return refuse(on, givesStream(execution));
    const limit = this.#overLimit(hosted, method!, execution);
    return limit === null ? this.#arrive(hosted, method!, execution, on) : refuse(on, limit);
  }

  #overLimit(hosted: Hosted, { cost }: HostedMethod, execution: Execution): Failure | null {
    const { callerPeer, principal } = execution;
    const node = callerPeer === this.#self ? null : callerPeer;
    if (node === null && principal === null) return null;
    const { atMs: nowMs = this.#clock.nowMs() } = execution;
    const refusal = take(this.#limiter, nowMs, node, principal, cost);
    if (refusal === null) return null;
    countRefused(hosted.counts, refusal.by);
    return rateLimited(this.name, refusal, this.#limiter.options[refusal.by]!, cost, execution);
  }

  #arrive(hosted: Hosted, method: HostedMethod, execution: Execution, on: CallEvents): CallHandle {
    const id = ++this.#lastId;
    const run = new Run(this, id, hosted, method, execution, on);
    const { deadlineMs, atMs: nowMs = this.#clock.nowMs() } = execution;
    const importance = least(method.importance, execution.importance);
    if (startAtOnce(hosted.bulkhead, nowMs, id, importance, deadlineMs)) {
      this.#start(run, nowMs);
      return run;
    }
    const principal = execution.principal ?? execution.callerPeer;
    this.#runs.set(id, run);
    this.#settle(hosted, step(hosted.bulkhead, nowMs, { type: 'arrived', id, importance, principal, deadlineMs }));
    return run;
  }

  #start(run: Run, nowMs: number): void {
    this.#running++;
    run.start(nowMs);
    if (run.state !== 'over') this.#runs.set(run.id, run);
  }

  #step(hosted: Hosted, event: Parameters<typeof step>[2]): void {
    this.#settle(hosted, step(hosted.bulkhead, this.#clock.nowMs(), event));
  }

  /** One after the other, also what these set free: a line of short calls is no tower of them. */
  #settle(hosted: Hosted, effects: readonly BulkheadEffect[]): void {
    const { bulkhead, alarm } = hosted;
    if (bulkhead.queue.of.size > 0) alarm.at(bulkhead.deadlineMs);
    if (effects.length === 0) return;
    for (const effect of effects) this.#due.push({ hosted, effect });
    if (this.#settles) return;
    this.#settles = true;
    try {
      for (let next = this.#due.shift(); next !== undefined; next = this.#due.shift()) this.#do(next.hosted, next.effect);
    } finally {
      this.#settles = false;
    }
  }

  #do(hosted: Hosted, effect: BulkheadEffect): void {
    const run = this.#runs.get(effect.id);
    // Whoever called gave up before its turn came: the place goes back.
    if (run === undefined || run.state !== 'waiting') {
      if (effect.type === 'start') this.#step(hosted, { type: 'ended', id: effect.id });
      return;
    }
    if (effect.type === 'start') return this.#start(run, this.#clock.nowMs());
    this.#runs.delete(effect.id);
    countRefused(hosted.counts, effect.why);
    run.refuse(shed(this.name, run, effect.why, effect.retryAfterMs));
  }

  // ---------------------------------------------------------------- what runs tell

  abandoned(run: Run): void {
    this.#runs.delete(run.id);
    this.#step(run.hosted, { type: 'abandoned', id: run.id });
  }

  ended(run: Run, outcome: Outcome<unknown>): void {
    const { hosted, id } = run;
    this.#runs.delete(id);
    this.#running--;
    const nowMs = this.#clock.nowMs();
    countEnded(hosted.counts, outcome.ok ? null : outcome.failure.code, nowMs - run.startedMs);
    const effects = endAtOnce(hosted.bulkhead, nowMs, id) ? nothing : step(hosted.bulkhead, nowMs, { type: 'ended', id });
    try {
      run.tell(outcome);
    } finally {
      if (effects.length > 0) this.#settle(hosted, effects);
      if (this.#stopping !== null) this.#checkStopped();
    }
  }

  threw(run: Run, thrown: unknown): Failure {
    const error = readable(thrown);
    const { service, method } = run.execution;
    const message = error instanceof Error ? error.message : String(error);
    this.#sink.log('error', 'SERVICE_THREW', `${service}.${method}: ${message}`, { service, method, error });
    return failure('SERVICE_FAILED', `${service}.${method} failed at ${this.name}`, { service, method, node: this.name });
  }

  // ---------------------------------------------------------------- the end

  stop(done: () => void): void {
    if (this.#stopping !== null) {
      if (this.#stopping.isOver) return done();
      return void this.#stopping.dones.push(done);
    }
    this.#stopping = { dones: [done], limit: null, isOver: false };
    for (const hosted of [...this.#table.all()]) this.#step(hosted, { type: 'stop' });
    if (this.#running > 0) this.#stopping.limit = this.#clock.after(this.#graceMs, () => this.#giveUp());
    this.#checkStopped();
  }

  #checkStopped(): void {
    const stopping = this.#stopping!;
    if (stopping.isOver || this.#running > 0) return;
    stopping.isOver = true;
    stopping.limit?.cancel();
    for (const done of stopping.dones) done();
  }

  #giveUp(): void {
    const stopping = this.#stopping!;
    if (stopping.isOver) return;
    stopping.isOver = true;
    this.#sink.log('warn', 'SERVICES_CUT_OFF', `${this.#runs.size} calls had not ended after ${this.#graceMs} ms`);
    for (const run of [...this.#runs.values()]) run.giveUp(cutOff(this.name, run.execution));
    for (const done of stopping.dones) done();
  }

  // ---------------------------------------------------------------- what is shown

  view(): ReturnType<ServiceHost['view']> {
    const nowMs = this.#clock.nowMs();
    return [...this.#table.all()].map(({ service: { offer }, bulkhead }) => ({
      ...{ service: offer.name, version: offer.version, bulkhead: viewOf(bulkhead, nowMs) },
    }));
  }

  counts(): ReturnType<ServiceHost['counts']> {
    return this.#counts.all();
  }
}

const refuse = (on: CallEvents, why: Failure): CallHandle => {
  on.end(failed(why));
  return ended;
};
