// When a supervised actor fails: wait with exponential backoff and jitter, start it anew, give up when it fails too often
// (row N4; the restart intensity of Erlang/OTP's supervisor: at most `failuresMax` within `windowMs`).
import { assign, setup } from 'xstate';
import { backoffMsOf, failuresWithin } from './rules.ts';

export * from './rules.ts';

export type RestartPolicy = {
  failuresMax: number;
  windowMs: number;
  backoffMinMs: number;
  backoffMaxMs: number;
};

export const restartDefaults: RestartPolicy = { failuresMax: 5, windowMs: 60_000, backoffMinMs: 50, backoffMaxMs: 5_000 };

type Context = {
  policy: RestartPolicy;
  /** Times of the failures within the window, oldest first; at most failuresMax + 1. */
  failedAtMs: number[];
  restarts: number;
  reason: string | null;
  delayMs: number;
};

export type ChildEvent =
  /** `chance` in [0, 1) spreads restarts: the delay is between half and all of the exponential step. */
  { type: 'failed'; reason: string; nowMs: number; chance: number } | { type: 'stop' };

const withinWindow = ({ policy, failedAtMs }: Context, nowMs: number): number[] => failuresWithin(policy, failedAtMs, nowMs);

export const childMachine = setup({
  types: {} as { context: Context; events: ChildEvent; input: RestartPolicy },
  delays: { backoff: ({ context }) => context.delayMs },
  guards: {
    tooOften: ({ context, event }) =>
      event.type === 'failed' && withinWindow(context, event.nowMs).length > context.policy.failuresMax,
  },
  actions: {
    note: assign(({ context, event }) => {
      if (event.type !== 'failed') return {};
      const failedAtMs = withinWindow(context, event.nowMs);
      const delayMs = backoffMsOf(context.policy, failedAtMs.length, event.chance);
      return { failedAtMs, reason: event.reason, delayMs };
    }),
    countRestart: assign({ restarts: ({ context }) => context.restarts + 1 }),
  },
}).createMachine({
  id: 'child',
  initial: 'running',
  context: ({ input }) => ({ policy: input, failedAtMs: [], restarts: 0, reason: null, delayMs: 0 }),
  states: {
    running: {
      on: {
        failed: [
          { guard: 'tooOften', target: 'failed', actions: 'note' },
          { target: 'backoff', actions: 'note' },
        ],
        stop: 'stopped',
      },
    },
    backoff: { after: { backoff: { target: 'running', actions: 'countRestart' } }, on: { stop: 'stopped' } },
    failed: { on: { stop: 'stopped' } },
    stopped: { type: 'final' },
  },
});
