// Leases that renew themselves and locks on them.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { failure } from '../../../machines/errors.ts';
import { type Client, createClient, PolityError } from '../../../src/client/index.ts';
import type { Gateway } from '../../../src/gateway/index.ts';
import { FakeNode } from '../gateway/fake-node.ts';
import { openTestGateway } from '../gateway/open.ts';

let node: FakeNode;
let gateway: Gateway;
let client: Client;
before(async () => {
  node = new FakeNode();
  gateway = await openTestGateway(node);
  client = createClient({ urls: [gateway.url] });
});
after(async () => {
  client.close();
  await gateway.close();
});
beforeEach(() => {
  node.intercept = () => null;
});

const aborted = (signal: AbortSignal): Promise<unknown> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve(signal.reason);
    else signal.addEventListener('abort', () => resolve(signal.reason));
  });

test('a lease renews itself until it is revoked', async () => {
  const renewals: string[] = [];
  let renewed = (): void => {};
  node.intercept = (asked) => {
    if (asked.type === 'write' && asked.write.op === 'lease-renew') {
      renewals.push(asked.write.lease);
      renewed();
    }
    return null;
  };
  // Long enough for a busy machine to renew it in time; where it cannot, this ends all the same, and says so below.
  const lease = await client.lease(2_000);
  const lost = aborted(lease.signal);
  while (renewals.length < 2 && !lease.signal.aborted)
    await Promise.race([lost, new Promise<void>((resolve) => (renewed = resolve))]);
  assert.deepEqual(renewals.slice(0, 2), [lease.id, lease.id]);
  assert.equal(lease.signal.aborted, false);
  await lease.revoke();
  assert.equal(lease.signal.aborted, true);
  assert.equal(await client.leases.get(lease.id), null);
  await lease.revoke();
});

test('a lease that the cluster lost is lost here at the next renewal', async () => {
  const lease = await client.lease(300);
  node.apply({ op: 'lease-revoke', lease: lease.id });
  const reason = await aborted(lease.signal);
  assert.ok(reason instanceof PolityError && reason.code === 'LEASE_NOT_FOUND');
});

test('a lease that cannot be renewed is lost after its time, although nobody said so', async () => {
  const lease = await client.lease(300);
  node.intercept = () => failure('NO_QUORUM', 'cut off');
  assert.match(String(await aborted(lease.signal)), /could not be renewed in time/);
});

test('one lock, two that want it; the second waits and then has it under a greater token', async () => {
  const first = await client.lock('job', { owner: 'a', ttlMs: 10_000 });
  await assert.rejects(
    client.lock('job', { owner: 'b' }),
    (error) => error instanceof PolityError && error.code === 'LOCK_HELD',
  );
  assert.equal((await client.locks.get('job'))?.owner, 'a');
  const waiting = client.lock('job', { owner: 'b', waitMs: 10_000 });
  await client.put('guarded', '1', { fence: first.fence });
  await first.release();
  const second = await waiting;
  assert.ok(second.token.index > first.token.index);
  await assert.rejects(client.put('guarded', '2', { fence: first.fence }), { code: 'FENCED' });
  await client.put('guarded', '2', { fence: second.fence });
  await second.release();
  assert.equal(await client.locks.get('job'), null);
});

test('a key on a lease falls with it', async () => {
  {
    await using lease = await client.lease(10_000);
    await client.put('leased', 'x', { lease });
    assert.equal((await client.get('leased'))?.lease, lease.id);
  }
  assert.equal(await client.get('leased'), null);
});

test('leases and locks by hand', async () => {
  const { lease } = await client.leases.grant(10_000);
  assert.equal((await client.leases.renew(lease)).expiresAtMs, node.nowMs + 10_000);
  const token = await client.locks.acquire('by/hand', { lease, owner: 'me' });
  await client.locks.release('by/hand', token);
  await assert.rejects(client.locks.release('by/hand', token), PolityError);
  await client.leases.revoke(lease);
  await assert.rejects(client.lease(10), { code: 'INVALID_REQUEST' });
});
