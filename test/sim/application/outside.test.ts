// What is not of its world is not let in: an application that uses the real time, real chance or real promises is told so.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { setImmediate as realTurn } from 'node:timers/promises';
import { type Application, type SimulateOptions, simulate } from '../../../sim/index.ts';

describe('what is not of the world is caught', () => {
  const options: SimulateOptions = { nodes: 1, clients: 1, seeds: 2, faults: [], timeMs: 2_000 };
  const reasonOf = async (workload: Application['workload'], twice: 'some' | 'none' = 'some'): Promise<[string, string]> => {
    const { verdict, failed } = await simulate({ ...options, twice }, () => ({ workload }));
    return [verdict, failed[0]?.reason ?? ''];
  };

  test('real chance: the first line that differs', async () => {
    const [verdict, reason] = await reasonOf(async ({ client }) => void (await client.put('k', `${Math.random()}`)));
    assert.equal(verdict, 'unrepeatable');
    assert.match(
      reason,
      /seed 2 does not repeat itself: line \d+ is\n.*client 1 put "k" "0\..*\nand then\n.*client 1 put "k" "0\./,
    );
  });

  test('real time', async () => {
    const [verdict, reason] = await reasonOf(async ({ client, sleep }) => {
      await client.put('k', `${performance.now()}`);
      await sleep(5);
    });
    assert.equal(verdict, 'unrepeatable');
    assert.match(reason, /does not repeat itself/);
  });

  test('state that outlives a seed', async () => {
    let runs = 0;
    const [verdict] = await reasonOf(async ({ client }) => void (await client.put('k', `${++runs}`)));
    assert.equal(verdict, 'unrepeatable');
  });

  test('a real timer, a file and a promise that nobody settles are said, not waited for', async () => {
    const outside: (() => Promise<unknown>)[] = [
      () => new Promise((resolve) => setTimeout(resolve, 1)),
      () => realTurn(),
      () => readFile(import.meta.filename),
      () => new Promise(() => {}),
    ];
    for (const wait of outside) {
      const [verdict, reason] = await reasonOf(async ({ client }) => {
        await client.get('k');
        await wait();
      }, 'none');
      assert.equal(verdict, 'liveness');
      assert.match(reason, /waits for something outside of the simulation: 1 of its programs has not ended/);
    }
  });

  test('what comes back from the outside after its run is dead', async () => {
    let late = '';
    await reasonOf(async ({ client, now }) => {
      late = 'waits';
      await realTurn();
      await client.get('k').finally(() => (late = 'answered'));
      now();
    });
    for (let turn = 0; turn < 5; turn++) await realTurn();
    assert.equal(late, 'waits');
    let error: unknown;
    await reasonOf(async ({ now }) => {
      await realTurn();
      try {
        now();
      } catch (thrown) {
        error = thrown;
      }
    });
    for (let turn = 0; turn < 5; turn++) await realTurn();
    assert.match(String(error), /client 1 goes on after the end of its run/);
  });

  test('a loop without end at one instant', async () => {
    const [verdict, reason] = await reasonOf(async ({ client }) => {
      for (;;) await client.get('k', { timeoutMs: 0 }).catch(() => {});
    }, 'none');
    assert.deepEqual([verdict, reason], ['crash', 'the application goes on without end at one instant of virtual time']);
  });
});
