// Which deliveries are remembered: the last thousand, ten minutes of log time; and the keyspace says the same whenever it was written and
// whenever it became known which of them failed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ledgerLimits } from '../../../machines/entity/ledger-types.ts';
import { forgetAll, newWindow, readWindow, remember, setFailed, writeWindow } from '../../../machines/entity/ledger-window.ts';
import type { KeyspaceWrite } from '../../../machines/register/types.ts';
import { createKeyspaceMap } from '../register/keyspace-map.ts';

const { windowMax, windowMs } = ledgerLimits;
const name = 'cart/c1';

const createKept = () => {
  const keyspace = createKeyspaceMap();
  let window = newWindow();
  const flush = (): void => {
    const writes: KeyspaceWrite[] = [];
    writeWindow(name, window, writes);
    keyspace.write(writes);
  };
  return {
    get window() {
      return window;
    },
    flush,
    restart(): void {
      flush();
      window = readWindow(name, window.next - window.first, window.next, keyspace.read);
    },
    fail(id: string): void {
      const one = window.byId.get(id);
      if (one !== undefined) setFailed(window, one, 'ACTOR_FAILED');
    },
    records: () => keyspace.records().map((record) => record.map((bytes) => Buffer.from(bytes).toString('hex')).join(' ')),
  };
};

const someMove = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      count: fc.constantFrom(1, 2, 31, 32, 33, 200, windowMax),
      passedMs: fc.constantFrom(0, 1, windowMs / 4, windowMs - 1, windowMs),
      failing: fc.integer({ min: 2, max: 50 }),
    }),
  },
  { weight: 3, arbitrary: fc.constantFrom('flush' as const, 'restart' as const) },
);

test('the last thousand of ten minutes are remembered; records do not depend on when they were written', () => {
  fc.assert(
    fc.property(fc.array(someMove, { maxLength: 30 }), (moves) => {
      const [often, once] = [createKept(), createKept()];
      let twin: { id: string; timeMs: number }[] = [];
      const failed: string[] = [];
      let [timeMs, count] = [1_000, 0];
      for (const move of moves) {
        if (typeof move === 'string') {
          often[move]();
          continue;
        }
        timeMs += move.passedMs;
        for (let n = 0; n < move.count; n++) {
          const id = `id-${count++}`;
          for (const one of [often, once]) remember(one.window, id, count, timeMs);
          twin.push({ id, timeMs });
          if (n % move.failing !== 0) continue;
          often.fail(id);
          failed.push(id);
        }
        twin = twin.filter((one) => timeMs - one.timeMs < windowMs).slice(-windowMax);
      }
      // Known only now to the one that folds late.
      for (const id of failed) once.fail(id);
      for (const one of [often, once]) one.flush();
      assert.deepEqual([...often.window.byId.values()], [...once.window.byId.values()]);
      assert.deepEqual(
        [...often.window.byId.keys()],
        twin.map(({ id }) => id),
      );
      assert.deepEqual(often.records(), once.records());
      often.restart();
      assert.deepEqual([...often.window.byId.values()], [...once.window.byId.values()]);
      for (const one of [often, once]) {
        forgetAll(one.window);
        one.flush();
        assert.deepEqual(one.records(), []);
      }
    }),
    { numRuns: 60 },
  );
});

test('a share that is not there, or not whole, is found out', () => {
  const kept = createKept();
  for (let n = 0; n < 40; n++) remember(kept.window, `id-${n}`, n + 1, 1_000);
  kept.flush();
  assert.throws(() => readWindow(name, 41, 41, () => undefined), /KEYSPACE_SOUND/);
  const [first] = createKeptWrites(kept.window);
  assert.throws(() => readWindow(name, 41, 41, () => first), /KEYSPACE_SOUND/);
});

const createKeptWrites = (window: ReturnType<typeof newWindow>): Uint8Array[] => {
  for (const share of window.shares.keys()) window.dirty.add(window.firstShare + share);
  const writes: KeyspaceWrite[] = [];
  writeWindow(name, window, writes);
  return writes.map(({ value }) => value!);
};
