// Which deliveries are remembered: the last thousand, ten minutes of log time; and the keyspace says the same whenever it was written and
// whenever it became known which of them failed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ledgerLimits } from '../../../machines/entity/ledger-types.ts';
import {
  allDelivered,
  bury,
  delivered,
  forgottenWindow,
  newWindow,
  readWindow,
  remember,
  setFailed,
  windowShare,
  writeWindow,
} from '../../../machines/entity/ledger-window.ts';
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
    forget(): void {
      window = forgottenWindow(window);
    },
    restart(): void {
      flush();
      window = readWindow(name, window.next - window.first, window.next, keyspace.read);
    },
    fail(id: string): void {
      const one = delivered(window, id);
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
      assert.deepEqual(allDelivered(often.window), allDelivered(once.window));
      assert.deepEqual(
        allDelivered(often.window).map(({ id }) => id),
        twin.map(({ id }) => id),
      );
      assert.deepEqual(often.records(), once.records());
      for (let n = 0; n < count; n++) {
        const isKept = n >= count - twin.length;
        assert.equal(delivered(often.window, `id-${n}`)?.id, isKept ? `id-${n}` : undefined);
      }
      often.restart();
      assert.deepEqual(allDelivered(often.window), allDelivered(once.window));
      for (const one of [often, once]) {
        one.forget();
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

test('a removed actor: what was forgotten in a share is numbered like what is buried, and all of it is read as it was', () => {
  const kept = createKept();
  const lateMs = windowMs + 10;
  for (let at = 0; at < 20; at++) remember(kept.window, `old-${at}`, at + 1, at);
  for (let at = 0; at < windowShare; at++) remember(kept.window, `new-${at}`, 30 + at, lateMs);
  kept.fail('new-3');
  assert.equal(kept.window.first, 11, 'the first are forgotten, and their share is still there');
  bury(kept.window, { seq: 40, failed: [['new-3', 'ACTOR_FAILED']] });
  remember(kept.window, 'next', 70, lateMs);
  const before = allDelivered(kept.window);
  kept.restart();
  assert.deepEqual(allDelivered(kept.window), before);
  const of = (id: string) => [delivered(kept.window, id)!.seq, delivered(kept.window, id)!.failed];
  assert.deepEqual(of('new-3'), [0, 'ACTOR_FAILED']);
  assert.deepEqual(of('new-4'), [0, null]);
  assert.deepEqual(of('new-11'), [0, 'OUTCOME_UNKNOWN'], 'who removes it had not come so far');
  assert.deepEqual(of('next'), [70, null]);
});
