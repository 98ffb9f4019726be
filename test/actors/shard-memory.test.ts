// What is remembered of actors, against a group that answers when the test says so.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ActorDefinition } from '../../actors/actor-api.ts';
import type { GroupEvent } from '../../actors/group.ts';
import { createShardMemory, shardMemoryLimits } from '../../actors/shard-memory.ts';
import { type Failure, failure } from '../../machines/errors.ts';
import { rememberedPrefix } from '../../machines/register/index.ts';
import type { KeyValue } from '../../machines/register/types.ts';

const room = { name: 'room', remember: true, placement: 'sharded' } as ActorDefinition;
const clerk = { name: 'clerk', remember: true, placement: 'singleton' } as ActorDefinition;

const createGroup = () => {
  const keys = new Map<string, Uint8Array>();
  const waiting: (() => void)[] = [];
  let fails: Failure | null = null;
  const run = (event: GroupEvent): void => {
    if (event.type === 'write') {
      const { write } = event;
      if (fails !== null) return event.done({ ok: false, failure: fails });
      assert.ok(write.op === 'put' || write.op === 'delete');
      if (write.op === 'put') keys.set(write.key, write.value);
      else if (!keys.delete(write.key)) return event.done({ ok: false, failure: failure('KEY_NOT_FOUND', 'none') });
      return event.done({ ok: true, value: { op: write.op, key: write.key, index: 1, term: 1 } });
    }
    assert.ok(event.type === 'read' && event.read.op === 'list');
    const { after = '', limit } = event.read;
    const found = [...keys].filter(([key]) => key > after).sort(([a], [b]) => (a < b ? -1 : 1));
    const items = found.slice(0, limit).map(([key, value]) => ({ key, value }) as KeyValue);
    const { done } = event;
    // As things are when it is read; told later.
    waiting.push(() => done({ ok: true, value: { op: 'list', items, more: found.length > limit, index: 1 } }));
  };
  const memory = createShardMemory((_group, event) => run(event));
  return {
    ...{ keys, memory },
    fail(why: Failure | null): void {
      fails = why;
    },
    tell: (): boolean => {
      const next = waiting.shift();
      next?.();
      return next !== undefined;
    },
  };
};

const names = (actors: readonly { key: string }[]): string[] => actors.map(({ key }) => key).sort();
const ok = (why: Failure | null): void => assert.equal(why, null);

test('all pages are read, and what is written meanwhile is newer than what is read', () => {
  const group = createGroup();
  const count = 2 * shardMemoryLimits.pageItems + 7;
  for (let n = 0; n < count; n++) group.keys.set(`${rememberedPrefix}room/r${String(n).padStart(6, '0')}`, Uint8Array.of(1));
  let isRead = false;
  group.memory.read('g', (why) => {
    ok(why);
    isRead = true;
  });
  group.memory.stopped('g', room, { type: 'room', key: 'r000000' }, ok);
  group.memory.remember('g', room, { type: 'room', key: 'a/b' }, ok);
  while (group.tell());
  assert.ok(isRead && group.memory.isRead('g'));
  assert.equal(group.memory.count('g'), count);
  const of = names(group.memory.of('g', room));
  assert.deepEqual([of.length, of[0], of[1]], [count, 'a/b', 'r000001']);
});

test('an actor is remembered once, forgotten by its stop, and not at all unless its type says so', () => {
  const group = createGroup();
  group.memory.read('g', ok);
  group.tell();
  const actor = { type: 'room', key: 'r1' };
  group.memory.remember('g', room, actor, ok);
  group.fail(failure('NO_QUORUM', 'none'));
  group.memory.remember('g', room, actor, ok);
  let why: Failure | null = null;
  group.memory.remember('g', room, { type: 'room', key: 'r2' }, (given) => {
    why = given;
  });
  assert.equal((why as Failure | null)?.code, 'NO_QUORUM');
  assert.deepEqual(names(group.memory.of('g', room)), ['r1']);
  group.fail(null);
  group.memory.remember('g', { ...room, remember: false }, { type: 'room', key: 'r3' }, ok);
  group.memory.stopped('g', room, actor, ok);
  group.memory.stopped('g', room, actor, ok);
  assert.deepEqual([group.keys.size, group.memory.count('g')], [0, 0]);
});

test('a singleton lives unless it was stopped, and again once it was asked for', () => {
  const group = createGroup();
  group.memory.read('g', ok);
  group.tell();
  const actor = { type: 'clerk', key: '-' };
  assert.deepEqual(names(group.memory.of('g', clerk)), ['-']);
  group.memory.stopped('g', clerk, actor, ok);
  assert.deepEqual(group.memory.of('g', clerk), []);
  group.memory.remember('g', clerk, actor, ok);
  assert.deepEqual(names(group.memory.of('g', clerk)), ['-']);
});

test('who leads no more hears nothing of what was asked for', () => {
  const group = createGroup();
  group.memory.read('g', () => assert.fail('told'));
  group.memory.forget('g');
  group.tell();
  assert.equal(group.memory.isRead('g'), false);
});
