// What the world itself promises: order, repeatability, and that the dead do nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Disk } from '../../sim/disk.ts';
import { ClockSkew, createClock, Process } from '../../sim/process.ts';
import { Trace } from '../../sim/trace.ts';
import { World } from '../../sim/world.ts';

const newWorld = (seed = 1): World => new World(seed, new Trace());
const newProcess = (world: World, label = 'p'): Process =>
  new Process(world, {
    ...{ label, turnMs: [0.01, 0.1] },
    onCrash(error) {
      throw error;
    },
  });
const bytes = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0));
const put = (key: string, value: string) => ({ key: bytes(key), value: bytes(value) });

test('events come in order of time; those of one instant are shuffled by the seed, the same way for the same seed', () => {
  const order = (seed: number): string => {
    const world = newWorld(seed);
    const seen: number[] = [];
    for (let at = 0; at < 20; at++) world.after(at < 10 ? 5 : 3, () => seen.push(at));
    world.run(10);
    assert.ok(seen.slice(0, 10).every((at) => at >= 10));
    return seen.join();
  };
  assert.equal(order(1), order(1));
  assert.ok(new Set([1, 2, 3, 4, 5].map(order)).size === 5);
});

test('a draw under one label moves nothing under another', () => {
  const world = newWorld();
  const lone = world.chance('a').uint32();
  for (let draws = 0; draws < 7; draws++) world.chance('b').uint32();
  assert.equal(world.chance('a').uint32(), lone);
  assert.notEqual(world.chance('b').uint32(), lone);
});

test('what is cancelled does not happen, and time stands where it was asked to', () => {
  const world = newWorld();
  let happened = 0;
  world.after(5, () => happened++).cancel();
  world.after(7, () => happened++);
  assert.equal(
    world.run(100, () => happened === 1),
    true,
  );
  assert.equal(world.nowMs, 7);
  assert.equal(world.run(100), false);
  assert.equal(world.nowMs, 107);
});

test('time passes for whoever waits, however short that is', () => {
  const world = newWorld();
  world.run(7_618.7);
  const endMs = world.nowMs + 0.01;
  let rounds = 0;
  const wait = (): void => {
    if (world.nowMs >= endMs || rounds++ > 100) return;
    world.after(1e-13, wait);
  };
  wait();
  world.run(1);
  assert.ok(rounds <= 11, `${rounds} rounds in 10 microseconds`);
});

test('a turn and its afterthoughts come before the next turn', () => {
  const world = newWorld();
  const process = newProcess(world);
  const seen: string[] = [];
  process.enter('first', () => {
    process.soon(() => {
      seen.push('soon');
      process.soon(() => seen.push('sooner'));
    });
    seen.push('first');
  });
  process.enter('second', () => seen.push('second'));
  world.run(10);
  assert.deepEqual(seen, ['first', 'soon', 'sooner', 'second']);
});

test('what arrives at a free process is its turn at once, what arrives at a busy or paused one waits', () => {
  const world = newWorld();
  const process = newProcess(world);
  const seen: string[] = [];
  const arrives = (name: string): void => process.arrive(name, () => seen.push(name));
  world.after(1, () => {
    arrives('free');
    assert.deepEqual(seen, ['free']);
    arrives('busy');
    assert.deepEqual(seen, ['free']);
  });
  world.run(2);
  assert.deepEqual(seen, ['free', 'busy']);
  process.pause();
  world.after(1, () => arrives('paused'));
  world.run(2);
  assert.equal(seen.length, 2);
  process.resume();
  world.run(2);
  assert.deepEqual(seen, ['free', 'busy', 'paused']);
});

test('a turn that ends its process leaves nothing behind', () => {
  const world = newWorld();
  const process = newProcess(world);
  const seen: string[] = [];
  world.after(1, () =>
    process.arrive('last', () => {
      process.soon(() => {
        seen.push('soon');
        process.end();
      });
      process.soon(() => seen.push('never'));
    }),
  );
  world.after(2, () => process.arrive('late', () => seen.push('late')));
  world.run(10);
  assert.deepEqual(seen, ['soon']);
});

