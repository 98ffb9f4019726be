// Runs graphs of calls: what the machine (machines/graph) wants called is called, what comes of it is told to the machine. All runs of a
// node are in one actor. If it fails, or the node stops, every run is ended and says what was not undone; it is not begun anew,
// for nobody would know what its calls had come to. Graphs that survive their node are another matter: replicated actors.
import { failure } from '../machines/errors.ts';
import {
  type CallOf,
  createRun,
  type GraphEffect,
  type GraphEvent,
  type GraphRun,
  keep,
  type Plan,
  type PlannedCall,
  step,
} from '../machines/graph/index.ts';
import { type Alarm, createAlarm } from './alarm.ts';
import type { GraphEvents, GraphOptions } from './graph-api.ts';
import type { ClockPort, SinkPort } from './ports/index.ts';
import type { CallContext, CallHandle, CallsApi, CallTrail } from './service-api.ts';
import type { Component, Scope } from './supervise.ts';

export const graphAddress = 'graph';

export const graphActorLimits = {
  /** Runs under way at one node. */
  runsMax: 256,
  /** Items of a stream that are on their way. */
  streamWindow: 64,
  streamItemsMax: 10_000,
  /** All items of one stream, which together are the result of its step. */
  streamBytesMax: 4 << 20,
} as const;

const limits = graphActorLimits;

/** By whoever asked for it; outlives the actor. */
export type GraphRequest = {
  readonly plan: Plan;
  readonly idempotent: ReadonlySet<PlannedCall>;
  readonly options: GraphOptions;
  readonly on: GraphEvents;
  /** Told its end already: nothing more. */
  isOver: boolean;
};

export type GraphActorEvent = { type: 'run'; request: GraphRequest } | { type: 'cancel'; request: GraphRequest };

export type GraphArguments = {
  clock: ClockPort;
  sink: SinkPort;
  calls: () => CallsApi;
  /** After each that begins or ends; all that are under way, which is changed in place. */
  onRunning: (runs: ReadonlySet<GraphRequest>) => void;
};

type Open = { readonly attempt: number; readonly handle: () => CallHandle | null; isOver: boolean };

type Run = {
  readonly request: GraphRequest;
  readonly state: GraphRun;
  readonly alarm: Alarm;
  /** Calls without an end, by kind and step. */
  readonly open: Map<string, Open>;
};

const openKey = ({ kind, step: name }: CallOf): string => `${kind} ${name}`;

