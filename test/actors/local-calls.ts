// Calls of services that this very node offers, and of no others: stands where `CallsApi` is wanted and no network is.

import type { ClockPort, PeerId } from '../../actors/ports/index.ts';
import type { CallsApi, Execution, ServiceHost } from '../../actors/service-api.ts';
import { failure } from '../../machines/errors.ts';

const timeoutMs = 30_000;
const none: readonly string[] = [];

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
      const execution: Execution = {
        service: call.service,
        version: call.version ?? null,
        method: call.method,
        input: call.input,
        callerPeer: self,
        caller: name,
        principal: call.principal ?? within?.principal ?? null,
        importance: call.importance ?? null,
        takesItems: call.takesItems,
        atMs: nowMs,
        deadlineMs,
        requestId: call.requestId ?? `${name}-${++lastId}`,
        chain: within === undefined ? none : within.chain,
        trace: call.trace ?? within?.trace ?? '',
      };
      return host.execute(execution, on);
    },
  };
};
