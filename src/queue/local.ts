// Queues from inside a member: its own node carries the request to the leader of the group.
import type { NodeApi, Outcome } from '../../actors/api.ts';
import type { QueueRead, QueueWrite } from '../../machines/queue/index.ts';
import { limits } from '../../machines/wire/limits.ts';
import { PolityError } from '../errors.ts';
import { type QueueCallOptions, type QueuePort, type ResultOf, unlessAborted } from './port.ts';

export const localPort = (api: NodeApi, group: string | undefined): QueuePort => {
  const common = ({ timeoutMs = limits.callTimeoutMsDefault, idempotencyKey }: QueueCallOptions, waitMs: number) => ({
    timeoutMs: Math.min(timeoutMs + waitMs, limits.callTimeoutMsMax),
    ...(group === undefined ? {} : { group }),
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
  });
  const settled = <Value>(start: (done: (outcome: Outcome<unknown>) => void) => void): Promise<Value> =>
    new Promise((resolve, reject) => {
      start((outcome) => (outcome.ok ? resolve(outcome.value as Value) : reject(new PolityError(outcome.failure))));
    });
  return {
    write<Write extends QueueWrite>(write: Write, options: QueueCallOptions): Promise<ResultOf<Write['op']>> {
      const waitMs = write.op === 'queue-receive' ? write.waitMs : 0;
      const operation = settled<ResultOf<Write['op']>>((done) => api.write(write, common(options, waitMs), done));
      // A receive looks after its own signal, for what comes too late must be given back.
      return write.op === 'queue-receive' ? operation : unlessAborted(options.signal, operation);
    },
    read: <Read extends QueueRead>(read: Read, options: QueueCallOptions) =>
      unlessAborted(
        options.signal,
        settled<ResultOf<Read['op']>>((done) => api.read(read, common(options, 0), done)),
      ),
    isOver: (error) => error instanceof PolityError && (error.code === 'STOPPING' || (error.definite && !error.retryable)),
  };
};
