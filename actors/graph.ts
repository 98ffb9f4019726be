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
  type Plan,
  type PlannedCall,
  step,
} from '../machines/graph/index.ts';
import { type Alarm, createAlarm } from './alarm.ts';
import type { GraphEvents, GraphOptions } from './graph-api.ts';
import { callStep, type StepEnd } from './graph-call.ts';
import type { ClockPort, SinkPort } from './ports/index.ts';
import type { CallContext, CallsApi } from './service-api.ts';
import type { Component, Scope } from './supervise.ts';

export const graphAddress = 'graph';

export const graphActorLimits = {
  /** Runs under way at one node. */
  runsMax: 256,
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

type Open = { readonly attempt: number; call: { cancel(): void } | null };

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

  /** What comes of calls breaks nobody but this actor. */
  const guarded: CallsApi = {
    call: (wanted, on) => calls().call(wanted, { item: scope.guard(on.item), end: scope.guard(on.end) }),
  };

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
    const open: Open = { attempt, call: null };
    run.open.set(openKey(effect), open);
    const ended = (end: StepEnd): void => {
      run.open.delete(openKey(effect));
      send(run, { type: 'ended', kind, step: name, attempt, ...end });
    };
    // What is answered at once is heard after this turn.
    open.call = callStep(guarded, { ...effect.call, ...frameOf(run, kind) }, ended);
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
    run.open.delete(openKey(effect));
    open.call?.cancel();
  };

  // -------------------------------------------------------------- the end

  /** A run that cannot even be stopped has broken a promise of ours. */
  const stopRun = (run: Run): void => {
    try {
      send(run, { type: 'stop' });
    } catch (error) {
      sink.log('error', 'GRAPH_BROKEN', error instanceof Error ? error.message : String(error), { address: scope.address });
      for (const { call: one } of run.open.values()) one?.cancel();
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
