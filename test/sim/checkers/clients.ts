// Histories of any length of clients of one true copy of the data, with operations of unknown outcome, and on wish a lie among the
// answers. An operation takes effect at some moment between its call and its answer; of unknown outcome, later or never.
import { nextBetween, nextUint32, type RandomState, randomFrom } from '../../../machines/random.ts';
import type { HistoryEvent } from '../../../sim/checkers/history.ts';

export type ClientsOptions = {
  seed: number;
  operations: number;
  clients: number;
  keys: number;
  /** How many values there are; 0: every write has one of its own. */
  values: number;
  /** Of a hundred operations, so many are writes, and so many compare-and-set; the rest reads. */
  writes: number;
  cas: number;
  unknownRatio: number;
  /** The `lieAt`-th read answers what was there so many writes ago. */
  lie?: { read: number; writesAgo: number };
};

type Value = number | null;
type Due = { atNs: number; run: () => void };

const latencyNs = 1_000_000;

/** What is due, earliest first: a heap. */
class Agenda {
  readonly #heap: Due[] = [];

  add(atNs: number, run: () => void): void {
    const heap = this.#heap;
    let at = heap.push({ atNs, run }) - 1;
    for (let parent = (at - 1) >> 1; at > 0 && heap[parent]!.atNs > heap[at]!.atNs; parent = (at - 1) >> 1) {
      [heap[parent], heap[at]] = [heap[at]!, heap[parent]!];
      at = parent;
    }
  }

  take(): Due | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    heap[0] = last;
    for (let at = 0; ; ) {
      const [left, right] = [2 * at + 1, 2 * at + 2];
      let least = at;
      for (const child of [left, right]) if (child < heap.length && heap[child]!.atNs < heap[least]!.atNs) least = child;
      if (least === at) return first;
      [heap[least], heap[at]] = [heap[at]!, heap[least]!];
      at = least;
    }
  }
}

/** Events in the order in which they happen. */
export const recordClients = (options: ClientsOptions): HistoryEvent[] => {
  const random: RandomState = randomFrom(options.seed);
  const fraction = (): number => nextUint32(random) / 0x1_0000_0000;
  const someTime = (): number => Math.round(latencyNs * (0.2 - Math.log(1 - fraction())));
  const events: HistoryEvent[] = [];
  const agenda = new Agenda();
  const data = new Map<string, Value[]>();
  let [begun, reads, unique, processes] = [0, 0, 0, options.clients];
  const someValue = (): number => (options.values === 0 ? ++unique : nextBetween(random, 0, options.values));

  const answerTo = (
    f: HistoryEvent['f'],
    key: string,
    value: HistoryEvent['value'],
  ): { ok: boolean; value: HistoryEvent['value'] } => {
    const past = data.get(key) ?? [null];
    data.set(key, past);
    const now = past.at(-1)!;
    if (f === 'read') {
      const lies = ++reads >= (options.lie?.read ?? Number.POSITIVE_INFINITY) && past.length > options.lie!.writesAgo;
      if (lies) reads = Number.NEGATIVE_INFINITY;
      return { ok: true, value: lies ? past.at(-1 - options.lie!.writesAgo)! : now };
    }
    if (f === 'write') past.push(value as Value);
    else if (now === (value as Value[])[0]) past.push((value as Value[])[1]!);
    else return { ok: false, value };
    return { ok: true, value };
  };

  const call = (process: number, atNs: number): void => {
    if (begun++ >= options.operations) return;
    const key = `k${nextBetween(random, 0, options.keys)}`;
    const kind = nextBetween(random, 0, 100);
    const f = kind < options.writes ? 'write' : kind < options.writes + options.cas ? 'cas' : 'read';
    const old = options.values === 0 ? (data.get(key)?.at(-1) ?? null) : nextBetween(random, 0, options.values);
    const value = f === 'read' ? null : f === 'write' ? someValue() : [old, someValue()];
    const returnNs = atNs + someTime();
    const isUnknown = fraction() < options.unknownRatio;
    events.push({ process, type: 'invoke', f, key, value, time: atNs });
    let answer: ReturnType<typeof answerTo> | null = null;
    const effectNs = isUnknown ? atNs + 5 * someTime() : atNs + Math.floor((returnNs - atNs) * fraction());
    const neverHappens = isUnknown && fraction() < 0.3;
    if (!neverHappens) agenda.add(effectNs, () => (answer = answerTo(f, key, value)));
    agenda.add(returnNs, () => {
      const type = isUnknown ? 'info' : answer!.ok ? 'ok' : 'fail';
      events.push({ process, type, f, key, value: answer !== null && type === 'ok' ? answer.value! : value, time: returnNs });
      const next = isUnknown ? processes++ : process;
      const thenNs = returnNs + Math.round(fraction() * 0.2 * latencyNs) + 1;
      agenda.add(thenNs, () => call(next, thenNs));
    });
  };

  for (let process = 0; process < options.clients; process++) agenda.add(process, () => call(process, process));
  for (let due = agenda.take(); due !== undefined; due = agenda.take()) due.run();
  return events;
};
