// What becomes of a node whose disk fails it: lost, full, damaged, or in use by another process. It says what is wrong, promises
// nothing that it cannot keep, gives no vote, and the others go on.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Level } from 'level';
import { groupKeys } from '../../actors/keyspace.ts';
import { databaseIn } from '../../src/storage/directory.ts';
import { polity } from '../src/cli/polity.ts';
import { type Cluster, cli, groupOf, sleep, until, withCluster } from './cluster.ts';
import type { NodeProcess } from './node-process.ts';
import { underLoad } from './verdict.ts';
import type { Workload } from './workload.ts';

const limits = { timeout: 300_000 };

/** Longer than several elections take: a vote that should not be there would have made a leader. */
const leaderlessMs = 1_200;

/** With `gone` dead, `alone` and a node without a vote are no quorum. */
const assertNoVote = async (gone: NodeProcess, alone: NodeProcess): Promise<void> => {
  await gone.kill9();
  await until('the survivor knows no leader', async () => {
    const status = await alone.status();
    return status !== null && groupOf(status)?.leader === null;
  });
  const untilMs = performance.now() + leaderlessMs;
  while (performance.now() < untilMs) {
    const status = await alone.status();
    assert.notEqual(status && groupOf(status)?.role, 'leader', 'a node without a vote elected a leader');
    await sleep(50);
  }
  const refused = await alone.ask('PUT', '/v1/kv/nobody?timeout-ms=500', 'x');
  assert.deepEqual([refused.status, refused.fields.code, refused.fields.definite], [503, 'NO_QUORUM', true]);
  await gone.start();
};

const emptyDisk = async (cluster: Cluster, t: TestContext): Promise<void> => {
  const done = await underLoad(cluster, { seed: 2, explained: ['IDENTITY_LOST'] }, async (workload) => {
    const leader = await cluster.settled();
    const [wiped, other] = cluster.others(leader) as [NodeProcess, NodeProcess];
    await wiped.kill9();
    wiped.wipe();
    await wiped.start();
    const status = await until('IDENTITY_LOST in the status', async () => {
      const now = await wiped.status();
      return now?.reason === 'IDENTITY_LOST' ? now : null;
    });
    assert.deepEqual([status.state, status.groups], ['joining', []]);
    const read = await wiped.ask('GET', '/v1/kv/register-0');
    assert.deepEqual([read.status, read.fields.code], [503, 'IDENTITY_LOST']);
    assert.equal((await wiped.ask('GET', '/health/ready')).fields.code, 'IDENTITY_LOST');
    await workload.progress();
    await assertNoVote(leader, other);
    const serving = await cluster.settled([leader, other]);
    await cli(serving, 'group', 'remove', 'kv', wiped.name);
    await cli(other, 'group', 'add', 'kv', wiped.name);
    await cluster.settled();
    // The leader knows of the end of the change first, the others with its next word.
    await until('all are voters in the eyes of the one that came back', async () => {
      const voters = groupOf((await wiped.status())!)?.voters ?? [];
      return cluster.nodes.every(({ name }) => voters.includes(name)) ? voters : null;
    });
    // The old identity is gone for good, and its address has a new owner: that is no news every second.
    const refusals = other.log().match(/does not match expected remote identity key/g) ?? [];
    assert.ok(refusals.length <= 9, `${other.name} logged ${refusals.length} times that the old identity is not there`);
    // It votes again: the other two are not needed both.
    await leader.kill9();
    await workload.progress();
    await leader.start();
  });
  t.diagnostic(done);
};

const damagedRecord = async (cluster: Cluster, t: TestContext): Promise<void> => {
  const done = await underLoad(cluster, { seed: 3 }, async (workload) => {
    const leader = await cluster.settled();
    const [torn, other] = cluster.others(leader) as [NodeProcess, NodeProcess];
    await t.test('the second process ends with 1 and says why', async () => {
      const words = other.plan.words.map((word) => (word === `127.0.0.1:${other.plan.httpPort}` ? '127.0.0.1:0' : word));
      const second = await polity(['start', ...words]);
      assert.deepEqual([second.code, second.stdout], [1, '']);
      assert.match(second.stderr, /data directory .* cannot be opened: another process has it open/);
    });
    await torn.term();
    await damage(torn);
    await torn.start();
    const status = await until('LOG_CORRUPT in the status', async () => {
      const now = await torn.status();
      return now !== null && groupOf(now)?.halted === 'LOG_CORRUPT' ? now : null;
    });
    assert.deepEqual([status.state, status.reason, groupOf(status)!.role], ['joining', 'STORAGE_FAILED', 'none']);
    assert.match(torn.log(), /"code":"LOG_CORRUPT".*the log batch at \d+/);
    assert.equal((await torn.ask('GET', '/health/ready')).fields.code, 'STORAGE_FAILED');
    assert.equal((await torn.ask('GET', '/health/live')).status, 200);
    await workload.progress();
    await assertNoVote(leader, other);
    await cluster.settled([leader, other]);
    // As good as dead: it is replaced like the node with the empty disk above.
    await torn.term();
  });
  t.diagnostic(done);
};

const triesMax = 6;

/**
 * Only a leader to whom it had been acknowledged knows what is missing. On a busy machine another may lead before the node is back:
 * false, and nothing is known.
 */
