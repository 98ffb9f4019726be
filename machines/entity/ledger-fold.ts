// One step of an actor: its code is run on its state, and either all that it did counts or nothing of it. A function of the state and the
// step alone; whether it is done when the entry is applied or long after makes no difference.
import { type Failure, failure, reasonOf } from '../errors.ts';
import { mixHashes, textHash } from '../hash.ts';
import { pack, unpack } from '../wire/envelope.ts';
import { withAnswer } from './ledger-answers.ts';
import { valueHash } from './ledger-digest.ts';
import { form, formedInto, formedLength } from './ledger-form.ts';
import {
  type ActorRecord,
  effectKey,
  type FoldBody,
  type FoldDefinition,
  type Invoked,
  ledgerLimits,
  noEffect,
  type OutboxEffect,
  type Step,
  type Timer,
} from './ledger-types.ts';

export type Folded = {
  failure: Failure | null /** It said nothing any more. */;
  isIdle: boolean;
  event: unknown;
  snapshot: unknown;
  emitted: readonly { readonly type: string }[];
};

const nothing: Folded['emitted'] = [];

/** Told to an actor whose rule is 'ask' about what was invoked under a leader that was lost. */
export const interruptedEvent = 'polity.interrupted';

type Event = { type: string };
type Snapshot = ReturnType<FoldBody['snapshot']>;

const reasonCharsMax = 500;
const delayMsMax = 2 ** 42;

/** More than an actor may have; nothing is wrong with its code. */
class LimitReached extends Error {}

const within = (count: number, max: number, what: string): void => {
  if (count > max) throw new LimitReached(`${what}: ${count}, at most ${max}`);
};

/** What it was after its last step; undefined: nothing yet. Byte arrays in it are views of a copy, for the state is overwritten. */
export const persistedOf = ({ state }: ActorRecord): unknown => (state === null ? undefined : unpack(state.slice()));

/** Its body, in memory or read again. Throws what its code throws. */
export const bodyOf = (record: ActorRecord, definition: FoldDefinition): FoldBody => {
  if (record.body !== null) return record.body;
  const body = definition.open(record.name, { persisted: persistedOf(record), timers: new Set(record.timers.keys()) });
  // What it wants and waits for is in the record already.
  body.takeEffects();
  body.takeTimerChanges();
  record.body = body;
  return body;
};

export const dropBody = (record: ActorRecord): void => {
  const { body } = record;
  record.body = null;
  try {
    body?.stop();
  } catch {
    // It is of no use any more, and nothing hangs on how it ends.
  }
};

/** What a step does, as long as it is not known whether it counts. */
type Draft = {
  event: unknown;
  timers: Map<string, Timer>;
  invoked: Map<string, Invoked>;
  added: OutboxEffect[];
  emitted: { readonly type: string }[];
  digest: number;
};

const draftOf = ({ timers, invoked, digest }: ActorRecord): Draft => ({
  ...{ event: null, timers, invoked, added: [], emitted: [], digest },
});

const ownTimers = (record: ActorRecord, draft: Draft): Map<string, Timer> => {
  if (draft.timers === record.timers) draft.timers = new Map(record.timers);
  return draft.timers;
};

const ownInvoked = (record: ActorRecord, draft: Draft): Map<string, Invoked> => {
  if (draft.invoked === record.invoked) draft.invoked = new Map(record.invoked);
  return draft.invoked;
};

/** Runs the step's code. False: it said nothing any more. */
const run = (record: ActorRecord, definition: FoldDefinition, { item, timeMs }: Step, draft: Draft): boolean => {
  switch (item.kind) {
    case 'create':
      if (record.standing !== 'empty') return false;
      record.body = definition.open(record.name, { input: unpack(item.input) });
      return true;
    case 'event': {
      const event = unpack(item.event) as { type: string };
      draft.event = event;
      bodyOf(record, definition).deliver(event);
      return true;
    }
    case 'timer': {
      const timer = draft.timers.get(item.id);
      // By log time it may not be due yet, if the leader's clock went back on the way there: it is proposed again.
      if (timer?.set !== item.set || timer.dueMs > timeMs) return false;
      ownTimers(record, draft).delete(item.id);
      return bodyOf(record, definition).fire(item.id);
    }
    case 'answer':
    case 'interrupt': {
      if (item.kind === 'answer' && effectKey(item.of) === effectKey(noEffect))
        return answered(record, definition, item.path, unpack(item.answer), draft);
      const invoked = record.invoked.get(item.path);
      if (invoked === undefined || invoked.index !== item.of.index || invoked.n !== item.of.n) return false;
      return item.kind === 'answer'
        ? answered(record, definition, item.path, unpack(item.answer), draft)
        : interrupted(record, definition, item.path, item.how === 'ask', draft);
    }
    case 'done':
      return true;
  }
};

