// The states that an object can be in and what operations do to it, as small numbers: the search asks the model once for each pair
// and never looks at a value again.
import type { Model } from './models/model.ts';

export const none = -1;

const noStates: readonly number[] = [];

export class Space<State, Action> {
  readonly model: Model<State, Action>;
  readonly states: State[] = [];
  readonly #stateIds = new Map<string, number>();
  readonly #classIds = new Map<string, number>();
  readonly #steps = new Map<number, readonly number[]>();
  readonly actions: Action[] = [];
  readonly isRead: boolean[] = [];
  readonly isCell: boolean;
  /** By class, for a cell: the state it needs and the one it leaves, or none. */
  readonly needs: number[] = [];
  readonly puts: number[] = [];

  constructor(model: Model<State, Action>) {
    this.model = model;
    this.isCell = model.cell !== undefined;
  }

  stateOf(state: State): number {
    const text = this.model.keyOf(state);
    const known = this.#stateIds.get(text);
    if (known !== undefined) return known;
    this.#stateIds.set(text, this.states.length);
    return this.states.push(state) - 1;
  }

  classOf(action: Action): number {
    const { model } = this;
    const text = model.classOf(action);
    const known = this.#classIds.get(text);
    if (known !== undefined) return known;
    const id = this.actions.push(action) - 1;
    this.#classIds.set(text, id);
    this.isRead.push(model.isRead(action));
    const needs = model.cell?.needs(action) ?? null;
    const puts = model.cell?.puts(action) ?? null;
    this.needs.push(needs === null ? none : this.stateOf(needs.state));
    this.puts.push(puts === null ? none : this.stateOf(puts.state));
    return id;
  }

  /** The states after an operation of this class, none if it cannot happen here. */
  after(state: number, operation: number): readonly number[] {
    // Pairs are told apart as long as there are fewer than 2^26 classes and 2^27 states.
    const pair = state * 0x400_0000 + operation;
    const known = this.#steps.get(pair);
    if (known !== undefined) return known;
    const states = this.model.step(this.states[state]!, this.actions[operation]!).map((next) => this.stateOf(next));
    const unique = states.length < 2 ? states : [...new Set(states)];
    this.#steps.set(pair, unique.length === 0 ? noStates : unique);
    return unique;
  }
}
