// What `polity check` does, without its files and its clock: lines in, a verdict out.
import { HistoryFile } from './history-file.ts';
import { judgeObjects, type Verdict } from './linearizability.ts';
import type { Model } from './models/model.ts';
import { kvModel, type RegisterAction, registerModel } from './models/register.ts';

export const historyModels = { register: registerModel, kv: kvModel } as const satisfies Record<
  string,
  Model<string, RegisterAction>
>;

export type HistoryModelName = keyof typeof historyModels;

export type CheckOptions = { readonly model: HistoryModelName; readonly timeLimitMs: number; readonly nowMs: () => number };

/** One operation of the part that is shown; lines count from 1, times are those of the file, null where there is no answer. */
export type CheckedOperation = {
  readonly process: number;
  readonly operation: string;
  readonly callLine: number;
  readonly returnLine: number | null;
  readonly callNs: number;
  readonly returnNs: number | null;
};

export type CheckAnswer = {
  readonly verdict: Verdict['type'];
  readonly explanation: string;
  readonly operations?: number;
  readonly objects?: number;
  /** Of a violation; null where the history has no keys. */
  readonly key?: string | null;
  readonly part?: readonly CheckedOperation[];
};

const count = (number: number, one: string, many: string): string => `${number} ${number === 1 ? one : many}`;

const answerOf = (verdict: Verdict, model: Model<string, RegisterAction>): CheckAnswer => {
  if (verdict.type === 'unreadable') return { verdict: verdict.type, explanation: verdict.explanation };
  const { type, operations, objects } = verdict;
  const size = { operations, objects };
  if (verdict.type === 'linearizable') {
    const of = `${count(operations, 'operation', 'operations')} on ${count(objects, 'object', 'objects')}`;
    return { verdict: type, explanation: `${of}: each object has an order in which every answer is right.`, ...size };
  }
  if (verdict.type === 'undecided') return { verdict: type, explanation: verdict.explanation, ...size };
  const part = verdict.part.map(({ process, action, callLine, returnLine, callNs, returnNs }) => {
    const isAnswered = returnLine > 0;
    return {
      ...{ process, operation: model.describe(action as RegisterAction), callLine, callNs },
      ...{ returnLine: isAnswered ? returnLine : null, returnNs: isAnswered ? returnNs : null },
    };
  });
  return { verdict: type, explanation: verdict.explanation, ...size, key: verdict.key, part };
};

/** Reads a history line by line; `end` judges it. The time given counts from here. */
export const createCheck = ({ model: name, timeLimitMs, nowMs }: CheckOptions) => {
  const model = historyModels[name];
  const file = new HistoryFile(model);
  const endMs = nowMs() + timeLimitMs;
  return {
    line: (text: string): void => file.line(text),
    unreadableLine: (message: string): void => file.unreadableLine(message),
    end(): CheckAnswer {
      const { unreadable } = file;
      if (unreadable !== null) return { verdict: 'unreadable', explanation: `line ${unreadable.line}: ${unreadable.message}` };
      const verdict = judgeObjects(model, file.end(), file.isKeyed, { expired: () => nowMs() > endMs });
      return answerOf(verdict, model);
    },
  };
};

/** Judges a history that is in memory as text. */
export const checkHistory = (text: string, options: CheckOptions): CheckAnswer => {
  const check = createCheck(options);
  for (let from = 0; from < text.length; ) {
    const end = text.indexOf('\n', from);
    const to = end === -1 ? text.length : end;
    check.line(text.slice(from, to));
    from = to + 1;
  }
  return check.end();
};