test('a paused process does nothing until it goes on, a dead one nothing more', () => {
  const world = newWorld();
  const process = newProcess(world);
  const seen: string[] = [];
  process.pause();
  process.enter('a', () => seen.push('a'));
  world.run(100);
  assert.equal(seen.length, 0);
  process.resume();
  process.enter('b', () => {
    seen.push('b');
    process.soon(() => seen.push('never'));
    process.end();
  });
  process.enter('c', () => seen.push('c'));
  world.run(100);
  assert.deepEqual(seen, ['a', 'b']);
});

test('a machine that loses its power keeps what was synced, and of the rest a prefix of whole batches', () => {
  const lengths = new Set<number>();
  for (let seed = 1; seed <= 40; seed++) {
    const world = newWorld(seed);
    const disk = new Disk(world, 'd', { syncMs: [0.1, 1] });
    const process = newProcess(world);
    const storage = disk.open(process);
    storage.write([put('synced', '1')], { durable: true }, () => {});
    for (let at = 0; at < 5; at++) storage.write([put(`a${at}`, '1'), put(`b${at}`, '1')], { durable: false }, () => {});
    world.run(100);
    process.end();
    disk.losePower();
    const after = disk.open(newProcess(world, 'q'));
    assert.ok(after.get(bytes('synced')) !== undefined);
    const kept = [0, 1, 2, 3, 4].filter((at) => after.get(bytes(`a${at}`)) !== undefined);
    assert.deepEqual(kept, [0, 1, 2, 3, 4].slice(0, kept.length), 'a prefix');
    for (let at = 0; at < 5; at++)
      assert.equal(after.get(bytes(`a${at}`)) === undefined, after.get(bytes(`b${at}`)) === undefined, 'whole');
    lengths.add(kept.length);
  }
  assert.ok(lengths.size > 3);
});

test('a disk that lost its power shows what one of its batches left, none older than the last that was synced; damage stays', () => {
  const keys = ['a', 'b', 'c', 'd'];
  let undone = 0;
  for (let seed = 1; seed <= 300; seed++) {
    const world = newWorld(seed);
    const chance = world.chance('test');
    const disk = new Disk(world, 'd', { syncMs: [0.1, 1], remembers: seed % 2 === 0 });
    const shown = () => keys.map((key) => String.fromCharCode(...(disk.valueAt(bytes(key)) ?? []))).join();
    for (let life = 0; life < 4; life++) {
      const process = newProcess(world, `p${life}`);
      const storage = disk.open(process);
      let state = new Map(keys.map((key) => [key, String.fromCharCode(...(disk.valueAt(bytes(key)) ?? []))]));
      const textOf = () => keys.map((key) => state.get(key) ?? '').join();
      /** What every batch would leave; `synced`: the first that a loss of power must keep. */
      const states = [textOf()];
      let synced = 0;
      for (let at = 0; at < chance.between(0, 8); at++) {
        const touched = keys.filter(() => chance.happens(0.5));
        const operations = touched.map((key) => ({ key, value: chance.happens(0.3) ? null : `${life}${at}` }));
        state = new Map(state);
        for (const { key, value } of operations) state.set(key, value ?? '');
        const durable = chance.happens(0.3);
        const number = states.push(textOf()) - 1;
        const written = operations.map(({ key, value }) => ({ key: bytes(key), value: value === null ? null : bytes(value) }));
        storage.write(written, { durable }, () => {
          if (durable) synced = number;
        });
        if (chance.happens(0.5)) world.run(1);
      }
      world.run(chance.between(0, 3));
      process.end();
      const isKilled = chance.happens(0.3);
      if (isKilled) disk.release();
      const key = chance.pick(keys);
      const at = keys.indexOf(key);
      const damaged = isKilled && disk.valueAt(bytes(key)) !== undefined && chance.happens(0.5);
      if (damaged) disk.damage(bytes(key), () => bytes('x'));
      disk.losePower();
      const possible = states.slice(synced).map((text) => (damaged ? text.split(',').with(at, 'x').join() : text));
      assert.ok(possible.includes(shown()), `seed ${seed}: ${shown()} is none of ${possible.join(' | ')}`);
      if (shown() !== possible.at(-1)) undone++;
    }
  }
  assert.ok(undone > 100, `${undone}`);
});

