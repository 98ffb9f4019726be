// The simulator for developers of applications: bugs of theirs are found, what is right holds, and what is not of the world is caught.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type Application,
  assertHolds,
  describeFailure,
  type SimulatedClient,
  type SimulateOptions,
  type SimulateResult,
  SimulationFailed,
  simulate,
} from '../../../sim/index.ts';
import type { Client } from '../../../src/client/index.ts';
import { PolityError } from '../../../src/errors.ts';

/** Compiles only as long as code that is written over a real client runs on a simulated one. */
type Words = 'get' | 'put' | 'cas' | 'delete' | 'page' | 'list' | 'watch' | 'lease' | 'lock' | 'leases' | 'locks';
type Fits<Given extends Wanted, Wanted> = Given;
export type ClientFits = Fits<SimulatedClient, Pick<Client, Words>>;

const codeOf = (error: unknown): string => (error instanceof PolityError ? error.code : String(error));

/** Adds one to a counter, so often; `mended`: only if it is still what was read. */
const counting = (isMended: boolean) => (): Application => {
  let added = 0;
  return {
    async workload({ client }) {
      for (let done = 0; done < 4; ) {
        const counter = await client.get('counter');
        const next = String(Number(counter?.text() ?? 0) + 1);
        try {
          await client.put('counter', next, isMended ? { ifIndex: counter?.index ?? 0 } : {});
          added++;
          done++;
        } catch (error) {
          if (codeOf(error) !== 'CAS_MISMATCH') throw error;
        }
      }
    },
    async check({ client }) {
      assert.equal((await client.get('counter'))?.text(), String(added));
    },
  };
};

describe('a planted bug', () => {
  const options: SimulateOptions = { nodes: 3, seeds: [1, 5], faults: [], timeMs: 5_000 };

  test('a lost update is found, and the seed finds it again', async () => {
    const result = await simulate(options, counting(false));
    assert.equal(result.verdict, 'correctness');
    const [failed] = result.failed;
    const again = await simulate({ ...options, seeds: failed!.seed }, counting(false));
    assert.equal(again.failed[0]?.hash, failed!.hash);
    assert.equal(again.failed[0]?.reason, failed!.reason);
    const text = describeFailure(failed!);
    for (const part of ['AssertionError', 'client 1: put "counter"', `seeds: ${failed!.seed}`])
      assert.ok(text.includes(part), text);
    assert.throws(() => assertHolds(result), SimulationFailed);
  });

  test('a failure can be looked at: one file with the run, what the programs did, and nothing of what they did not', async () => {
    const spiteful = '</pre><script>alert(1)</script>';
    const noted = (): Application => {
      const application = counting(false)();
      return {
        ...application,
        workload(context) {
          context.note(spiteful);
          return application.workload(context);
        },
      };
    };
    const result = await simulate({ ...options, shrink: true, report: true }, noted);
    const { report, reason, hash } = result.failed[0]!;
    assert.ok(report !== null);
    assert.ok(report.startsWith('<!doctype html>') && report.endsWith('</html>\n'));
    for (const part of ['What the programs did', 'client 1: put', 'Who was what', hash, 'simulate({ …, seeds: '])
      assert.ok(report.includes(part), part);
    assert.ok(report.includes('&lt;script&gt;alert(1)') && !report.includes(spiteful));
    assert.ok(!report.includes('think ms'), 'knobs of clients that there are not');
    const plain = await simulate({ ...options, shrink: true }, noted);
    assert.equal(plain.failed[0]?.report, null);
    assert.deepEqual([plain.failed[0]?.reason, plain.failed[0]?.hash], [reason, hash]);
  });

  test('without it all seeds hold', async () => {
    const result = await simulate(options, counting(true));
    assertHolds(result);
    assert.equal(result.seeds.length, 5);
    assert.ok(result.seeds.every(({ calls, steps }) => calls > 20 && steps > 100));
  });
});

