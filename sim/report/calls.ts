// Calls of clients, put together from their history, and which of them cannot all be right.
import { type HistoryEvent, type Json, judgeHistory, registerModel } from '../checkers/index.ts';

export type Call = {
  readonly process: number;
  readonly f: string;
  readonly key: string | null;
  readonly value: Json;
  /** `open`: it had no answer at the end. */
  readonly outcome: 'ok' | 'fail' | 'info' | 'open';
  /** What was answered. */
  readonly answer: Json;
  readonly fromMs: number;
  readonly untilMs: number | null;
  /** Place of the invocation in the history, from 1. */
  readonly line: number;
};

export type FailingPart = {
  readonly key: string | null;
  readonly explanation: string;
  /** Places of the invocations. */
  readonly lines: ReadonlySet<number>;
  readonly fromMs: number;
  readonly untilMs: number;
};

const nsPerMs = 1e6;
/** Looking at a failure again may take as long as finding it. */
const stepsMax = 5_000_000;

export const callsOf = (history: readonly HistoryEvent[]): Call[] => {
  const calls: Call[] = [];
  const open = new Map<number, number>();
  history.forEach(({ process, type, f, key = null, value = null, time }, at) => {
    const atMs = time / nsPerMs;
    if (type === 'invoke') {
      open.set(process, calls.length);
      const call = { process, f, key, value, fromMs: atMs, line: at + 1 };
      calls.push({ ...call, outcome: 'open', answer: null, untilMs: null });
      return;
    }
    const place = open.get(process);
    if (place === undefined) return;
    open.delete(process);
    calls[place] = { ...calls[place]!, outcome: type, answer: value, untilMs: atMs };
  });
  return calls;
};

/** The few calls that have no order, if clients saw what no register does. */
export const failingPartOf = (history: readonly HistoryEvent[]): FailingPart | null => {
  const verdict = judgeHistory(registerModel, history, { stepsMax, order: 'place' });
  if (verdict.type !== 'violated') return null;
  const { key, part, explanation } = verdict;
  const ends = part.map(({ callNs, returnNs }) => (Number.isFinite(returnNs) ? returnNs : callNs));
  return {
    ...{ key, explanation, lines: new Set(part.map(({ callLine }) => callLine)) },
    fromMs: Math.min(...part.map(({ callNs }) => callNs)) / nsPerMs,
    untilMs: Math.max(...ends) / nsPerMs,
  };
};

const valueText = (value: Json): string =>
  value === null ? 'nothing' : typeof value === 'string' ? value : JSON.stringify(value);

/** `write k1 v7`, `cas k1 v7 → v8`, `read k1 = v8`. */
export const callText = ({ f, key, value, answer, outcome }: Call): string => {
  const object = key === null ? '' : ` ${key}`;
  if (f === 'read') return `read${object}${outcome === 'ok' ? ` = ${valueText(answer)}` : ''}`;
  if (f === 'cas' && Array.isArray(value))
    return `cas${object} ${valueText(value[0] as Json)} → ${valueText(value[1] as Json)}`;
  return `${f}${object} ${valueText(value)}`;
};

export const outcomeText: Record<Call['outcome'], string> = {
  ok: 'ok',
  fail: 'did not happen',
  info: 'outcome unknown',
  open: 'not answered',
};
