// A run of a graph that is kept where it outlives the node that began it: each event, once it stands in a log, makes of a context, which is
// plain data, the next one and says which calls begin and end. The same on every replica; the run itself is the machine's (machine.ts).
import { type Failure, failure } from '../errors.ts';
import { InvariantBroken } from '../invariant.ts';
import { pack, unpack } from '../wire/envelope.ts';
import { checkGraph } from './check.ts';
import { step } from './machine.ts';
import { callsOf, type Plan } from './plan.ts';
import { readRun, writeRun } from './record.ts';
import { createRun, type GraphRun } from './state.ts';
import { callUnderWay } from './tries.ts';
import type { CallKind, CallOf, GraphEffect, GraphEvent } from './types.ts';

/** A replicated actor has 1 MiB for all that it is; every call under way is in it twice. */
export const durableGraphLimits = {
  graphBytesMax: 128 << 10,
  resultsBytesMax: 256 << 10,
  inputBytesMax: 32 << 10,
  /** What is kept of one failure, and of its message; details that do not fit are left out. */
  failureBytesMax: 640,
  failureCharsMax: 240,
  /** Whatever the graph says. */
  concurrencyMax: 8,
  principalCharsMax: 256,
  nonceCharsMax: 64,
  /** How long it is remembered once it has ended. */
  keepMsDefault: 600_000,
  keepMsMax: 86_400_000,
  /** Whatever was asked for: who looks on has to hear of its end. */
  keepMsLeast: 1_000,
} as const;

const limits = durableGraphLimits;

/** Graphs and runs are packed: whatever is in an input or a result is nobody's reference here. */
export type DurableRun = {
  /** Null: nothing was begun under this key. */
  readonly graph: Uint8Array | null;
  readonly run: Uint8Array | null;
  readonly principal: string | null;
  readonly keepMs: number;
  /** Of this run alone: its calls' ids are made of it. */
  readonly nonce: string;
  /** How often a call was made again because a leader was lost, by the call. */
  readonly again: Readonly<Record<string, number>>;
  /** For whoever looks on: what it does, and its steps. */
  readonly phase: GraphRun['phase'];
  readonly steps: Readonly<Record<string, string>>;
};

export type DurableBegin = {
  readonly type: 'begin';
  readonly graph: Uint8Array;
  /** Places of calls among all of the plan. */
  readonly idempotent: readonly number[];
  readonly principal: string | null;
  readonly keepMs: number;
  readonly nonce: string;
  /** On the leader's wall clock, when it came. */
  readonly atMs: number;
};

export type DurableEnded = CallOf & {
  readonly type: 'ended';
  readonly ok: boolean;
  /** The result or the failure. */
  readonly packed: Uint8Array;
  readonly node: string | null;
  readonly attempts: number;
  readonly isInDoubt: boolean;
  readonly atMs: number;
};

export type DurableEvent =
  | DurableBegin
  | DurableEnded
  | { readonly type: 'cancel'; readonly atMs: number }
  | { readonly type: 'look' | 'wake' | 'forget' }
  | { readonly type: 'polity.interrupted'; readonly src: string; readonly id: string }
  /** What the clock says that the two before asked for; `lost`: the child that was interrupted. */
  | { readonly type: 'time'; readonly lost: string | null; readonly atMs: number };

/** A child that says what time it is at the leader: neither a timer that rings nor an interruption does. Never before `leastMs`. */
export type DurableClock = { readonly lost: string | null; readonly leastMs: number };

export type DurableCall = CallOf & { readonly call: Uint8Array; readonly requestId: string; readonly principal: string | null };

export const noRun: DurableRun = {
  ...{ graph: null, run: null, principal: null, keepMs: limits.keepMsDefault, nonce: '', again: {}, phase: 'new', steps: {} },
};

const plans = new WeakMap<Uint8Array, Plan>();