const answered = (record: ActorRecord, definition: FoldDefinition, path: string, answer: unknown, draft: Draft): boolean => {
  const { type, event } = answer as { type: string; event?: unknown };
  draft.event = event ?? { type: `xstate.${type === 'next' ? 'snapshot' : type}.actor.${path}` };
  if ((type === 'done' || type === 'error') && record.invoked.has(path)) ownInvoked(record, draft).delete(path);
  return bodyOf(record, definition).answer(path, answer as never);
};

const interrupted = (
  record: ActorRecord,
  definition: FoldDefinition,
  path: string,
  isAsked: boolean,
  draft: Draft,
): boolean => {
  const invoked = record.invoked.get(path)!;
  if (!isAsked) {
    const error = { message: `the leader was lost while it ran '${invoked.src}'`, code: 'ACTOR_FAILED' };
    return answered(record, definition, path, { type: 'error', error }, draft);
  }
  if (invoked.asked) return false;
  ownInvoked(record, draft).set(path, { ...invoked, asked: true });
  const event = { type: interruptedEvent, src: invoked.src, id: path };
  draft.event = event;
  bodyOf(record, definition).deliver(event);
  return true;
};

/** What the body wants done becomes data. Throws at what is no plain data. */
const takeEffects = (record: ActorRecord, body: FoldBody, step: Step, draft: Draft): void => {
  const effects = body.takeEffects();
  within(effects.length, ledgerLimits.outboxMax, 'effects of one event');
  for (let k = 0; k < effects.length; k++) {
    const { effect, data } = effects[k]!;
    if (effect.kind === 'emit') {
      if (effect.path === '') draft.emitted.push(effect.event);
      continue;
    }
    within(effect.path.length, ledgerLimits.pathCharsMax, 'characters of the path of a child');
    const id = { index: step.index, n: step.n * (ledgerLimits.outboxMax + 1) + k };
    draft.digest = mixHashes(draft.digest, valueHash(data));
    if (effect.kind === 'invoke') {
      const input = pack(data.input).slice();
      ownInvoked(record, draft).set(effect.path, { ...id, src: effect.src, input, asked: false });
    } else if (effect.kind === 'uninvoke') ownInvoked(record, draft).delete(effect.path);
    else draft.added.push({ ...id, timeMs: step.timeMs, form: pack(data).slice(), live: effect });
  }
};

const takeTimers = (record: ActorRecord, body: FoldBody, step: Step, draft: Draft): void => {
  for (const change of body.takeTimerChanges()) {
    const timers = ownTimers(record, draft);
    if (change.type === 'cleared') {
      timers.delete(change.id);
      continue;
    }
    const { id, delayMs } = change.timer;
    within(id.length, ledgerLimits.pathCharsMax, 'characters of the name of a timer');
    const dueMs = Math.floor(step.timeMs + Math.min(Math.max(0, delayMs), delayMsMax));
    draft.digest = mixHashes(draft.digest, mixHashes(textHash(id), valueHash(delayMs)));
    timers.delete(id);
    timers.set(id, { delayMs, dueMs, set: step.seq });
  }
};

const bytesOfEffects = (effects: Iterable<OutboxEffect>): number => {
  let bytes = 0;
  for (const { form: formed } of effects) bytes += formed.byteLength + 32;
  return bytes;
};

const footprint = (
  stateBytes: number,
  { timers, invoked, added }: Draft,
  outbox: ReadonlyMap<string, OutboxEffect>,
): number => {
  let bytes = stateBytes;
  if (timers.size > 0) for (const id of timers.keys()) bytes += 2 * id.length + 32;
  if (invoked.size > 0)
    for (const [path, { src, input }] of invoked) bytes += 2 * (path.length + src.length) + input.byteLength + 32;
  if (added.length > 0) bytes += bytesOfEffects(added);
  return outbox.size === 0 ? bytes : bytes + bytesOfEffects(outbox.values());
};

type WrittenState = { hash: number; bytes: number; state: Uint8Array | null /** As it was formed last. */ };

/** What it is after the step. Throws where that is no plain data. */
const writtenOf = (body: FoldBody): WrittenState => {
  const hash = form(body.outline());
  if (hash !== null) return { hash, bytes: formedLength(), state: null };
  const persisted = body.persist();
  // A copy: what the library gives stands in a larger piece of memory.
  const state = pack(persisted).slice();
  return { hash: valueHash(persisted), bytes: state.byteLength, state };
};

