// What a node knows of calls, whatever becomes of their actor: what it executed for others, and the numbers that it has given; and the
// way in for those who call and for messages, which take no mailbox. What throws there is the actor's failure all the same.
import { failure } from '../machines/errors.ts';
import { createMemory } from '../machines/rpc/index.ts';
import { type CallsArguments, type CallsCore, type CallsEvent, endedCall } from './calls.ts';
import { BrokenCall } from './calls-out.ts';
import type { PeerId, SinkPort } from './ports/index.ts';
import type { Delivery } from './router.ts';
import type { CallsApi } from './service-api.ts';
import type { Cell } from './supervise.ts';

export type CallsDoorArguments = {
  name: string;
  epoch: number;
  sink: SinkPort;
  isStopping: () => boolean;
  cell: () => Cell<CallsEvent> | null;
};

export interface CallsDoor {
  readonly api: CallsApi;
  receive(delivery: Delivery): void;
  /** Calls to or of this peer are under way. */
  isBusy(peer: PeerId): boolean;
  /** What a new incarnation of the actor is given. */
  memory(): Pick<CallsArguments, 'memory' | 'lastNumber' | 'hasForgotten' | 'onCore' | 'onLastNumber'>;
}

const numbersPerEpoch = 0x1_0000_0000;
const epochsMax = 0x20_0000;

export const createCallsDoor = ({ name, epoch, sink, isStopping, cell }: CallsDoorArguments): CallsDoor => {
  const memory = createMemory();
  // Numbers of two processes of a node differ, so that an answer to a call before a crash is no answer to another one.
  let lastNumber = (epoch % epochsMax) * numbersPerEpoch;
  let core: CallsCore | null = null;
  let incarnations = 0;

  const broke = (error: unknown): void => cell()?.send({ type: 'broke', error });

  return {
    api: {
      call(call, on) {
        const now = core;
        // What runs may end, and call others for it.
        const isLate = isStopping() && call.within === undefined;
        if (now === null || isLate) {
          const why = isStopping()
            ? failure('STOPPING', `${name} is stopping`)
            : failure('NOT_READY', `calls on ${name} are being started`);
          on.end({ ok: false, failure: why });
          return endedCall;
        }
        try {
          return now.call(call, on);
        } catch (error) {
          if (error instanceof BrokenCall) {
            broke(error.cause);
            return endedCall;
          }
          broke(error);
          on.end({ ok: false, failure: failure('INTERNAL', `a call at ${name} failed before it left`) });
          return endedCall;
        }
      },
    },
    receive(delivery) {
      if (core === null) return sink.count('dead_letters_total', { address: 'rpc' });
      try {
        core.receive(delivery);
      } catch (error) {
        broke(error);
      }
    },
    isBusy: (peer) => core?.isBusy(peer) === true,
    memory: () => ({
      ...{ memory, lastNumber, hasForgotten: incarnations++ > 0 },
      onCore(now) {
        core = now;
      },
      onLastNumber(number) {
        core = null;
        lastNumber = number;
      },
    }),
  };
};
