// The plain judge of a register's history: is there an order of the operations, each between its call and its answer, in which
// every answer is right? The search of Wing and Gong with the memory of Lowe ("Testing for linearizability", 2017), key by key
// since linearizability is local (Herlihy and Wing 1990, theorem 1).
import type { HistoryEvent, Value } from './history.ts';

export type Operation = {
  process: number;
  f: HistoryEvent['f'];
  /** Written, read, or put by the cas. */
  value: Value;
  /** What the cas wants to find. */
  old: Value;
  callNs: number;
  /** Infinity: nobody was told how it ended. */
  returnNs: number;
};

export type Verdict =
  | { type: 'linearizable' }
  /** The operations at the point beyond which no order leads. */
  | { type: 'violated'; key: string; state: Value; window: Operation[] }
  | { type: 'undecided'; key: string };

const stepsMax = 1_000_000;

/** Operations that count, by key: what failed did not happen, a read without an answer says nothing. */
export const operationsOf = (events: readonly HistoryEvent[]): Map<string, Operation[]> => {
  const open = new Map<number, Operation & { key: string }>();
  const byKey = new Map<string, Operation[]>();
  const keep = ({ key, ...operation }: Operation & { key: string }): void => {
    const list = byKey.get(key);
    if (list === undefined) byKey.set(key, [operation]);
    else list.push(operation);
  };
  for (const { process, type, f, key, value, time } of events) {
    const [old, next] = Array.isArray(value) ? value : [null, value];
    if (type === 'invoke') {
      if (open.has(process)) throw new Error(`process ${process} calls again before an answer`);
      open.set(process, { process, key, f, value: next, old, callNs: time, returnNs: Number.POSITIVE_INFINITY });
      continue;
    }
    const operation = open.get(process);
    if (operation === undefined) throw new Error(`process ${process} is answered without a call`);
    if (type === 'info') continue;
    open.delete(process);
    if (type === 'ok') keep({ ...operation, returnNs: time, ...(f === 'read' ? { value: next } : {}) });
  }
  for (const operation of open.values()) if (operation.f !== 'read') keep(operation);
  return byKey;
};

/**
 * A write nobody knows the end of, and whose value nobody saw or asked for: every order with it is one without it, and the other way
 * round. Leaving these out keeps the search small.
 */
const withoutUnseen = (operations: readonly Operation[]): Operation[] => {
  const seen = new Set<Value>();
  for (const { f, value, old } of operations) {
    if (f === 'read') seen.add(value);
    if (f === 'cas') seen.add(old);
  }
  return operations.filter(({ returnNs, value }) => returnNs !== Number.POSITIVE_INFINITY || seen.has(value));
};

/** The state after an operation, or undefined if its answer is wrong in this state. */
const after = (state: Value, { f, value, old, returnNs }: Operation): Value | undefined => {
  if (f === 'write') return value;
  if (f === 'read') return state === value ? state : undefined;
  if (state === old) return value;
  return returnNs === Number.POSITIVE_INFINITY ? state : undefined;
};

class Search {
  readonly #operations: readonly Operation[];
  readonly #placed: Uint8Array;
  readonly #visited = new Set<string>();
  #first = 0;
  #count = 0;

  constructor(operations: readonly Operation[]) {
    this.#operations = operations;
    this.#placed = new Uint8Array(operations.length);
  }

  /** Those that may come next: called before any of the unplaced was answered. */
  #candidates(): number[] {
    const found: number[] = [];
    let firstReturnNs = Number.POSITIVE_INFINITY;
    for (let at = this.#first; at < this.#operations.length; at++) {
      if (this.#placed[at] === 1) continue;
      const { callNs, returnNs } = this.#operations[at]!;
      if (callNs > firstReturnNs) break;
      firstReturnNs = Math.min(firstReturnNs, returnNs);
      found.push(at);
    }
    return found.filter((at) => this.#operations[at]!.callNs <= firstReturnNs);
  }

  #place(at: number, placed: boolean): void {
    this.#placed[at] = placed ? 1 : 0;
    this.#count += placed ? 1 : -1;
    if (!placed) this.#first = Math.min(this.#first, at);
    while (this.#placed[this.#first] === 1) this.#first++;
  }

  /** False if this set of placed operations led to this state before. */
  #isNew(state: Value): boolean {
    const beyond: number[] = [];
    for (let at = this.#first, left = this.#count - this.#first; left > 0; at++)
      if (this.#placed[at] === 1) {
        beyond.push(at);
        left--;
      }
    const key = `${this.#first};${beyond.join()};${JSON.stringify(state)}`;
    if (this.#visited.has(key)) return false;
    this.#visited.add(key);
    return true;
  }

  run(): { held: boolean; steps: number; state: Value; window: Operation[] } {
    const stack: { state: Value; candidates: number[]; tried: number; placed: number }[] = [];
    let [state, steps, deepest]: [Value, number, number] = [null, 0, -1];
    let stuck: { state: Value; window: Operation[] } = { state, window: [] };
    stack.push({ state, candidates: this.#candidates(), tried: 0, placed: -1 });
    while (stack.length > 0 && steps < stepsMax) {
      const frame = stack[stack.length - 1]!;
      state = frame.state;
      if (this.#count === this.#operations.length) return { held: true, steps, state, window: [] };
      const at = frame.candidates[frame.tried++];
      steps++;
      if (at === undefined) {
        if (this.#count > deepest) {
          deepest = this.#count;
          stuck = { state, window: frame.candidates.map((one) => this.#operations[one]!) };
        }
        stack.pop();
        if (frame.placed >= 0) this.#place(frame.placed, false);
        continue;
      }
      const next = after(state, this.#operations[at]!);
      if (next === undefined) continue;
      this.#place(at, true);
      if (this.#isNew(next)) stack.push({ state: next, candidates: this.#candidates(), tried: 0, placed: at });
      else this.#place(at, false);
    }
    return { held: false, steps, ...stuck };
  }
}

export const judgeRegisters = (events: readonly HistoryEvent[]): Verdict => {
  for (const [key, all] of operationsOf(events)) {
    const operations = withoutUnseen(all).sort((a, b) => a.callNs - b.callNs);
    const { held, steps, state, window } = new Search(operations).run();
    if (held) continue;
    return steps >= stepsMax ? { type: 'undecided', key } : { type: 'violated', key, state, window };
  }
  return { type: 'linearizable' };
};
