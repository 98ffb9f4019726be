// A type of actors, said once: its logic, what it takes and answers, and what is promised of its state. Whoever hosts it and whoever talks
// to it import the same definition; types come by inference, there is nothing to generate.
import type { AnyActorLogic, InputFrom, SnapshotFrom } from 'xstate';
import {
  type ActorDefinition,
  actorLimits,
  type Durability,
  type Placement,
  type RestartStrategy,
  type ResumeRule,
  restartDefault,
  type TimerPolicy,
} from '../../actors/actor-api.ts';
import { failure, PolityError } from '../../machines/errors.ts';
import { checkDefinition, definitionLimits, passivateMsOf } from './check.ts';
import { checkBy } from './messages.ts';
import type { DefinedActor, MessageSchemas, ReplyFunction, SentEvent, TakenEvent } from './types.ts';

type CommonOptions<Logic extends AnyActorLogic, Messages extends MessageSchemas | undefined, Replies extends object> = {
  /** Any logic of XState 5: a machine, a transition function, a promise, a callback, an observable, a store. */
  readonly logic: Logic;
  /**
   * By type of event, what it carries beside its type, as any Standard Schema (zod, valibot, arktype …) that answers at once. Other events
   * are not taken from anybody then. Checked at the node where the actor lives, before it sees the event. Absent: every event is taken.
   */
  readonly messages?: Messages;
  /**
   * By type of event: the answer to whoever asks, from the snapshot after it, or undefined while there is none yet: then it is asked again
   * after each later event. Pure. What it throws is the answer ACTOR_REFUSED.
   */
  readonly replies?: {
    readonly [Type in keyof Replies]: Type extends TakenEvent<Logic, Messages>['type']
      ? ReplyFunction<Logic, Messages, Type, Replies[Type]>
      : never;
  };
  /** What is promised of its state: 'none' (the default), 'local' or 'replicated'. */
  readonly durability?: Durability;
  /** 'node' (the default), 'each', 'sharded' (the default of replicated ones) or 'singleton'. */
  readonly placement?: Placement;
  /** What happens when it fails; what is not said is as in `one-for-one`, 5 failures a minute, 50 ms to 5 s between. */
  readonly restart?: Partial<RestartStrategy>;
  /** Events that wait for it, at most; the next sender is told MAILBOX_FULL. 1 to 100 000, default 1 000. */
  readonly mailbox?: number;
  /** Of its snapshots, a whole number from 1; default 1. */
  readonly version?: number;
  /** By version that is migrated from: its persisted snapshot as the next version's. Without gaps up to this version. */
  readonly migrate?: Readonly<Record<number, (snapshot: unknown) => unknown>>;
  /**
   * Without anything to do for so long ('10m', milliseconds, null for never) it leaves the memory and comes back with the next event. Its
   * state comes back, too, where it is durable. Default: ten minutes for what is durable and has a key, else never.
   */
  readonly passivateAfter?: string | number | null;
  /** It is made again without being asked when its node or leader begins anew ('sharded' and 'singleton'). Default false. */
  readonly remember?: boolean;
  /** Timers of what is read from the disk: 'deadline' (the default) at their instant, 'remaining', or 'restart' from the beginning. */
  readonly timers?: TimerPolicy;
  /** By name or id of what a replicated machine invokes: 'retry' (the default), 'fail' or 'ask' when its leader is lost. */
  readonly resume?: Readonly<Record<string, ResumeRule>>;
  /** Fields of context and events, by name and at any depth, that nobody is shown who looks on. */
  readonly redact?: readonly string[];
};

/** Needed where the logic needs one. */
type InputOption<Logic extends AnyActorLogic> =
  undefined extends InputFrom<Logic>
    ? { /** What it is started with for the first time. */ readonly input?: (key: string) => InputFrom<Logic> }
    : { /** What it is started with for the first time. */ readonly input: (key: string) => InputFrom<Logic> };