describe('a lock', () => {
  /** Whoever holds the lock adds one to an account; paused for too long, he is not the holder any more and does not know it. */
  const adding = (isFenced: boolean) => (): Application => {
    const booked: string[] = [];
    return {
      async workload({ client, sleep, random, isOver }) {
        while (!isOver()) {
          const lock = await client.lock('job', { ttlMs: 1_000, waitMs: 2_000 }).catch(() => null);
          if (lock === null) continue;
          try {
            const sum = `${Number((await client.get('account'))?.text() ?? 0) + 1}`;
            await sleep(random() * 300);
            await client.put('account', sum, isFenced ? { fence: lock.fence } : {});
            booked.push(sum);
          } catch (error) {
            assert.ok(error instanceof PolityError);
          } finally {
            await lock.release().catch(() => {});
          }
          await sleep(random() * 200);
        }
      },
      always: () => assert.equal(new Set(booked).size, booked.length, 'one sum was booked twice'),
    };
  };
  const options: SimulateOptions = { nodes: 3, timeMs: 12_000, faults: ['pause', 'isolate-leader', 'kill'], twice: 'none' };

  test('without its fence is found not to be enough', async () => {
    const { verdict, failed } = await simulate({ ...options, seeds: [1, 10] }, adding(false));
    assert.equal(verdict, 'correctness');
    assert.match(failed[0]!.reason, /one sum was booked twice/);
  });

  test('with it holds', async () => {
    assertHolds(await simulate({ ...options, seeds: [1, 3] }, adding(true)));
  });
});

test('under all faults a compare-and-set counter holds', async () => {
  const make = (): Application => ({
    async workload({ client, isOver, sleep, random }) {
      for (let round = 0; round < 10 && !isOver(); round++) {
        const seen = (await client.get('counter').catch(() => null))?.text() ?? null;
        await client
          .cas('counter', seen, `${Number(seen ?? 0) + 1}`)
          .catch((error: unknown) => assert.ok(error instanceof PolityError));
        await sleep(random() * 300);
      }
    },
  });
  const result = await simulate({ seeds: [1, 6], scenario: 'all-at-once', timeMs: 6_000 }, make);
  assertHolds(result);
});

