// Watchers see every event of their prefix from their index on, in order, or are told that they cannot.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WatchMessage } from '../../actors/api.ts';
import { createWatchLog } from '../../actors/watch.ts';
import type { RegisterEvent } from '../../machines/register/types.ts';

const event = (index: number, key: string): RegisterEvent => ({
  type: 'put',
  key,
  value: new Uint8Array([index]),
  index,
  term: 1,
});

const collect = () => {
  const messages: WatchMessage[] = [];
  const indexes = (): number[] =>
    messages.flatMap((message) => (message.type === 'events' ? message.events.map((one) => one.index) : []));
  return { messages, indexes, on: (message: WatchMessage) => void messages.push(message) };
};

test('what was missed comes first, then what is new, of the prefix only', () => {
  const log = createWatchLog(100);
  log.append([event(1, 'a/1'), event(2, 'b/1'), event(3, 'a/2')]);
  log.flush(3);
  const seen = collect();
  const end = log.watch('a/', 2, seen.on);
  log.append([event(4, 'a/3'), event(5, 'b/2')]);
  log.flush(5);
  end();
  log.append([event(6, 'a/4')]);
  log.flush(6);
  assert.deepEqual(seen.indexes(), [3, 4]);
});

test('on a node that lags behind the index asked for, nothing below it is told', () => {
  const log = createWatchLog(100);
  const seen = collect();
  log.watch('', 10, seen.on);
  for (let index = 8; index <= 12; index++) {
    log.append([event(index, 'k')]);
    log.flush(index);
  }
  assert.deepEqual(seen.indexes(), [10, 11, 12]);
});

test('what a node finds on its disk is no reason to end a watch of what is still to come', () => {
  const log = createWatchLog(100);
  const [ahead, behind] = [collect(), collect()];
  log.watch('', 101, ahead.on);
  log.watch('', 100, behind.on);
  log.reset(100);
  log.append([event(101, 'a')]);
  log.flush(101);
  assert.deepEqual(ahead.indexes(), [101]);
  assert.deepEqual(
    behind.messages.map((message) => (message.type === 'failed' ? message.failure.code : message.type)),
    ['progress', 'COMPACTED'],
  );
});

test('history that is trimmed or replaced by a snapshot ends in COMPACTED, with the index where it ends', () => {
  const log = createWatchLog(10);
  for (let index = 1; index <= 50; index++) {
    log.append([event(index, 'k')]);
    log.flush(index);
  }
  const late = collect();
  log.watch('', 1, late.on);
  const told = late.messages[0]!;
  assert.ok(told.type === 'failed' && told.failure.code === 'COMPACTED');
  const kept = Number(told.failure.details?.index);
  const fresh = collect();
  log.watch('', kept + 1, fresh.on);
  assert.deepEqual(fresh.indexes()[0], kept + 1);
  log.reset(100);
  assert.equal(fresh.messages.at(-1)?.type, 'failed');
});
