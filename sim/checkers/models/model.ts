// What an object promises to do when it is used by one client at a time: all that the judge of linearizability has to know of it.
import type { Json } from '../history.ts';

export type Refused = { readonly refused: string };

/** The value that an `ok` came with. */
export type Answer = { readonly value: Json | undefined };

export type Model<State, Action> = {
  readonly name: string;
  /** What one object of it is called in a sentence. */
  readonly noun: string;
  readonly initial: State;
  /** True: every call names its key. False: a history without keys is about one object. */
  readonly keyed: boolean;
  /**
   * What the words of an event mean: `asked` is the value of the call, `answer` its `ok`; null: nobody knows the outcome. `refused`
   * says why they mean nothing. Null: such an operation says nothing that could be judged.
   */
  parse(f: string, asked: Json | undefined, answer: Answer | null): Action | null | Refused;
  /** The states it may leave the object in; none: in this state it cannot have happened, or not with this answer. */
  step(state: State, action: Action): readonly State[];
  /** Equal texts are equal states. */
  keyOf(state: State): string;
  /** Operations with equal texts are interchangeable: they do the same and were answered the same. */
  classOf(action: Action): string;
  /** True: it changes no state, whatever the state is. */
  isRead(action: Action): boolean;
  describe(action: Action): string;
  describeState(state: State): string;
  /** For objects that hold one value and nothing else; makes the search fast and lets it judge a part of a history. */
  readonly cell?: Cell<State, Action>;
};

export type Cell<State, Action> = {
  /** The one state in which it can happen; null: any. */
  needs(action: Action): { readonly state: State } | null;
  /** The state it leaves, whatever was before; null: it leaves what was. */
  puts(action: Action): { readonly state: State } | null;
};