export const createGraphs = (scope: Scope, { clock, sink, calls, onRunning }: GraphArguments): Component<GraphActorEvent> => {
  const runs = new Map<GraphRequest, Run>();
  const requests = new Set<GraphRequest>();

  const begin = (request: GraphRequest): void => {
    if (runs.size >= limits.runsMax) {
      request.isOver = true;
      return request.on.end({ ok: false, failure: failure('OVERLOADED', `this node runs ${runs.size} graphs already`) });
    }
    const { plan, idempotent, options } = request;
    const deadlineMs = options.within?.deadlineMs ?? Number.POSITIVE_INFINITY;
    const run: Run = {
      ...{ request, state: createRun({ plan, idempotent, nowMs: clock.nowMs(), deadlineMs }), open: new Map() },
      alarm: createAlarm(clock, scope.after, () => send(run, { type: 'wake' })),
    };
    runs.set(request, run);
    requests.add(request);
    onRunning(requests);
    send(run, { type: 'begin' });
  };

  const send = (run: Run, event: GraphEvent): void => {
    for (const effect of step(run.state, clock.nowMs(), event)) take(run, effect);
    if (!run.request.isOver) run.alarm.at(run.state.wakeMs);
  };

  const take = (run: Run, effect: GraphEffect): void => {
    const { on } = run.request;
    switch (effect.type) {
      case 'call':
        return call(run, effect);
      case 'cancel-call':
        return cancelCall(run, effect);
      case 'settled':
        sink.count('graph_steps_total', { status: effect.report.status });
        return on.step(effect.report);
      case 'compensated':
        sink.count('graph_compensations_total', { status: effect.report.status });
        return on.compensated(effect.step, effect.report);
      case 'over': {
        const { failure: why } = effect.outcome;
        sink.count('graph_runs_total', { outcome: why === null ? 'done' : why.code });
        end(run, () => on.end({ ok: true, value: effect.outcome }));
      }
    }
  };

  const end = (run: Run, tell: () => void): void => {
    run.alarm.cancel();
    runs.delete(run.request);
    requests.delete(run.request);
    run.request.isOver = true;
    tell();
    onRunning(requests);
  };

  // -------------------------------------------------------------- one call

  const call = (run: Run, effect: Extract<GraphEffect, { type: 'call' }>): void => {
    const { kind, step: name, attempt } = effect;
    const stream = createStream();
    let handle: CallHandle | null = null;
    const open: Open = { attempt, handle: () => handle, isOver: false };
    run.open.set(openKey(effect), open);
    const ended = (event: Omit<Extract<GraphEvent, { type: 'ended' }>, 'type' | keyof CallOf>): void => {
      if (open.isOver) return;
      open.isOver = true;
      run.open.delete(openKey(effect));
      send(run, { type: 'ended', kind, step: name, attempt, ...event });
    };
    const item = (value: unknown): void => {
      if (open.isOver) return;
      const why = stream.take(value);
      if (why === null) return handle?.more(1);
      ended({ outcome: { ok: false, failure: failure('TOO_LARGE', why) }, node: null, attempts: 1, isInDoubt: true });
      handle?.cancel();
    };
    const onEnd = (
      outcome: { ok: true; value: unknown } | { ok: false; failure: ReturnType<typeof failure> },
      trail?: CallTrail,
    ) => {
      const isStream = outcome.ok && (trail?.isStream === true || stream.items.length > 0);
      const told = isStream ? { ok: true as const, value: stream.items } : outcome;
      ended({ outcome: told, node: trail?.node ?? null, attempts: trail?.attempts ?? 1 });
    };
    // What is answered at once is heard after this turn, when `handle` is there.
    const on = { item: scope.guard(item), end: scope.guard(onEnd) };
    handle = calls().call({ ...effect.call, ...frameOf(run, kind) }, on);
    handle.more(limits.streamWindow);
  };

  /** For whom and within what it is called. Compensations have a time of their own, whatever is left of the call that led here. */
  const frameOf = ({ request, state }: Run, kind: CallOf['kind']) => {
    const { principal, trace, within } = request.options;
    const frame = { ...(principal === undefined ? {} : { principal }), ...(trace === undefined ? {} : { trace }) };
    if (within === undefined) return frame;
    const timed: CallContext = kind === 'step' ? within : { ...within, deadlineMs: state.undoDeadlineMs };
    return { ...frame, within: timed };
  };

  const cancelCall = (run: Run, effect: CallOf): void => {
    const open = run.open.get(openKey(effect));
    if (open === undefined || open.attempt !== effect.attempt) return;
    open.isOver = true;
    run.open.delete(openKey(effect));
    open.handle()?.cancel();
  };

  // -------------------------------------------------------------- the end

  /** A run that cannot even be stopped has broken a promise of ours. */
  const stopRun = (run: Run): void => {
    try {
      send(run, { type: 'stop' });
    } catch (error) {
      sink.log('error', 'GRAPH_BROKEN', error instanceof Error ? error.message : String(error), { address: scope.address });
      for (const { handle } of run.open.values()) handle()?.cancel();
    }
    if (!run.request.isOver)
      end(run, () => run.request.on.end({ ok: false, failure: failure('INTERNAL', 'the run broke off; the log says why') }));
  };

  return {
    receive(event) {
      if (event.type === 'run') return begin(event.request);
      const run = runs.get(event.request);
      if (run !== undefined) send(run, { type: 'cancel' });
    },
    stop() {
      for (const run of [...runs.values()]) stopRun(run);
    },
  };
};

/** The items of a stream, within limits. */
const createStream = () => {
  const items: unknown[] = [];
  let bytesLeft: number = limits.streamBytesMax;
  return {
    items,
    /** Null, or why it is not taken. */
    take(value: unknown): string | null {
      const kept = keep(value, bytesLeft);
      if (kept === null || items.length >= limits.streamItemsMax)
        return `its stream has more than ${limits.streamItemsMax} items or ${limits.streamBytesMax} bytes, or holds what is no plain data`;
      bytesLeft -= kept.bytes;
      items.push(kept.value);
      return null;
    },
  };
};
