// What holds of handles whatever a program does: nothing is shared by accident, and a reader never misses the last value.
import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ReplicaApi } from '../../actors/api.ts';
import { isPlain } from '../../machines/replicator/plain.ts';
import { type Plain, Replica } from '../../src/index.ts';
import { copied, frozen } from '../../src/replica/frozen.ts';
import { waitFor } from '../../src/replica/watch.ts';

const { plain } = fc.letrec<{ plain: Plain; many: Plain }>((tie) => ({
  plain: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null), fc.uint8Array({ maxLength: 4 })),
    tie('many'),
  ),
  many: fc.oneof(
    fc.array(tie('plain'), { maxLength: 4 }),
    fc.dictionary(fc.string({ maxLength: 3 }), tie('plain'), { maxKeys: 4, noNullPrototype: true }),
  ) as fc.Arbitrary<Plain>,
}));

/** Every list, object and array of bytes in it, itself first. */
const containers = (value: unknown): object[] => {
  if (typeof value !== 'object' || value === null) return [];
  return value instanceof Uint8Array ? [value] : [value, ...Object.values(value).flatMap(containers)];
};
const bytesIn = (value: unknown): number => containers(value).filter((one) => one instanceof Uint8Array).length;

test('what is handed in is copied: equal, and nothing of it is the same', () => {
  fc.assert(
    fc.property(plain.filter(isPlain), (value) => {
      const copy = copied(value);
      assert.deepEqual(copy, value);
      const originals = new Set(containers(value));
      assert.ok(containers(copy).every((one) => !originals.has(one)));
    }),
    { numRuns: 200 },
  );
});

test('what is handed out is equal and cannot be changed; bytes in it are a copy, and without bytes it is the same', () => {
  fc.assert(
    fc.property(plain.filter(isPlain), (value) => {
      const bytes = new Set(containers(value).filter((one) => one instanceof Uint8Array));
      const shown = frozen(value);
      assert.deepEqual(shown, value);
      for (const one of containers(shown)) assert.ok(one instanceof Uint8Array ? !bytes.has(one) : Object.isFrozen(one));
      if (bytesIn(value) === 0) assert.equal(shown, value);
      // Also what was copied before, as a program's own values are.
      assert.deepEqual(containers(frozen(copied(value) as Plain)).length, containers(value).length);
    }),
    { numRuns: 200 },
  );
});

/** One counter, and the turns in which its followers are told. */
const world = () => {
  let [value, version] = [0, 0];
  const followers = new Set<() => void>();
  const ends = new Set<() => void>();
  const api = {
    read: () => value,
    version: () => version,
    follow(_type: string, _key: string, on: () => void, ended: () => void) {
      followers.add(on);
      ends.add(ended);
      return () => {
        followers.delete(on);
        ends.delete(ended);
      };
    },
  } as unknown as ReplicaApi;
  return {
    ...{ counter: new Replica(api).counter('n'), followers },
    change(by: number): void {
      value += by;
      version++;
    },
    tell: () => [...followers].forEach((on) => void on()),
    stop: () => [...ends].forEach((end) => void end()),
    value: () => value,
  };
};

test('a reader by loop, however slow, sees the last value, no value twice in a row, and an end; nothing is left behind', async () => {
  const step = fc.oneof(
    fc.integer({ min: -2, max: 2 }).map((by) => ({ by })),
    fc.constantFrom('tell' as const, 'read' as const),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const { counter, change, tell, stop, value, followers } = world();
      const loop = counter.watch();
      const seen: number[] = [];
      const reads: Promise<void>[] = [];
      const read = (): void => {
        reads.push(loop.next().then((result) => void (result.done === true || seen.push(result.value))));
      };
      read();
      for (const one of steps) {
        if (one === 'tell') tell();
        else if (one === 'read') read();
        else change(one.by);
        await Promise.resolve();
      }
      tell();
      read();
      await Promise.resolve();
      stop();
      await Promise.all(reads);
      assert.equal(seen.at(-1), value());
      assert.ok(seen.every((one, at) => at === 0 || one !== seen[at - 1]));
      assert.equal((await loop.next()).done, true);
      assert.equal(followers.size, 0);
    }),
    { numRuns: 200 },
  );
});

test('who cannot wait, since too many do, leaves no timer and no listener behind', async () => {
  const { signal } = new AbortController();
  const follow = (): never => {
    throw new Error('too many');
  };
  const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  const before = timers();
  const options = { timeoutMs: 60_000, signal };
  await assert.rejects(
    waitFor({ get: () => 0, follow }, 'n', () => false, options),
    /too many/,
  );
  assert.deepEqual([timers(), getEventListeners(signal, 'abort').length], [before, 0]);
});