/** All that the step did counts from here on. Throws before anything is changed. */
const commit = (record: ActorRecord, body: FoldBody, step: Step, draft: Draft): Snapshot => {
  takeEffects(record, body, step, draft);
  takeTimers(record, body, step, draft);
  const snapshot = body.snapshot();
  if (snapshot.status === 'error') throw (snapshot as { error?: unknown }).error ?? new Error('it ended with an error');
  const isOver = snapshot.status !== 'active';
  if (isOver) [draft.timers, draft.invoked] = [new Map(), new Map()];
  const written = writtenOf(body);
  within(record.outbox.size + draft.added.length, ledgerLimits.outboxMax, 'effects that wait to be run');
  within(draft.timers.size, ledgerLimits.timersMax, 'timers');
  within(draft.invoked.size, ledgerLimits.invokedMax, 'promises, callbacks and observables under way');
  within(footprint(written.bytes, draft, record.outbox), ledgerLimits.bytesMax, 'bytes of the actor');
  record.state = written.state ?? formedInto(record.state);
  record.isStateNew = true;
  record.timers = draft.timers;
  record.invoked = draft.invoked;
  for (const effect of draft.added) record.outbox.set(effectKey(effect), effect);
  record.standing = isOver ? 'done' : 'active';
  record.digest = mixHashes(draft.digest, written.hash);
  return snapshot;
};

/** Who asks once more is told the same, though the actor has gone on since. It counts for no digest: nothing hangs on it. */
const keepAnswer = (record: ActorRecord, seq: number, bytes: Uint8Array | null): void => {
  if (bytes !== null) record.answers = withAnswer(record.answers, seq, bytes);
};

/** As if the step had not been; but a timer that has rung does not ring again, and an answer is not given again. */
const rollBack = (record: ActorRecord, definition: FoldDefinition, step: Step, error: unknown): Failure => {
  dropBody(record);
  const { item, timeMs } = step;
  if (item.kind === 'timer' && record.timers.has(item.id)) {
    record.timers = new Map(record.timers);
    record.timers.delete(item.id);
  }
  record.refused++;
  const text = reasonOf(error, reasonCharsMax);
  if (error instanceof LimitReached && record.standing !== 'empty') {
    record.digest = mixHashes(record.digest, textHash('TOO_LARGE'));
    // Nothing that is worth another attempt: its delivery id is spent.
    return failure('TOO_LARGE', `actor '${record.name}' would be too large: ${text.replace(/^Error: /, '')}`);
  }
  record.digest = mixHashes(record.digest, textHash('ACTOR_FAILED'));
  record.failures = [...record.failures.filter((atMs) => timeMs - atMs < definition.windowMs), timeMs];
  const isTooOften = record.failures.length > definition.failuresMax || record.standing === 'empty';
  if (isTooOften) {
    record.standing = 'failed';
    record.reason = text;
    [record.timers, record.invoked] = [new Map(), new Map()];
  }
  if (record.failures.length > ledgerLimits.windowMax) record.failures = record.failures.slice(-ledgerLimits.windowMax);
  return failure('ACTOR_FAILED', `actor '${record.name}' failed at '${step.item.kind}': ${text}`);
};

const overFailure = ({ name, standing, reason }: ActorRecord): Failure =>
  standing === 'failed'
    ? failure(
        'ACTOR_FAILED',
        `actor '${name}' failed too often and was given up: ${reason ?? 'nobody knows why'}; stop it to begin anew`,
      )
    : failure('ACTOR_STOPPED', `actor '${name}' has ended`);

/** The next step. Does not throw; what it does not do (a failure) leaves the state as it was. */
export const foldStep = (record: ActorRecord, definition: FoldDefinition, step: Step): Folded => {
  const { item } = step;
  if (item.kind === 'done') {
    for (const id of item.effects) record.outbox.delete(effectKey(id));
    return { failure: null, isIdle: false, event: null, snapshot: null, emitted: nothing };
  }
  const isOver = record.standing === 'done' || record.standing === 'failed';
  if (isOver && item.kind !== 'create')
    return {
      failure: item.kind === 'event' ? overFailure(record) : null,
      isIdle: true,
      event: null,
      snapshot: null,
      emitted: nothing,
    };
  const draft = draftOf(record);
  try {
    if (!run(record, definition, step, draft)) {
      // It rang, or was answered, all the same.
      record.timers = draft.timers;
      record.invoked = draft.invoked;
      return { failure: null, isIdle: true, event: draft.event, snapshot: null, emitted: nothing };
    }
    const snapshot = commit(record, record.body!, step, draft);
    record.handled++;
    if (item.kind === 'event' && item.isAsked) keepAnswer(record, step.seq, definition.answer(snapshot, draft.event as Event));
    return { failure: null, isIdle: false, event: draft.event, snapshot, emitted: draft.emitted };
  } catch (error) {
    const why = rollBack(record, definition, step, error);
    return { failure: why, isIdle: false, event: draft.event, snapshot: null, emitted: nothing };
  }
};
