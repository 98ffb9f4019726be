// What the compiler knows of a type of actors: which events it may be sent, what it answers to which, what its snapshots look like. All of it
// comes from the logic, the schemas and the reply functions; nothing is generated.
import type { AnyActorLogic, EventFromLogic, EventObject, InputFrom, SnapshotFrom } from 'xstate';
import type { ActorDefinition } from '../../actors/actor-api.ts';
import type { Given, Schema, Taken } from '../service/schema.ts';

/** By type of event: the schema of what it carries beside its type. */
export type MessageSchemas = Readonly<Record<string, Schema>>;

/** As senders write it: what the schemas take. */
export type SentEvent<Logic extends AnyActorLogic, Messages> = Messages extends MessageSchemas
  ? { [Type in keyof Messages & string]: Simple<{ type: Type } & Fields<Given<Messages[Type]>>> }[keyof Messages & string]
  : EventFromLogic<Logic>;

/** As the actor gets it: what the schemas give. */
export type TakenEvent<Logic extends AnyActorLogic, Messages> = Messages extends MessageSchemas
  ? { [Type in keyof Messages & string]: Simple<{ type: Type } & Fields<Taken<Messages[Type]>>> }[keyof Messages & string]
  : EventFromLogic<Logic>;

/** What libraries infer of an object without fields would leave no room for a type. */
type Fields<Carried> = string extends keyof Carried ? (Carried[keyof Carried] extends never ? unknown : Carried) : Carried;

type Simple<Type> = { [Name in keyof Type]: Type[Name] };

/** The events of a union that may have this type; of one that may have several, with this one. */
export type EventOf<Event extends EventObject, Type> = Event extends EventObject
  ? [Event['type'] & Type] extends [never]
    ? never
    : Event['type'] extends Type
      ? Event
      : Event & { type: Event['type'] & Type }
  : never;

export type ReplyFunction<Logic extends AnyActorLogic, Messages, Type, Reply> = (args: {
  /** After the event. */
  readonly snapshot: SnapshotFrom<Logic>;
  readonly event: EventOf<TakenEvent<Logic, Messages> & EventObject, Type>;
}) => Reply;

/** Of `defineActor`, for the compiler alone. */
export type ActorTypes = {
  readonly sent: EventObject;
  readonly replies: object;
  readonly snapshot: unknown;
  readonly input: unknown;
};

declare const types: unique symbol;

/** What `defineActor` gives: import it wherever its actors are hosted or talked to. */
export type DefinedActor<Types extends ActorTypes = ActorTypes> = ActorDefinition & { readonly [types]?: Types };

// biome-ignore lint/suspicious/noExplicitAny: events are what functions take, and `any` is what takes every function.
export type AnyDefinedActor = DefinedActor<any>;

export type TypesOf<Actor> = Actor extends { readonly [types]?: infer Types extends ActorTypes } ? Types : ActorTypes;

/** What may be sent to it. */
export type EventTo<Actor> = TypesOf<Actor>['sent'];
export type AskedEvent<Actor> = EventOf<EventTo<Actor>, keyof TypesOf<Actor>['replies']>;
export type ReplyTo<Actor, Event> = Event extends { type: infer Type extends keyof TypesOf<Actor>['replies'] }
  ? Exclude<TypesOf<Actor>['replies'][Type], undefined>
  : never;

export type ActorInput<Logic extends AnyActorLogic> = InputFrom<Logic>;

/** A snapshot as it travels: plain data, and of a failure its name and message. */
export type PlainSnapshot<Snapshot> = {
  readonly status: 'active' | 'done' | 'error' | 'stopped';
  /** Of a machine: the states that it is in. */
  readonly value: Part<Snapshot, 'value'>;
  readonly context: Part<Snapshot, 'context'>;
  readonly output?: Part<Snapshot, 'output'>;
  readonly error?: { readonly name: string; readonly message: string };
};

type Part<Snapshot, Name extends string> = Snapshot extends { [One in Name]: infer Value } ? Value : undefined;

export type SnapshotOf<Actor> = PlainSnapshot<TypesOf<Actor>['snapshot']>;

/** What is at a path of it, as in `context.count`; unknown where the compiler cannot say. */
export type ValueAt<From, Path extends string> = Path extends `${infer Name}.${infer Rest}`
  ? Name extends keyof From
    ? ValueAt<From[Name], Rest>
    : unknown
  : Path extends keyof From
    ? From[Path]
    : unknown;
