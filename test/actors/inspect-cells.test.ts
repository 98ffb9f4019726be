// Looking on cells themselves: what a busy actor pays for it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assign, fromTransition, setup } from 'xstate';
import type { InspectItem } from '../../actors/inspect-api.ts';
import { followHere } from '../../actors/inspect-follow.ts';
import { subjectOf } from '../../actors/inspect-subject.ts';
import { createWatches } from '../../actors/inspect-watch.ts';
import { definitionOf, hostCells, sendAll } from './hand-cells.ts';
import { createHandScope } from './hand-scope.ts';

/** A context that counts how often all of it is read. */
const counting = () => {
  let reads = 0;
  const watched = (n: number): { n: number } =>
    new Proxy(
      { n },
      {
        ownKeys(target) {
          reads++;
          return Reflect.ownKeys(target);
        },
      },
    );
  return { watched, reads: () => reads };
};

const perSecond = 10;

for (const shape of ['chart', 'transition'] as const)
  test(`of a busy ${shape} only what a reader gets is made plain`, () => {
    const { watched, reads } = counting();
    const logic =
      shape === 'transition'
        ? fromTransition(({ n }: { n: number }) => watched(n + 1), watched(0))
        : setup({ types: {} as { context: { kept: { n: number } } } }).createMachine({
            context: { kept: watched(0) },
            on: { inc: { actions: assign({ kept: ({ context }) => watched(context.kept.n + 1) }) } },
          });
    const { open, clock } = hostCells();
    const live = open(definitionOf('busy', logic));
    const scope = createHandScope(clock, 'inspect');
    const items: InspectItem[] = [];
    let leftOut = 0;
    const follow = followHere({
      ...{ scope, clock, watches: createWatches(scope, 'n1', clock), find: () => subjectOf(live), listed: () => [] },
      onOpened: () => () => {},
      wanted: { addresses: [live.address], types: [], correlation: null, perSecond },
      on: (batch) => {
        items.push(...batch.items);
        leftOut += batch.leftOut;
      },
    });
    const before = reads();
    sendAll(live, ...Array.from({ length: 500 }, () => 'inc'));
    clock.pass(100);
    assert.equal(live.view().handled, 500);
    assert.ok(items.length >= perSecond && items.length <= perSecond + 2, `${items.length} items`);
    assert.ok(leftOut > 900, `${leftOut} were left out`);
    assert.ok(reads() - before <= perSecond + 1, `${reads() - before} times all of it was read`);
    follow.stop();
    scope.end();
  });
