// From events to operations, object by object: which answer belongs to which call, and what is no history at all.
import type { HistoryEvent, Operation } from './history.ts';
import type { Model, Refused } from './models/model.ts';

export type Problem = { readonly line: number; readonly message: string };

type Call = { readonly event: HistoryEvent; readonly line: number; readonly key: string | undefined };

type Process = { call: Call | null; lastNs: number };

/** `time`: by the clock, and what has the same time overlaps. `place`: as the events come, which is right for one recorder. */
export type Order = 'time' | 'place';

const never = Number.POSITIVE_INFINITY;

const name = (key: string | undefined): string => (key === undefined ? 'no key' : `key ${JSON.stringify(key)}`);

const isRefused = (parsed: unknown): parsed is Refused =>
  typeof parsed === 'object' && parsed !== null && typeof (parsed as Partial<Refused>).refused === 'string';

export class Collector<State, Action> {
  readonly #model: Model<State, Action>;
  readonly #order: Order;
  readonly #processes = new Map<number, Process>();
  /** The one object of a history without keys is called ''; keys then are not. */
  readonly #objects = new Map<string, Operation<Action>[]>();
  #keyedLine: number | null = null;
  #keylessLine: number | null = null;
  #operations = 0;

  constructor(model: Model<State, Action>, order: Order) {
    this.#model = model;
    this.#order = order;
  }

  get operations(): number {
    return this.#operations;
  }

  /** False where calls name no key. */
  get isKeyed(): boolean {
    return this.#keylessLine === null;
  }

  /** Null, or why this event cannot come here. */
  add(event: HistoryEvent, line: number): string | null {
    let process = this.#processes.get(event.process);
    if (process === undefined) {
      process = { call: null, lastNs: Number.NEGATIVE_INFINITY };
      this.#processes.set(event.process, process);
    }
    if (event.time < process.lastNs)
      return `time goes back within process ${event.process}: ${event.time} after ${process.lastNs}`;
    process.lastNs = event.time;
    return event.type === 'invoke' ? this.#call(process, event, line) : this.#answer(process, event, line);
  }

  #call(process: Process, event: HistoryEvent, line: number): string | null {
    const { call } = process;
    if (call !== null)
      return `process ${event.process} calls again, but its ${call.event.f} of line ${call.line} has no answer yet`;
    const problem = this.#checkKey(event.key, line);
    if (problem !== null) return problem;
    const action = this.#model.parse(event.f, event.value, null);
    if (isRefused(action)) return action.refused;
    process.call = { event, line, key: event.key };
    return null;
  }

  #checkKey(key: string | undefined, line: number): string | null {
    if (key === undefined) this.#keylessLine ??= line;
    else this.#keyedLine ??= line;
    if (key === undefined && this.#model.keyed) return `model ${this.#model.name} needs a key`;
    if (this.#keyedLine === null || this.#keylessLine === null) return null;
    return `a history has keys or it has none: line ${this.#keyedLine} has one, line ${this.#keylessLine} has not`;
  }

  #answer(process: Process, event: HistoryEvent, line: number): string | null {
    const { call } = process;
    const what = `${event.type} of process ${event.process}`;
    if (call === null) return `${what} without an invoke that it could answer`;
    if (event.f !== call.event.f) return `${what} says ${event.f}, but line ${call.line} calls ${call.event.f}`;
    if (event.key !== undefined && event.key !== call.key)
      return `${what} says ${name(event.key)}, but line ${call.line} says ${name(call.key)}`;
    process.call = null;
    if (event.type === 'fail') return null;
    return this.#keep(call, event.type === 'ok' ? { event, line } : null);
  }

  #keep({ event, line, key = '' }: Call, answer: { event: HistoryEvent; line: number } | null): string | null {
    const action = this.#model.parse(event.f, event.value, answer === null ? null : { value: answer.event.value });
    if (action === null) return null;
    if (isRefused(action)) return action.refused;
    let object = this.#objects.get(key);
    if (object === undefined) this.#objects.set(key, (object = []));
    this.#operations++;
    const byPlace = this.#order === 'place';
    object.push({
      ...{ process: event.process, action, callNs: event.time, callLine: line, callAt: byPlace ? line : event.time },
      returnAt: answer === null ? never : byPlace ? answer.line : answer.event.time,
      ...{ returnNs: answer?.event.time ?? never, returnLine: answer?.line ?? 0 },
    });
    return null;
  }

  /** Ends the history: whoever waits for an answer will have none. */
  end(): ReadonlyMap<string, readonly Operation<Action>[]> {
    for (const process of this.#processes.values()) {
      if (process.call !== null) this.#keep(process.call, null);
      process.call = null;
    }
    return this.#objects;
  }
}
