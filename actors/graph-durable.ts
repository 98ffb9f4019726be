// A run of a graph that outlives the node that began it (row K3): a replicated actor of the runtime's own type `polity-graph`. What becomes of
// it is worked out by the same machine as any run, on every replica (machines/graph/durable.ts); its calls are made by the leader once the
// entry that wants them is committed, and what they came to is an entry. A new leader is told what was under way when the old one was
// lost: what is idempotent is called again, of anything else nobody knows whether it happened.
import { type EventObject, fromCallback, setup } from 'xstate';
import type { ActorAddress } from '../machines/entity/address.ts';
import { type Failure, failure } from '../machines/errors.ts';
import {
  type DurableBegin,
  type DurableCall,
  type DurableClock,
  type DurableEnded,
  type DurableEvent,
  type DurableRun,
  durableGraphLimits,
  durableTurn,
  graphLimits,
  keep,
  noRun,
  planOf,
  runOf,
} from '../machines/graph/index.ts';
import { pack, unpack } from '../machines/wire/envelope.ts';
import { type ActorDefinition, restartDefault } from './actor-api.ts';
import { currentExecution } from './actor-execution.ts';
import type { Outcome } from './api.ts';
import { callStep, type StepEnd } from './graph-call.ts';
import type { CallsApi, ServiceCall } from './service-api.ts';

export const graphActorType = 'polity-graph';

const limits = durableGraphLimits;

export type DurableGraphArguments = {
  calls: () => CallsApi;
  wallMs: () => number;
  /** Removes a run for good. */
  forget: (address: ActorAddress) => void;
};

/** How long after it was to be forgotten it is tried again. */
const forgetAgainMs = 10_000;

/** What a service says of a failure may be long, and each step may fail: all of them have to fit into one run. */
const briefly = ({ code, message, details }: Failure): Failure => {
  const { failureBytesMax, failureCharsMax } = limits;
  let said = failure(
    code,
    message.length <= failureCharsMax ? message : `${message.slice(0, failureCharsMax).replace(/\p{Cs}/gu, '\ufffd')}…`,
  );
  const shortestFirst = Object.entries(details ?? {}).toSorted(([, a], [, b]) => String(a).length - String(b).length);
  for (const [name, value] of shortestFirst) {
    const more: Failure = { ...said, details: { ...said.details, [name]: value } };
    if (pack(more).byteLength <= failureBytesMax) said = more;
  }
  return said;
};

/** Nothing that is larger than a run can keep, or no plain data, goes into the log. */
const saidOf = ({ outcome, isInDoubt = false }: StepEnd): Pick<DurableEnded, 'ok' | 'packed' | 'isInDoubt'> => {
  if (!outcome.ok) return { ok: false, packed: pack(briefly(outcome.failure)).slice(), isInDoubt };
  const kept = keep(outcome.value, limits.resultsBytesMax);
  const packed = kept === null ? null : pack(kept.value).slice();
  if (packed !== null && packed.byteLength <= limits.resultsBytesMax) return { ok: true, packed, isInDoubt };
  const message = `it ended well, but its result is no plain data, or has more than the ${limits.resultsBytesMax} bytes that a durable run keeps`;
  return { ok: false, packed: pack(failure('TOO_LARGE', message)).slice(), isInDoubt: true };
};

const call = ({ calls, wallMs }: DurableGraphArguments) =>
  fromCallback<EventObject, DurableCall>(({ input, sendBack }) => {
    const { kind, step, attempt, call: packed, requestId, principal } = input;
    const made = unpack(Uint8Array.from(packed)) as ServiceCall;
    const wanted = { ...made, requestId, ...(principal === null ? {} : { principal }) };
    const { cancel } = callStep(calls(), wanted, (end) => {
      const { node, attempts } = end;
      const atMs = Math.floor(wallMs());
      const told: DurableEnded = { type: 'ended', kind, step, attempt, ...saidOf(end), node, attempts, atMs };
      sendBack(told);
    });
    return cancel;
  });

const clock = ({ wallMs }: DurableGraphArguments) =>
  fromCallback<EventObject, DurableClock>(({ input: { lost, leastMs }, sendBack }) => {
    const told: DurableEvent = { type: 'time', lost, atMs: Math.max(leastMs, Math.floor(wallMs())) };
    sendBack(told);
  });

