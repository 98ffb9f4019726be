// What the application's calls on keys were told, as a history for the judge of linearizability. A key whose value may change without
// a call (time to live, lease), or whose writes come under idempotency keys of the application's own, is not judged: the model of a
// register knows neither.
import type { HistoryEvent, Json } from '../checkers/index.ts';
import { base64, textOf } from './text.ts';

type Value = string | null;
export type RecordedCall = { f: 'read' | 'write' | 'cas'; key: string; value: Value | readonly [Value, Value] };

export const recorded = (bytes: Uint8Array | null): Value => {
  if (bytes === null) return null;
  return textOf(bytes) ?? `base64:${base64(bytes)}`;
};

export class Recorder {
  readonly #events: HistoryEvent[] = [];
  readonly #unjudged = new Set<string>();
  readonly #nowMs: () => number;
  /** Processes of the history that have no call open. */
  readonly #free: number[] = [];
  #processes = 0;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** This key is no plain register. */
  exclude(key: string): void {
    this.#unjudged.add(key);
  }

  /** A call begins; what this returns ends it. A read's `ok` says what was read. */
  begin(call: RecordedCall): (type: 'ok' | 'fail' | 'info', value?: Value) => void {
    const process = this.#free.pop() ?? this.#processes++;
    this.#note(process, 'invoke', call, call.value);
    return (type, value) => {
      this.#note(process, type, call, call.f === 'read' ? (value ?? null) : call.value);
      this.#free.push(process);
    };
  }

  #note(process: number, type: HistoryEvent['type'], { f, key }: RecordedCall, value: Json): void {
    this.#events.push({ process, type, f, key, value, time: Math.round(this.#nowMs() * 1e6) });
  }

  /** Every call, judged or not. */
  get all(): readonly HistoryEvent[] {
    return this.#events;
  }

  get history(): readonly HistoryEvent[] {
    return this.#events.filter(({ key }) => key === undefined || !this.#unjudged.has(key));
  }
}
