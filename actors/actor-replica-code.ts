// Definitions as the ledger folds them: each actor's logic is a recorded body, whose wishes become plain data. What a message must not
// carry is refused here, where every replica refuses it alike.
import type { EventObject, Snapshot } from 'xstate';
import type { ActorAddress } from '../machines/entity/address.ts';
import { typeOfName } from '../machines/entity/ledger-items.ts';
import type { ActorName, FindDefinition, FoldBody, FoldDefinition, Wanted } from '../machines/entity/ledger-types.ts';
import { pack } from '../machines/wire/envelope.ts';
import type { ActorDefinition } from './actor-api.ts';
import { createBody } from './actor-body.ts';
import type { ActorBody, BodyAnswer, BodyArguments, BodyEffect, BodyPath, PersistedBody } from './actor-body-api.ts';
import { replyOf } from './actor-cell-asks.ts';
import { plainOf, revive } from './actor-values.ts';

const nothing: readonly Wanted[] = [];

/** A body that the ledger holds; whoever runs its effects needs what is inside. */
export type RecordedBody = FoldBody & { readonly inner: ActorBody };

export const innerOf = (body: FoldBody): ActorBody => (body as RecordedBody).inner;

export const addressOfName = (name: ActorName): ActorAddress => {
  const type = typeOfName(name);
  return { type, key: name.slice(type.length + 1), node: null };
};

export const nameOfAddress = ({ type, key }: Pick<ActorAddress, 'type' | 'key'>): ActorName => `${type}/${key}`;

const plain = (value: unknown, name: string): unknown => {
  const outcome = plainOf(value, name);
  if (!outcome.ok) throw new TypeError(outcome.failure.message);
  return outcome.value;
};

/** What an action was given is a convenience for its code: what of it is no plain data, a later leader does without. */
const plainOrNothing = (name: string, value: unknown): Record<string, unknown> => {
  if (value === undefined) return {};
  const outcome = plainOf(value, name);
  return outcome.ok ? { [name]: outcome.value } : {};
};

const dataOf = (effect: BodyEffect): Record<string, unknown> => {
  const { kind, path } = effect;
  switch (effect.kind) {
    case 'action': {
      const { type, params, event, context } = effect;
      const given = { ...plainOrNothing('params', params), ...plainOrNothing('event', event) };
      return { kind, path, type, ...given, ...plainOrNothing('context', context) };
    }
    case 'send':
      return { kind, path, to: { ...effect.to }, event: plain(effect.event, `what is sent to ${effect.to.type}`) };
    case 'tell':
      return { kind, path, event: plain(effect.event, `what is sent to '${path}'`) };
    case 'invoke':
      return { kind, path, src: effect.src, input: plain(effect.input ?? null, `the input of '${effect.src}'`) };
    case 'uninvoke':
    case 'emit':
      return { kind, path };
  }
};

/** An effect as it was written down. */
export const effectOf = (data: unknown, formRef: FormRef): BodyEffect => revive(data, formRef) as BodyEffect;

export type FormRef = (address: ActorAddress) => unknown;

export type CodeArguments = {
  definition: (type: string) => ActorDefinition | undefined;
  formRef: FormRef;
  /** Code of an actor, outside of any turn, told an actor in it something. */
  onSent: (name: ActorName, path: BodyPath, event: EventObject) => void;
  onLog: (name: ActorName, line: readonly unknown[]) => void;
  makeBody?: (args: BodyArguments) => ActorBody;
};

/** What has been restored has timers that rang when it failed at them: they are not there any more. */
const withTimers = (persisted: PersistedBody, timers: ReadonlySet<string>): PersistedBody => ({
  ...persisted,
  timers: persisted.timers.filter(({ id }) => timers.has(id)),
});

export const createReplicaCode = (args: CodeArguments): FindDefinition => {
  const { formRef, makeBody = createBody } = args;
  const made = new WeakMap<ActorDefinition, FoldDefinition>();

  const open = (
    { logic }: ActorDefinition,
    name: ActorName,
    from: { input: unknown } | { persisted: unknown; timers: ReadonlySet<string> },
  ): RecordedBody => {
    const inner = makeBody({
      ...{ logic, id: name, mode: 'recorded', clock: null, formRef },
      from:
        'input' in from
          ? { input: revive(from.input, formRef) }
          : { persisted: withTimers(from.persisted as PersistedBody, from.timers) },
      onSent: (path, event) => args.onSent(name, path, event),
      onLog: (line) => args.onLog(name, line),
    });
    return {
      inner,
      deliver: (event) => inner.deliver(revive(event, formRef) as EventObject),
      fire: (timer) => inner.fire(timer),
      answer: (path, answer) => inner.answer(path, revive(answer, formRef) as BodyAnswer),
      takeEffects() {
        const effects = inner.takeEffects();
        return effects.length === 0 ? nothing : effects.map((effect): Wanted => ({ effect, data: dataOf(effect) }));
      },
      takeTimerChanges: () => inner.takeTimerChanges(),
      snapshot: () => inner.snapshot(),
      persist: () => inner.persist(),
      outline: () => inner.outline(),
      stop: () => inner.stop(),
    };
  };

  const answerOf = (definition: ActorDefinition, snapshot: unknown, event: { type: string }): Uint8Array | null => {
    const reply = replyOf(definition, snapshot as Snapshot<unknown>, revive(event, formRef) as EventObject);
    const plainReply = reply?.ok === true ? plainOf(reply.value, 'answer') : null;
    return plainReply?.ok === true ? pack(plainReply.value).slice() : null;
  };

  return (type, version) => {
    const definition = args.definition(type);
    if (definition === undefined || definition.version !== version || definition.durability !== 'replicated') return null;
    let fold = made.get(definition);
    if (fold === undefined) {
      const { failuresMax, windowMs } = definition.restart;
      fold = {
        failuresMax,
        windowMs,
        answer: (snapshot, event) => answerOf(definition, snapshot, event),
        open: (name, from) => open(definition, name, from),
      };
      made.set(definition, fold);
    }
    return fold;
  };
};