const logicOf = (args: DurableGraphArguments) => {
  const machine = setup({
    types: { context: {} as DurableRun, events: {} as DurableEvent },
    actors: { call: call(args), clock: clock(args) },
    actions: {
      forget() {
        const running = currentExecution();
        if (running !== null) args.forget(running.address);
      },
    },
  });
  /** It is removed in a moment, whatever comes meanwhile: nothing begins in it. */
  const forgotten = machine.enqueueActions(({ enqueue }) => {
    enqueue.assign(() => ({ ...noRun, phase: 'over' as const }));
    enqueue('forget');
    enqueue.raise({ type: 'forget' }, { id: 'forget', delay: forgetAgainMs });
  });
  const taken = machine.enqueueActions(({ context, event, enqueue }) => {
    const turn = durableTurn(context, event);
    if (turn === null) return;
    for (const wanted of turn.wanted) {
      const { id } = wanted;
      if (!wanted.starts) enqueue.stopChild(id);
      else if (wanted.src === 'call') enqueue.spawnChild('call', { id, input: wanted.input });
      else enqueue.spawnChild('clock', { id, input: wanted.input });
    }
    // The clock was asked: it is woken by what that says.
    if (turn.context === context) return;
    enqueue.assign(() => turn.context);
    enqueue.cancel('wake');
    const { wakeMs, nowMs, phase } = runOf(turn.context)!;
    if (wakeMs !== Number.POSITIVE_INFINITY)
      enqueue.raise({ type: 'wake' }, { id: 'wake', delay: Math.max(0, wakeMs - nowMs) });
    if (phase === 'over')
      enqueue.raise({ type: 'forget' }, { id: 'forget', delay: Math.max(turn.context.keepMs, limits.keepMsLeast) });
  });
  return machine.createMachine({
    id: 'run',
    context: noRun,
    on: {
      // Nothing was begun: whoever asks has made it.
      look: { guard: ({ context }) => context.phase === 'new', actions: forgotten },
      cancel: [{ guard: ({ context }) => context.phase === 'new', actions: forgotten }, { actions: taken }],
      forget: { actions: forgotten },
      '*': { actions: taken },
    },
  });
};

// ---------------------------------------------------------------- what is taken from others

const isCount = (value: unknown, max: number): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= max;

const isWord = (value: unknown, charsMax: number): value is string =>
  typeof value === 'string' && value.length >= 1 && value.length <= charsMax;

/** Why it begins nothing; null: it does. */
const whyNotBegun = ({ graph, idempotent, principal, keepMs, nonce }: Readonly<Record<string, unknown>>): string | null => {
  if (!(graph instanceof Uint8Array) || graph.byteLength > limits.graphBytesMax)
    return `a graph is packed into at most ${limits.graphBytesMax} bytes`;
  if (!Array.isArray(idempotent) || !idempotent.every((at) => isCount(at, 2 * graphLimits.stepsMax)))
    return 'idempotent calls are places';
  if (principal !== null && !isWord(principal, limits.principalCharsMax)) return 'a principal is a text';
  if (!isCount(keepMs, limits.keepMsMax)) return `keepMs is from 0 to ${limits.keepMsMax}`;
  if (!isWord(nonce, limits.nonceCharsMax)) return 'a nonce is a text';
  try {
    planOf(graph);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : 'the graph cannot be read';
  }
};

/** What a call came to, and what time it is, is said by nobody from outside. */
const check =
  (wallMs: () => number) =>
  (event: EventObject): Outcome<EventObject> => {
    const atMs = Math.floor(wallMs());
    const given = event as EventObject & Readonly<Record<string, unknown>>;
    if (given.type === 'look') return { ok: true, value: { type: 'look' } };
    if (given.type === 'cancel') return { ok: true, value: { type: 'cancel', atMs } as EventObject };
    const why = given.type === 'begin' ? whyNotBegun(given) : `there is no event '${given.type.slice(0, 64)}'`;
    if (why !== null) return { ok: false, failure: failure('INVALID_REQUEST', `${graphActorType}: ${why}`) };
    const { graph, idempotent, principal, keepMs, nonce } = event as DurableBegin;
    return { ok: true, value: { type: 'begin', graph, idempotent, principal, keepMs, nonce, atMs } as DurableBegin };
  };

const isSame = (a: Uint8Array, b: Uint8Array): boolean =>
  a.byteLength === b.byteLength && a.every((byte, at) => byte === b[at]);

/** 'begun' by this very request, 'joined' what runs or ran, 'other': another graph has this id; 'gone': the last one is being forgotten. */
export type DurableAnswer = 'begun' | 'joined' | 'other' | 'gone';

const contextOf = (snapshot: unknown): DurableRun => (snapshot as { context: DurableRun }).context;

export const createDurableGraph = (args: DurableGraphArguments): ActorDefinition => ({
  ...{ name: graphActorType, version: 1, logic: logicOf(args), durability: 'replicated', placement: 'sharded' },
  input: () => undefined,
  replies: {
    begin({ snapshot, event }): DurableAnswer {
      const { graph, nonce, principal } = contextOf(snapshot);
      const begin = event as DurableBegin;
      if (graph === null) return 'gone';
      if (!isSame(graph, begin.graph) || principal !== begin.principal) return 'other';
      return nonce === begin.nonce ? 'begun' : 'joined';
    },
    look: ({ snapshot }) => contextOf(snapshot).graph !== null,
  },
  check: check(args.wallMs),
  restart: restartDefault,
  ...{ mailboxMax: 1_000, passivateAfterMs: 60_000, remember: false, timers: 'deadline' },
  ...{ resume: { call: 'ask' }, migrate: {}, redact: ['graph', 'run'] },
});