describe('every word of the client', () => {
  const run = async (workload: Application['workload'], options: SimulateOptions = {}): Promise<SimulateResult> => {
    const result = await simulate({ nodes: 3, clients: 1, seeds: 3, faults: [], ...options }, () => ({ workload }));
    assertHolds(result);
    return result;
  };

  test('keys', async () => {
    await run(async ({ client, sleep }) => {
      const put = await client.put('a/1', 'one');
      const entry = await client.get('a/1');
      assert.deepEqual([entry?.text(), entry?.index, entry?.version], ['one', put.index, 1]);
      assert.equal(await client.get('none'), null);
      await client.put('a/2', new Uint8Array([0xff, 0]));
      assert.deepEqual((await client.get('a/2', { consistency: 'lease' }))?.value ?? null, new Uint8Array([0xff, 0]));
      await client.get('a/2', { consistency: 'local' });
      await client.cas('a/3', null, 'x');
      await assert.rejects(client.cas('a/3', null, 'y'), (error) => codeOf(error) === 'CAS_MISMATCH');
      const keys: string[] = [];
      for await (const { key } of client.list('a/', { limit: 10 })) keys.push(key);
      assert.deepEqual(keys, ['a/1', 'a/2', 'a/3']);
      assert.equal((await client.page('a/', { limit: 2 })).more, true);
      await client.delete('a/1');
      await assert.rejects(client.delete('a/1'), (error) => codeOf(error) === 'KEY_NOT_FOUND');
      await assert.rejects(client.get(''), (error) => codeOf(error) === 'INVALID_REQUEST');
      await assert.rejects(sleep(Number.NaN), (error) => codeOf(error) === 'INVALID_REQUEST');
      await sleep(-1);
      await assert.rejects(client.get('k', { timeoutMs: 0 }), (error) => codeOf(error) === 'INVALID_REQUEST');
      await assert.rejects(client.get('k', { group: 'other' }), (error) => codeOf(error) === 'GROUP_NOT_FOUND');
    });
  });

  test('a key with a time to live vanishes in virtual time', async () => {
    const startedMs = performance.now();
    await run(async ({ client, sleep, now }) => {
      const before = now();
      await client.put('brief', 'x', { ttlMs: 30_000 });
      await sleep(60_000);
      assert.equal(await client.get('brief'), null);
      assert.ok(now() - before >= 60_000);
    });
    assert.ok(performance.now() - startedMs < 20_000);
  });

  test('leases and locks: one holder at a time, a fence that outlives nobody', async () => {
    await run(
      async ({ client, sleep, id }) => {
        const lock = await client.lock('job', { ttlMs: 1_000, waitMs: 60_000, owner: `${id}` });
        assert.equal((await client.locks.get('job'))?.owner, `${id}`);
        await sleep(2_500);
        assert.equal(lock.signal.aborted, false, 'it renewed itself');
        await client.put('result', `${id}`, { fence: lock.fence });
        await lock.release();
        assert.equal(lock.signal.aborted, true);
        await assert.rejects(client.put('result', 'late', { fence: lock.fence }), (error) => codeOf(error) === 'FENCED');
      },
      { clients: 3 },
    );
  });

  test('a watch tells every change once, in order, across nodes that fall silent', async () => {
    const make = (): Application => {
      const seen: string[] = [];
      return {
        async workload({ client, id, sleep }) {
          if (id === 1) {
            for (let at = 0; at < 20; at++) {
              const once = { idempotencyKey: `w ${at}` };
              while (!(await client.put(`w/${at}`, `${at}`, once).catch(() => null))) await sleep(50);
              await sleep(200);
            }
            return;
          }
          for await (const event of client.watch('w/', { from: 1 })) {
            if (event.type === 'put') seen.push(event.key);
            if (seen.length === 20) return;
          }
        },
        check: () =>
          assert.deepEqual(
            seen,
            Array.from({ length: 20 }, (_, at) => `w/${at}`),
          ),
      };
    };
    const settings = { snapshotEntries: 10_000, raft: { retainEntries: 10_000 } };
    const faults = ['pause', 'reset', 'isolate-leader', 'slow-network'] as const;
    assertHolds(await simulate({ nodes: 3, clients: 2, seeds: [1, 4], faults, settings }, make));
  });

  test('a watch ends when the fire does, with the signal of its context', async () => {
    const workload: Application['workload'] = async ({ client, signal }) => {
      for await (const event of client.watch('', { signal })) assert.ok(event);
    };
    const { virtualMs } = (await run(workload, { timeMs: 3_000 })).seeds[0]!;
    assert.ok(virtualMs < 5_000, `${virtualMs}`);
  });

  test('an aborted call ends at once', async () => {
    await run(async ({ client, sleep }) => {
      const controller = new AbortController();
      const late = sleep(1).then(() => controller.abort(new Error('enough')));
      await assert.rejects(
        client.put('k', 'v', { signal: controller.signal }),
        /enough|OUTCOME_UNKNOWN|it may have happened|cancelled/,
      );
      await late;
      await assert.rejects(client.get('k', { signal: controller.signal }), /enough/);
    });
  });
});

test('long chains of promises are no trouble', async () => {
  const deep = async (depth: number): Promise<number> => (depth === 0 ? 0 : 1 + (await deep(depth - 1)));
  const result = await simulate({ nodes: 1, clients: 2, seeds: [1, 2], faults: [], twice: 'all' }, () => ({
    async workload({ client }) {
      for (let round = 0; round < 3; round++) {
        assert.equal(await deep(1_000), 1_000);
        await client.put('k', `${round}`);
      }
    },
  }));
  assertHolds(result);
});

