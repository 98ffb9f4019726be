// Calls of services that this very node offers, and of no others: stands where `CallsApi` is wanted and no network is.
import { failure } from '../machines/errors.ts';
import type { ClockPort, PeerId } from './ports/index.ts';
import type { CallsApi, ServiceHost } from './service-api.ts';

const timeoutMs = 30_000;

export const createLocalCalls = (args: { name: string; self: PeerId; clock: ClockPort; host: ServiceHost }): CallsApi => {
  const { name, self, clock, host } = args;
  let lastId = 0;
  return {
    call(call, on) {
      const { within } = call;
      const nowMs = clock.nowMs();
      const deadlineMs = Math.min(nowMs + (call.timeoutMs ?? timeoutMs), within?.deadlineMs ?? Number.POSITIVE_INFINITY);
      if (deadlineMs <= nowMs) {
        on.end({ ok: false, failure: failure('DEADLINE_EXCEEDED', `no time is left for ${call.service}.${call.method}`) });
        return { cancel() {}, more() {} };
      }
      return host.execute(
        {
          ...{ service: call.service, version: call.version ?? null, method: call.method, input: call.input },
          ...{ callerPeer: self, caller: name, principal: call.principal ?? within?.principal ?? null },
          ...{ importance: call.importance ?? null, deadlineMs, requestId: call.requestId ?? `${name}-${++lastId}` },
          ...(call.takesItems === undefined ? {} : { takesItems: call.takesItems }),
          ...{ chain: within?.chain ?? [], trace: call.trace ?? within?.trace ?? '' },
        },
        on,
      );
    },
  };
};