export type ActorOptions<
  Logic extends AnyActorLogic,
  Messages extends MessageSchemas | undefined = undefined,
  Replies extends object = Record<never, never>,
> = CommonOptions<Logic, Messages, Replies> & InputOption<Logic>;

/** Recognises a definition wherever it was made: also by another copy of this package. */
const definitionMark = Symbol.for('polity.actor');

export const isDefinedActor = (value: unknown): value is DefinedActor =>
  typeof value === 'object' && value !== null && (value as { [definitionMark]?: unknown })[definitionMark] === true;

/** By whoever is given one: a module that was imported in a circle is undefined, and so is what it defines. */
export const demandActor = (value: unknown): ActorDefinition => {
  if (isDefinedActor(value)) return value;
  throw new PolityError(failure('INVALID_REQUEST', 'an actor is what defineActor gave'));
};

const passivateMsDefault = 600_000;

/** Of two bounds one of which is said, the other gives way. */
const restartOf = (given: Partial<RestartStrategy>): RestartStrategy => {
  const { backoffMinMs, backoffMaxMs } = { ...restartDefault, ...given };
  const least = given.backoffMinMs === undefined ? Math.min(backoffMinMs, backoffMaxMs) : backoffMinMs;
  return { ...restartDefault, ...given, backoffMinMs: least, backoffMaxMs: Math.max(least, backoffMaxMs) };
};

const completed = (
  name: string,
  options: CommonOptions<AnyActorLogic, MessageSchemas | undefined, object>,
): ActorDefinition => {
  const { logic, messages, durability = 'none', restart, mailbox, version = 1, migrate = {}, timers = 'deadline' } = options;
  const placement = options.placement ?? (durability === 'replicated' ? 'sharded' : 'node');
  const { input } = options as { input?: (key: string) => unknown };
  const staysByItself = durability === 'none' || placement === 'each' || placement === 'singleton';
  const passivateAfter =
    options.passivateAfter ?? (options.passivateAfter === null || staysByItself ? null : passivateMsDefault);
  return {
    ...{ name, version, logic, durability, placement, timers, migrate },
    input: input ?? (() => undefined),
    replies: (options.replies ?? {}) as ActorDefinition['replies'],
    ...(messages === undefined ? {} : { check: checkBy(name, messages) }),
    restart: restartOf(restart ?? {}),
    mailboxMax: mailbox ?? actorLimits.mailboxMax,
    passivateAfterMs: passivateMsOf(passivateAfter) ?? null,
    remember: options.remember ?? false,
    resume: { ...options.resume },
    redact: [...(options.redact ?? [])],
  };
};

/**
 * Defines a type of actors. Nothing runs until a node hosts it and somebody talks to one of them. Throws INVALID_REQUEST that names every
 * mistake. `name`: 1 to 63 of a-z 0-9 -, as in addresses (`counter/visits`).
 */
export const defineActor = <
  Logic extends AnyActorLogic,
  Messages extends MessageSchemas | undefined = undefined,
  Replies extends object = Record<never, never>,
>(
  name: string,
  options: ActorOptions<Logic, Messages, Replies>,
): DefinedActor<{
  sent: SentEvent<Logic, Messages>;
  replies: Replies;
  snapshot: SnapshotFrom<Logic>;
  input: InputFrom<Logic>;
}> => {
  const problems = checkDefinition(name, options);
  if (problems.length > 0) {
    const more = problems.length - definitionLimits.problemsShownMax;
    const list = problems.slice(0, definitionLimits.problemsShownMax).join('; ');
    const which = typeof name === 'string' ? `'${name.slice(0, 64)}'` : 'of no name';
    throw new PolityError(failure('INVALID_REQUEST', `the actor ${which}: ${list}${more > 0 ? `; and ${more} more` : ''}`));
  }
  return Object.freeze({ ...completed(name, options as never), [definitionMark]: true });
};
