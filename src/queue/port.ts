// What a queue's words need of whoever carries them to the group: a member of the cluster (local.ts) or HTTP (client/queues.ts).

import { failure } from '../../machines/errors.ts';
import type { QueueRead, QueueReadResult, QueueWrite, QueueWriteResult } from '../../machines/queue/index.ts';
import { PolityError } from '../errors.ts';

export type QueueCallOptions = {
  /** Milliseconds until the caller stops waiting; 1 to 60 000, default 5 000. What a receive waits for messages comes on top. */
  timeoutMs?: number;
  /** The same id twice has one effect (kept 10 minutes of log time); 1 to 128 printable characters. */
  idempotencyKey?: string;
  signal?: AbortSignal;
};

export type ResultOf<Op extends QueueWrite['op'] | QueueRead['op']> = Extract<QueueWriteResult | QueueReadResult, { op: Op }>;

export interface QueuePort {
  write<Write extends QueueWrite>(write: Write, options: QueueCallOptions): Promise<ResultOf<Write['op']>>;
  read<Read extends QueueRead>(read: Read, options: QueueCallOptions): Promise<ResultOf<Read['op']>>;
  /** Nothing more can be had of it. */
  isOver(error: unknown): boolean;
}

/** Settles when the operation does or the signal aborts, whichever is first; `late` gets a result that nobody waits for any more. */
export const unlessAborted = <Value>(
  signal: AbortSignal | undefined,
  operation: Promise<Value>,
  late: (value: Value) => void = () => {},
): Promise<Value> => {
  if (signal === undefined) return operation;
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      reject(signal.reason);
      operation.then(late, () => {});
    };
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    operation.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
};

export const invalid = (message: string, cause?: unknown): PolityError =>
  new PolityError(failure('INVALID_REQUEST', message), cause === undefined ? {} : { cause });
