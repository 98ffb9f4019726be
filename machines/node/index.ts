// The life of a node as a chart (row N2): created, joining, ready, degraded, draining, left, failed.
import { assign, setup } from 'xstate';
import type { ErrorCode } from '../errors.ts';

export type NodeLifeEvent =
  /** The disk is read and the network started. */
  | { type: 'started' }
  /** Everything this node hosts serves (again). */
  | { type: 'serving' }
  /** Something it hosts does not: no leader, a halted replica, an actor that waits to be restarted. */
  | { type: 'impaired'; reason: ErrorCode }
  /** It cannot go on: an actor was given up, the disk refused. */
  | { type: 'broken'; reason: ErrorCode }
  | { type: 'drain' }
  | { type: 'stopped' };

export const nodeMachine = setup({
  types: {} as { context: { reason: ErrorCode | null }; events: NodeLifeEvent },
  actions: {
    setReason: assign({ reason: ({ event }) => ('reason' in event ? event.reason : null) }),
    clearReason: assign({ reason: null }),
  },
}).createMachine({
  id: 'node',
  initial: 'created',
  context: { reason: null },
  on: { broken: { target: '.failed', actions: 'setReason' } },
  states: {
    created: { on: { started: 'joining', drain: 'draining' } },
    joining: {
      on: { serving: { target: 'ready', actions: 'clearReason' }, impaired: { actions: 'setReason' }, drain: 'draining' },
    },
    ready: { on: { impaired: { target: 'degraded', actions: 'setReason' }, drain: 'draining' } },
    degraded: {
      on: { serving: { target: 'ready', actions: 'clearReason' }, impaired: { actions: 'setReason' }, drain: 'draining' },
    },
    draining: { on: { stopped: 'left' } },
    failed: { on: { stopped: 'left', drain: {} } },
    left: { type: 'final' },
  },
});