/** It was checked before it was begun. */
export const planOf = (graph: Uint8Array): Plan => {
  const known = plans.get(graph);
  if (known !== undefined) return known;
  const checked = checkGraph(unpack(Uint8Array.from(graph)));
  if (!checked.ok) throw new TypeError(checked.failure.message);
  plans.set(graph, checked.plan);
  return checked.plan;
};

/** Null: nothing was begun. */
export const runOf = ({ graph, run }: Pick<DurableRun, 'graph' | 'run'>): GraphRun | null =>
  graph === null || run === null ? null : readRun(planOf(graph), run);

const callKey = ({ kind, step: name, attempt }: CallOf): string => `${kind}.${name}.${attempt}`;

/** The child that makes a call; made again, it is another. */
const childOf = (context: DurableRun, call: CallOf): string => {
  const times = context.again[callKey(call)] ?? 0;
  return times === 0 ? callKey(call) : `${callKey(call)}.${times}`;
};

const callOfChild = (id: string): CallOf | null => {
  const [kind, name, attempt] = id.split('.');
  if ((kind !== 'step' && kind !== 'compensation') || name === undefined) return null;
  return { kind: kind as CallKind, step: name, attempt: Number(attempt) };
};

// ---------------------------------------------------------------- one turn: the same on every replica

/** Children to be started and stopped, in their order. */
type Wanted =
  | { readonly starts: false; readonly id: string }
  | { readonly starts: true; readonly id: string; readonly src: 'call'; readonly input: DurableCall }
  | { readonly starts: true; readonly id: string; readonly src: 'clock'; readonly input: DurableClock };

type Turn = { readonly context: DurableRun; readonly wanted: Wanted[] };

/** All that an event comes to: a call whose input is too large ends within the same turn. */
const advance = (context: DurableRun, run: GraphRun, atMs: number, first: GraphEvent): Turn => {
  const wanted: Wanted[] = [];
  const take = (effect: GraphEffect): GraphEvent | null => {
    if (effect.type === 'cancel-call') wanted.push({ starts: false, id: childOf(context, effect) });
    if (effect.type !== 'call') return null;
    const started = startOf(context, effect);
    if ('input' in started) wanted.push({ starts: true, src: 'call', ...started });
    return 'input' in started ? null : started;
  };
  const events = [first];
  for (let at = 0; at < events.length; at++)
    events.push(...step(run, Math.max(atMs, run.nowMs), events[at]!).flatMap((effect) => take(effect) ?? []));
  return { context: written(context, run), wanted };
};

const startOf = (
  context: DurableRun,
  { kind, step: name, attempt, call }: Extract<GraphEffect, { type: 'call' }>,
): { id: string; input: DurableCall } | GraphEvent => {
  const of: CallOf = { kind, step: name, attempt };
  const packed = pack(call).slice();
  if (packed.byteLength > limits.inputBytesMax) {
    const message = `its input has ${packed.byteLength} bytes, in a durable run at most ${limits.inputBytesMax}`;
    return { type: 'ended', ...of, outcome: { ok: false, failure: failure('TOO_LARGE', message) }, node: null, attempts: 0 };
  }
  const requestId = `${context.nonce}.${callKey(of)}`;
  return { id: childOf(context, of), input: { ...of, call: packed, requestId, principal: context.principal } };
};

const written = (context: DurableRun, run: GraphRun): DurableRun => ({
  ...context,
  run: writeRun(run),
  phase: run.phase,
  steps: Object.fromEntries(run.steps.map(({ planned, status }) => [planned.name, status])),
});

const failureOfInterrupted = (): Failure =>
  failure('OUTCOME_UNKNOWN', 'the node that made this call for the run was lost, or led its group no longer');

const clockOf = (lost: string | null): string => (lost === null ? 'clock' : `clock.${lost}`);

/** Much may have passed since the run was last told of anything: what comes next has to begin from there. */
const askTime = (context: DurableRun, run: GraphRun, lost: string | null): Turn => {
  const id = clockOf(lost);
  const leastMs = lost === null ? run.wakeMs : run.nowMs;
  return {
    context,
    wanted: [
      { starts: false, id },
      { starts: true, src: 'clock', id, input: { lost, leastMs } },
    ],
  };
};

