// The life of a node, arrow by arrow: what each state makes of each event, and what reason it then shows.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createActor } from 'xstate';
import { type NodeLifeEvent, nodeMachine } from '../../../machines/node/index.ts';

const events: Record<string, NodeLifeEvent> = {
  started: { type: 'started' },
  serving: { type: 'serving' },
  impaired: { type: 'impaired', reason: 'NO_QUORUM' },
  broken: { type: 'broken', reason: 'STORAGE_FAILED' },
  drain: { type: 'drain' },
  stopped: { type: 'stopped' },
};

/** How to get into each state. */
const paths: Record<string, string[]> = {
  created: [],
  joining: ['started'],
  ready: ['started', 'serving'],
  degraded: ['started', 'serving', 'impaired'],
  draining: ['started', 'drain'],
  failed: ['broken'],
  left: ['drain', 'stopped'],
};

const after = (...names: string[]): { value: string; reason: string | null } => {
  const actor = createActor(nodeMachine).start();
  for (const name of names) actor.send(events[name]!);
  const { value, context } = actor.getSnapshot();
  return { value, reason: context.reason };
};

/** From a row's state, each column's event leads here; '-' stays. */
const table: Record<string, string> = {
  //         started serving impaired broken drain    stopped
  created: ' joining -       -        failed draining -',
  joining: ' -       ready   -        failed draining -',
  ready: '   -       -       degraded failed draining -',
  degraded: '-       ready   -        failed draining -',
  draining: '-       -       -        failed -        left',
  failed: '  -       -       -        failed -        left',
  left: '    -       -       -        -      -        -',
};

test('every arrow of the chart, and no other', () => {
  for (const [state, row] of Object.entries(table)) {
    assert.equal(after(...paths[state]!).value, state);
    const targets = row.trim().split(/\s+/);
    for (const [at, name] of Object.keys(events).entries()) {
      const expected = targets[at] === '-' ? state : targets[at];
      assert.equal(after(...paths[state]!, name).value, expected, `${state} on ${name}`);
    }
  }
});

test('a reason stands while something is wrong, and goes with it', () => {
  assert.equal(after('started').reason, null);
  assert.equal(after('started', 'impaired').reason, 'NO_QUORUM');
  assert.equal(after('started', 'impaired', 'serving').reason, null);
  assert.equal(after('started', 'serving', 'impaired').reason, 'NO_QUORUM');
  assert.equal(after('started', 'serving', 'impaired', 'serving').reason, null);
  assert.equal(after('started', 'serving', 'broken').reason, 'STORAGE_FAILED');
  assert.equal(
    after('broken', 'serving').reason,
    'STORAGE_FAILED',
    'what is broken stays so until the process is started anew',
  );
  assert.equal(after('broken', 'stopped').value, 'left');
});