const isNoticed = async (cluster: Cluster, workload: Workload): Promise<boolean> => {
  const old = await cluster.follower();
  const copy = `${old.plan.data}.copy`;
  await old.term();
  rmSync(copy, { recursive: true, force: true });
  cpSync(old.plan.data, copy, { recursive: true });
  await old.start();
  const leader = await cluster.settled();
  if (leader === old) return false;
  const { term } = groupOf(await until('the status of the leader', () => leader.status()))!;
  await workload.progress(100);
  await old.kill9();
  old.wipe();
  cpSync(copy, old.plan.data, { recursive: true });
  await old.start();
  const told = new RegExp(`"code":"LOG_REGRESSED".*${old.name} acknowledged`);
  const seen = await until('LOG_REGRESSED in the log of the leader, or another one', async () => {
    if (told.test(leader.log())) return 'told';
    const status = await leader.status();
    return status !== null && groupOf(status)!.term !== term && 'another leads';
  });
  if (seen === 'told') await old.term();
  return seen === 'told';
};

test('an old copy of a disk: the leader refuses its acknowledgements and says so', limits, (t) =>
  withCluster({ nodes: 3 }, async (cluster) => {
    const done = await underLoad(cluster, {}, async (workload) => {
      for (let tries = 1; !(await isNoticed(cluster, workload)); tries++)
        assert.ok(tries < triesMax, 'it never led for long enough');
      await workload.progress();
    });
    t.diagnostic(done);
  }),
);

/** Flips one bit of the youngest batch of the log, as rot would: LevelDB's own checksums are renewed, ours are not. */
const damage = async ({ plan }: NodeProcess): Promise<void> => {
  const database = new Level<Uint8Array, Uint8Array>(databaseIn(plan.data), { keyEncoding: 'view', valueEncoding: 'view' });
  await database.open();
  const [[key, value]] = (await database.iterator({ ...groupKeys('kv').logRange, reverse: true, limit: 1 }).all()) as [
    [Uint8Array, Uint8Array],
  ];
  const rotten = value.slice();
  rotten[rotten.byteLength >> 1]! ^= 0x10;
  await database.put(key, rotten, { sync: true });
  await database.close();
};

class SmallDisk {
  readonly path = mkdtempSync(join(tmpdir(), 'polity-disk-'));
  readonly #ballast = join(this.path, 'ballast');

  constructor() {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=48m,mode=0700', 'polity-e2e', this.path], { stdio: 'pipe' });
  }

  fill(): void {
    const { bavail, bsize } = statfsSync(this.path);
    try {
      writeFileSync(this.#ballast, Buffer.alloc(bavail * bsize));
    } catch (error) {
      // The node wrote meanwhile: then there is no room for all of it, which is what this is for.
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
  }

  free(): void {
    rmSync(this.#ballast);
  }

  remove(): void {
    execFileSync('umount', [this.path], { stdio: 'pipe' });
    rmdirSync(this.path);
  }
}

/** Null where this user may not mount. */
const smallDisk = (): SmallDisk | null => {
  try {
    return new SmallDisk();
  } catch {
    return null;
  }
};

const fullDisk = async (cluster: Cluster, disk: SmallDisk, t: TestContext): Promise<void> => {
  const full = cluster.node('n1');
  const done = await underLoad(cluster, { seed: 1, explained: ['STORAGE_FAILED'] }, async (workload) => {
    if ((await cluster.settled()) !== full) await cli(full, 'group', 'transfer', 'kv', full.name);
    assert.equal((await cluster.settled()).name, full.name);
    disk.fill();
    await until('STORAGE_FAILED in the status', async () => (await full.status())?.reason === 'STORAGE_FAILED');
    await workload.progress();
    assert.notEqual((await cluster.settled(cluster.others(full))).name, full.name);
    assert.equal((await full.ask('GET', '/health/live')).status, 500);
    assert.equal((await full.ask('GET', '/health/ready')).fields.code, 'STORAGE_FAILED');
    assert.match(full.log(), /"code":"DISK_FULL".*the disk refused a write/);
    const ended = await full.term();
    assert.deepEqual([ended.code, ended.signal], [0, null]);
    await assert.rejects(
      full.start(),
      /ended \(exit code 1\)[\s\S]*n1 cannot start: DISK_FULL: the data directory [\s\S]* No space left/,
    );
    disk.free();
    await full.start();
    await cluster.settled();
  });
  t.diagnostic(done);
};

test('a disk that is full, empty or damaged, one after the other in one cluster', { timeout: 900_000 }, async (t) => {
  const disk = smallDisk();
  try {
    if (disk !== null) mkdirSync(join(disk.path, 'data'));
    const dataOf = (name: string, otherwise: string): string =>
      disk !== null && name === 'n1' ? join(disk.path, 'data') : otherwise;
    await withCluster({ nodes: 3, dataOf }, async (cluster) => {
      await t.test('full, under the leader: another leads, it says what is wrong, and comes back after space was made', (t) =>
        disk === null ? t.skip('only a user who may mount a tmpfs can have a disk that is full') : fullDisk(cluster, disk, t),
      );
      await t.test('empty: IDENTITY_LOST, no vote, then removed and added again', (t) => emptyDisk(cluster, t));
      await t.test('a damaged record: halted, no vote; and no second process on a directory in use', (t) =>
        damagedRecord(cluster, t),
      );
    });
  } finally {
    disk?.remove();
  }
});