/** The call of a child, if that is what the run waits for. */
const underWayOf = (context: DurableRun, run: GraphRun, id: string) => {
  const of = callOfChild(id);
  const underWay = of === null || childOf(context, of) !== id ? null : callUnderWay(run, of);
  return of === null || underWay === null ? null : { of, ...underWay };
};

/** What was under way when a leader was lost. */
const interrupted = (context: DurableRun, run: GraphRun, id: string, atMs: number): Turn => {
  const was = underWayOf(context, run, id);
  if (was === null) return { context, wanted: [] };
  if (!run.idempotent.has(was.planned)) {
    const outcome = { ok: false as const, failure: failureOfInterrupted() };
    const turn = advance(context, run, atMs, { type: 'ended', ...was.of, outcome, node: null, attempts: 1 });
    return { ...turn, wanted: [{ starts: false, id }, ...turn.wanted] };
  }
  const turn = advance(context, run, atMs, { type: 'wake' });
  // There may be no time left for it.
  const now = underWayOf(turn.context, run, id);
  if (now === null) return turn;
  const key = callKey(now.of);
  const again = { ...turn.context, again: { ...turn.context.again, [key]: (turn.context.again[key] ?? 0) + 1 } };
  const started = startOf(again, { type: 'call', ...now.of, call: now.call });
  // What was made once is not too large to be made again.
  if (!('input' in started)) throw new InvariantBroken('made-again', key);
  return { context: again, wanted: [...turn.wanted, { starts: false, id }, { starts: true, src: 'call', ...started }] };
};

const told = (context: DurableRun, run: GraphRun, lost: string | null, atMs: number): Turn => {
  const turn = lost === null ? advance(context, run, atMs, { type: 'wake' }) : interrupted(context, run, lost, atMs);
  return { ...turn, wanted: [{ starts: false, id: clockOf(lost) }, ...turn.wanted] };
};

const ended = (context: DurableRun, run: GraphRun, event: DurableEnded): Turn => {
  const { kind, step: name, attempt, node, attempts, isInDoubt, atMs } = event;
  const value = unpack(Uint8Array.from(event.packed));
  const outcome = event.ok ? { ok: true as const, value } : { ok: false as const, failure: value as Failure };
  const of: CallOf = { kind, step: name, attempt };
  const told = { type: 'ended' as const, ...of, outcome, node, attempts, ...(isInDoubt ? { isInDoubt } : {}) };
  const turn = advance(context, run, atMs, told);
  return { ...turn, wanted: [{ starts: false, id: childOf(context, of) }, ...turn.wanted] };
};

const begun = (context: DurableRun, event: DurableBegin): Turn | null => {
  const { graph, idempotent, principal, keepMs, nonce, atMs } = event;
  // One that is being forgotten cannot be begun until that is over.
  if (context.phase !== 'new') return null;
  const plan = planOf(graph);
  const calls = callsOf(plan);
  const run = createRun({
    plan: { ...plan, concurrency: Math.min(plan.concurrency, limits.concurrencyMax) },
    ...{ nowMs: atMs, resultsBytesMax: limits.resultsBytesMax },
    idempotent: new Set(idempotent.flatMap((at) => calls[at]?.call ?? [])),
  });
  return advance({ ...noRun, graph, principal, keepMs, nonce }, run, atMs, { type: 'begin' });
};

export const durableTurn = (context: DurableRun, event: DurableEvent): Turn | null => {
  if (event.type === 'begin') return begun(context, event);
  const run = runOf(context);
  if (run === null || run.phase === 'over') return null;
  switch (event.type) {
    case 'ended':
      return ended(context, run, event);
    case 'cancel':
      return advance(context, run, event.atMs, { type: 'cancel' });
    case 'wake':
      return askTime(context, run, null);
    case 'polity.interrupted':
      return underWayOf(context, run, event.id) === null ? null : askTime(context, run, event.id);
    case 'time':
      return told(context, run, event.lost, event.atMs);
    default:
      return null;
  }
};