test('invariants are looked at after every event', async () => {
  let looks = 0;
  const { verdict, failed } = await simulate({ nodes: 3, seeds: 1, faults: [], twice: 'none' }, () => ({
    async workload({ client }) {
      await client.put('k', 'v');
    },
    always({ nowMs, nodes }) {
      looks++;
      assert.equal(nodes().length, 3);
      assert.ok(nowMs < 200 || looks < 50, 'planted');
    },
  }));
  assert.equal(verdict, 'correctness');
  assert.match(failed[0]!.reason, /always: AssertionError.*planted/);
});

test('a workload that throws ends its seed as a crash, one that never ends as no progress', async () => {
  const thrown = await simulate({ nodes: 1, seeds: 1, faults: [] }, () => ({
    async workload() {
      throw new TypeError('a typo');
    },
  }));
  assert.equal(thrown.verdict, 'crash');
  assert.match(thrown.failed[0]!.reason, /client 1: TypeError: a typo/);
  const endless = await simulate({ nodes: 1, seeds: 1, faults: [], timeMs: 1_000, twice: 'none' }, () => ({
    async workload({ sleep }) {
      for (;;) await sleep(1_000);
    },
  }));
  assert.equal(endless.verdict, 'liveness');
  assert.match(endless.failed[0]!.reason, /the workload ends: not within 60000 ms; client \d waits for sleep 1000 ms/);
});

test('a fault that is left out leaves the others where they were', async () => {
  const options: SimulateOptions = {
    nodes: 3,
    seeds: 4,
    timeMs: 4_000,
    scenario: 'rolling-restart',
    twice: 'none',
    linearizable: false,
  };
  const workload: Application['workload'] = async ({ sleep, isOver }) => {
    while (!isOver()) await sleep(100);
  };
  const faultsOf = async (without: readonly number[]) => {
    const { failed } = await simulate({ ...options, without }, () => ({
      workload,
      check: () => assert.fail('to see its faults'),
    }));
    return failed[0]!.faults;
  };
  const all = await faultsOf([]);
  assert.ok(all.length >= 2);
  const [first, second] = all;
  const rest = await faultsOf([first!.number]);
  assert.ok(!rest.some(({ number }) => number === first!.number));
  assert.deepEqual([rest[0]!.number, rest[0]!.atMs], [second!.number, second!.atMs]);
});

test('a failure is made smaller, and its options repeat it', async () => {
  const options: SimulateOptions = {
    nodes: 3,
    clients: 6,
    seeds: 1,
    timeMs: 4_000,
    faults: ['pause', 'kill', 'reset'],
    twice: 'none',
  };
  const [failed] = (await simulate({ ...options, shrink: true }, counting(false))).failed;
  const { smaller, knobs } = failed!;
  assert.ok(knobs.clients >= 2 && knobs.clients < 6, 'a lost update takes two');
  assert.equal(knobs.nodes, 1);
  const [again] = (await simulate({ ...options, ...smaller }, counting(false))).failed;
  assert.deepEqual([again?.hash, again?.reason], [failed!.hash, failed!.reason]);
  assert.match(describeFailure(failed!), /seeds: 1, .*clients: \d/);
});

test('a seed is the same run whatever ran before it', async () => {
  const options: SimulateOptions = { nodes: 3, timeMs: 3_000, faults: ['kill', 'partition', 'pause'], twice: 'none' };
  const alone = await simulate({ ...options, seeds: 9 }, counting(true));
  const among = await simulate({ ...options, seeds: [7, 9] }, counting(true));
  assert.equal(among.seeds.at(-1)?.hash, alone.seeds[0]?.hash);
});

test('options that make no sense are told', async () => {
  const refused = (options: SimulateOptions): Promise<void> =>
    assert.rejects(simulate(options, counting(true)), (error) => codeOf(error) === 'INVALID_REQUEST');
  await refused({ seeds: [5, 1] });
  await refused({ seeds: -1 });
  await refused({ nodes: 0 });
  await refused({ clients: 1.5 });
  await refused({ scenario: 'none' });
  await refused({ scenario: 'calm', faults: [] });
  await refused({ faults: ['no such'] as never });
  await refused({ timeMs: Number.NaN });
});
