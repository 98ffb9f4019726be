// A history as JSON lines, read line by line so that a large file is never in memory as a whole. The first line that makes no sense
// ends it, with its number and what is wrong.
import { Collector, type Order } from './collect.ts';
import type { HistoryEvent, Operation } from './history.ts';
import type { Model } from './models/model.ts';

export const historyLimits = {
  lineCharsMax: 8 << 20,
  linesMax: 20_000_000,
  keyCharsMax: 1 << 16,
} as const;

export type Unreadable = { readonly line: number; readonly message: string };

const types: readonly unknown[] = ['invoke', 'ok', 'fail', 'info'] satisfies HistoryEvent['type'][];
const shownCharsMax = 60;

const show = (value: unknown): string => {
  const text = value === undefined ? 'nothing' : JSON.stringify(value);
  return text.length > shownCharsMax ? `${text.slice(0, shownCharsMax)}…` : text;
};

/** The event of a line, or what is wrong with it. Names that a history may have beside ours say nothing here. */
export const parseLine = (text: string): HistoryEvent | string => {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return `not JSON: ${show(text.trim())}`;
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return `not an object, but ${show(parsed)}`;
  const { process, type, f, key, value, time } = parsed as Record<string, unknown>;
  if (!Number.isSafeInteger(process) || (process as number) < 0)
    return `process must be a whole number from 0 on, not ${show(process)}`;
  if (!types.includes(type)) return `type must be invoke, ok, fail or info, not ${show(type)}`;
  if (typeof f !== 'string') return `f must be a text, not ${show(f)}`;
  if (key !== undefined && typeof key !== 'string') return `key must be a text or absent, not ${show(key)}`;
  if (key !== undefined && key.length > historyLimits.keyCharsMax)
    return `key is longer than ${historyLimits.keyCharsMax} characters`;
  if (typeof time !== 'number' || !Number.isFinite(time)) return `time must be a number of nanoseconds, not ${show(time)}`;
  const event = { process, type, f, time } as HistoryEvent;
  return {
    ...event,
    ...(key === undefined ? {} : { key }),
    ...(value === undefined ? {} : { value: value as NonNullable<HistoryEvent['value']> }),
  };
};

export class HistoryFile<State, Action> {
  readonly #collector: Collector<State, Action>;
  #line = 0;
  /** Once this is set, further lines are not looked at. */
  unreadable: Unreadable | null = null;

  constructor(model: Model<State, Action>, order: Order = 'time') {
    this.#collector = new Collector(model, order);
  }

  /** The next line, without its end. Lines with nothing on them are passed over. */
  line(text: string): void {
    if (this.unreadable !== null) return;
    this.#line++;
    if (this.#line > historyLimits.linesMax) return this.#refuse(`more than ${historyLimits.linesMax} lines`);
    if (text.length > historyLimits.lineCharsMax)
      return this.#refuse(`the line is longer than ${historyLimits.lineCharsMax} characters`);
    if (text.trim() === '') return;
    const event = parseLine(text);
    const problem = typeof event === 'string' ? event : this.#collector.add(event, this.#line);
    if (problem !== null) this.#refuse(problem);
  }

  /** The next line cannot be had as text at all. */
  unreadableLine(message: string): void {
    if (this.unreadable !== null) return;
    this.#line++;
    this.#refuse(message);
  }

  #refuse(message: string): void {
    this.unreadable = { line: this.#line, message };
  }

  get isKeyed(): boolean {
    return this.#collector.isKeyed;
  }

  end(): ReadonlyMap<string, readonly Operation<Action>[]> {
    return this.#collector.end();
  }
}
