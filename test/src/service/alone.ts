// One node's services without a network: the host, calls of it, and time moved by hand.

import { type CallsSettings, callsDefaults, type Execution } from '../../../actors/service-api.ts';
import { createServiceHost } from '../../../actors/services.ts';
import type { Failure } from '../../../machines/errors.ts';
import { hostedFrom } from '../../../src/service/hosted.ts';
import {
  callService,
  clientOf,
  type Handlers,
  type MethodDefinitions,
  type ServiceCallOptions,
  type ServiceDefinition,
  streamService,
} from '../../../src/service/index.ts';
import { createHandClock } from '../../actors/hand-clock.ts';
import { createLocalCalls } from '../../actors/local-calls.ts';

export const alone = (settings: Partial<CallsSettings> = {}) => {
  const clock = createHandClock();
  const lines: { level: string; code: string; message: string; facts: Record<string, unknown> }[] = [];
  const sink = {
    log: (level: string, code: string, message: string, facts: Record<string, unknown> = {}) =>
      void lines.push({ level, code, message, facts }),
    count: () => {},
  };
  const host = createServiceHost({ name: 'n1', self: 'p1', clock, sink, ...callsDefaults, ...settings });
  const calls = createLocalCalls({ name: 'n1', self: 'p1', clock, host });
  return {
    ...{ clock, lines, host, calls },
    serve<Methods extends MethodDefinitions>(definition: ServiceDefinition<Methods>, handlers: Handlers<Methods>) {
      const why = host.add(hostedFrom(definition, handlers, { node: 'n1', calls, sink }));
      if (why !== null) throw new Error(why.message);
      return clientOf(calls, definition, undefined, null);
    },
    call: (service: string, method: string, input?: unknown, options?: ServiceCallOptions) =>
      callService(calls, service, method, input, options, null),
    stream: (service: string, method: string, input?: unknown, options?: ServiceCallOptions) =>
      streamService(calls, service, method, input, options, null),
    /** A call as another node makes it; what became of it. */
    execute(given: Partial<Execution> & Pick<Execution, 'service' | 'method'>) {
      const told = {
        items: [] as unknown[],
        ends: [] as (Failure['code'] | 'ok')[],
        failure: null as Failure | null,
        value: undefined as unknown,
      };
      const handle = host.execute(
        {
          ...{ version: null, input: null, callerPeer: 'p2', caller: 'n2', principal: null, importance: null },
          ...{ deadlineMs: clock.nowMs() + 30_000, requestId: 'r', chain: [], trace: '', ...given },
        },
        {
          item: (value) => void told.items.push(value),
          end(outcome) {
            told.ends.push(outcome.ok ? 'ok' : outcome.failure.code);
            if (outcome.ok) told.value = outcome.value;
            else told.failure = outcome.failure;
          },
        },
      );
      return Object.assign(told, { handle });
    },
  };
};

/** A promise and what settles it. */
export const later = <Value>() => {
  let resolve: (value: Value) => void = () => {};
  let reject: (error: unknown) => void = () => {};
  const promise = new Promise<Value>((settle, fail) => {
    resolve = settle;
    reject = fail;
  });
  return { promise, resolve, reject };
};

/** All microtasks that are due. */
export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export const failureIn = async (promise: Promise<unknown>): Promise<Failure> => {
  try {
    await promise;
  } catch (error) {
    const { code, message, details } = error as Failure & { details: NonNullable<Failure['details']> };
    if (typeof code !== 'string') throw error;
    return { code, message, details };
  }
  throw new Error('it did not fail');
};
