// A lock over a failover: it survives the leader that granted it, falls with its lease, and whoever held it before can write nothing
// under it any more.
import assert from 'node:assert/strict';
import { type Client, createClient, PolityError } from '../../src/client/index.ts';
import { type Cluster, sleep, until } from './cluster.ts';

const ttlMs = 8_000;
const renewMs = 500;

/** Keeps a lease alive, over failovers too, until it is told to stop. */
const keepAlive = (client: Client, lease: string): (() => Promise<void>) => {
  let isOver = false;
  const running = (async () => {
    while (!isOver) {
      await client.leases.renew(lease, { timeoutMs: 2_000 }).catch(() => {});
      await sleep(renewMs);
    }
  })();
  return async () => {
    isOver = true;
    await running;
  };
};

const refusedWith = (code: string) => (error: unknown) => error instanceof PolityError && error.code === code && error.definite;

export const lockOutlivesLeader = async (cluster: Cluster): Promise<void> => {
  const client = createClient({ urls: cluster.nodes.map((node) => node.url), timeoutMs: 15_000 });
  const { lease } = await client.leases.grant(ttlMs);
  const freeze = keepAlive(client, lease);
  try {
    const token = await client.locks.acquire('job', { lease, owner: 'old' });
    const fence = { lock: 'job', token };
    await client.put('work', 'by the old holder', { fence });

    const leader = await cluster.settled();
    await leader.kill9();
    await until('the lease is renewed at the new leader', () => client.leases.renew(lease, { timeoutMs: 2_000 }));
    await assert.rejects(client.lock('job', { owner: 'new' }), refusedWith('LOCK_HELD'));
    await client.put('work', 'by the old holder, at the new leader', { fence });
    await leader.start();

    // From here on the old holder renews no more, as if it were frozen.
    await freeze();
    const lock = await client.lock('job', { owner: 'new', waitMs: 4 * ttlMs });
    assert.ok(
      lock.token.term > token.term || (lock.token.term === token.term && lock.token.index > token.index),
      `a later holder has a greater token: ${JSON.stringify([token, lock.token])}`,
    );
    await client.put('work', 'by the new holder', { fence: lock.fence });
    await assert.rejects(client.put('work', 'by the old holder, thawed', { fence }), refusedWith('FENCED'));
    await assert.rejects(client.delete('work', { fence }), refusedWith('FENCED'));
    await assert.rejects(client.leases.renew(lease), refusedWith('LEASE_NOT_FOUND'));
    assert.equal((await client.get('work'))?.text(), 'by the new holder');

    const next = await cluster.settled();
    await next.kill9();
    await assert.rejects(client.put('work', 'by the old holder, again', { fence }), refusedWith('FENCED'));
    await client.put('work', 'still by the new holder', { fence: lock.fence });
    assert.equal((await client.locks.get('job'))?.owner, 'new');
    await lock.release();
    await assert.rejects(client.put('work', 'after the release', { fence: lock.fence }), refusedWith('FENCED'));
    assert.equal(await client.locks.get('job'), null);
  } finally {
    await freeze();
    client.close();
  }
};