test('a process that is killed loses nothing that was written, and hears nothing any more', () => {
  const world = newWorld();
  const disk = new Disk(world, 'd', { syncMs: [1, 2] });
  const process = newProcess(world);
  const storage = disk.open(process);
  let answers = 0;
  storage.write([put('a', '1')], { durable: false }, () => answers++);
  world.run(100);
  storage.write([put('b', '1')], { durable: true }, () => answers++);
  process.end();
  disk.release();
  world.run(100);
  assert.equal(answers, 1);
  const after = disk.open(newProcess(world, 'q'));
  assert.ok(after.get(bytes('a')) !== undefined);
  assert.equal(after.get(bytes('b')), undefined);
});

test('the last synced batches can be forgotten as a whole, newest first, but never what must stay', () => {
  const world = newWorld();
  const disk = new Disk(world, 'd', { syncMs: [0.1, 1], remembers: true });
  const process = newProcess(world);
  const storage = disk.open(process);
  const batches = [[put('a', '1')], [put('b', '1'), put('vote', '1')], [put('a', '2')], [put('a', '3'), put('c', '1')]];
  for (const batch of batches) storage.write(batch, { durable: true }, () => {});
  world.run(100);
  process.end();
  disk.losePower();
  const isVote = (key: Uint8Array): boolean => key.length === 4;
  const shown = () => ['a', 'b', 'c', 'vote'].map((key) => String.fromCharCode(...(disk.valueAt(bytes(key)) ?? [])));
  assert.deepEqual(shown(), ['3', '1', '1', '1']);
  assert.equal(disk.forgetLast(1, isVote), 1);
  assert.deepEqual(shown(), ['2', '1', '', '1']);
  assert.equal(disk.forgetLast(10, isVote), 1);
  assert.deepEqual(shown(), ['1', '1', '', '1']);
});

test('a disk that cannot be read says so to everybody who asks', () => {
  const world = newWorld();
  const disk = new Disk(world, 'd', { syncMs: [0.1, 1] });
  const process = newProcess(world);
  const storage = disk.open(process);
  disk.unreadable = { code: 'IO_ERROR', message: 'it cannot be read' };
  assert.throws(() => storage.get(bytes('a')), /IO_ERROR: it cannot be read/);
  const codes: (string | undefined)[] = [];
  storage.read({ gte: bytes('a'), lt: bytes('b'), limit: 1 }, (why) => codes.push(why?.code));
  world.run(100);
  disk.unreadable = null;
  assert.equal(storage.get(bytes('a')), undefined);
  storage.read({ gte: bytes('a'), lt: bytes('b'), limit: 1 }, (why) => codes.push(why?.code));
  world.run(100);
  assert.deepEqual(codes, ['IO_ERROR', undefined]);
});

test('clocks that change their rate show no jump', () => {
  const world = newWorld();
  const process = newProcess(world);
  const skew = new ClockSkew(1.04, 0);
  const clock = createClock(process, skew);
  world.run(1_000);
  const [nowMs, wallMs] = [clock.nowMs(), clock.wallMs()];
  skew.setRate(0.96, world.nowMs);
  assert.equal(clock.nowMs(), nowMs);
  assert.equal(clock.wallMs(), wallMs);
  world.run(1_000);
  assert.equal(Math.round(clock.nowMs() - nowMs), 960);
});

test('the trace tells any two runs apart', () => {
  const hashes = new Set<string>();
  for (const [where, what, sent] of [
    ['n1', 'a', 'x'],
    ['n1', 'a', 'y'],
    ['n1', 'b', 'x'],
    ['n2', 'a', 'x'],
  ] as const) {
    const trace = new Trace();
    trace.note(1, where, what, bytes(sent));
    hashes.add(trace.hash);
  }
  assert.equal(hashes.size, 4);
});
