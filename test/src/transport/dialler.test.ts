// Whom a dialler calls, and under which addresses.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Dialler } from '../../../src/transport/dialler.ts';
import { transportLimits } from '../../../src/transport/limits.ts';

test('addresses told with and without the peer id of one peer are dialled as that peer, each once', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const dialled: (readonly string[])[] = [];
  let open = false;
  const dialler = new Dialler({
    ...{
      self: 'me',
      limits: transportLimits,
      nowMs: () => 0,
      random: () => 0,
      isOpen: () => open,
      isOwn: () => false,
      isOther: () => false,
    },
    async dial(addresses) {
      dialled.push([...addresses]);
      open = true;
      return 'them';
    },
    onFailed: () => assert.fail('no dial fails here'),
  });
  const turn = async (): Promise<void> => {
    t.mock.timers.tick(transportLimits.redialMsMax);
    await new Promise((resolve) => setImmediate(resolve));
  };
  // From --join, then from what the peer says of itself, and from what others say.
  dialler.keep(['/ip4/10.0.0.1/tcp/1']);
  await turn();
  dialler.keep(['/ip4/10.0.0.1/tcp/1/p2p/them', '/ip4/10.0.0.2/tcp/1/p2p/them']);
  dialler.opened('them');
  await turn();
  assert.deepEqual(dialled, [['/ip4/10.0.0.1/tcp/1']]);
  open = false;
  dialler.closed('them');
  await turn();
  assert.deepEqual(dialled[1], ['/ip4/10.0.0.1/tcp/1/p2p/them', '/ip4/10.0.0.2/tcp/1/p2p/them']);
  dialler.stop();
});

test('where somebody else lives by now is looked at again after a minute', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let dials = 0;
  const dialler = new Dialler({
    ...{ self: 'me', limits: transportLimits, nowMs: () => 0, random: () => 0.999, isOpen: () => false, isOwn: () => false },
    isOther: (error) => error.message === 'other',
    async dial() {
      dials++;
      throw new Error(dials <= 2 ? 'other' : 'refused');
    },
    onFailed: () => {},
  });
  const pass = async (ms: number): Promise<number> => {
    t.mock.timers.tick(ms);
    await new Promise((resolve) => setImmediate(resolve));
    return dials;
  };
  const { redialOtherMs, redialMsMax } = transportLimits;
  dialler.keep(['/ip4/10.0.0.1/tcp/1/p2p/them']);
  assert.equal(await pass(0), 1);
  assert.equal(await pass(redialOtherMs - redialMsMax), 1);
  assert.equal(await pass(redialMsMax), 2);
  assert.equal(await pass(redialOtherMs), 3);
  // Nobody there is another matter.
  assert.equal(await pass(redialMsMax), 4);
  dialler.stop();
});

test('a peer that moves again and again is looked for where it was last said to be, and at once', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const dialled: (readonly string[])[] = [];
  let home = '';
  let open = false;
  const dialler = new Dialler({
    ...{ self: 'me', limits: transportLimits, nowMs: () => 0, random: () => 0.999, isOpen: () => open },
    ...{ isOwn: () => false, isOther: (error: Error) => error.message === 'other' },
    async dial(addresses) {
      dialled.push([...addresses]);
      if (!addresses.includes(home)) throw new Error('other');
      open = true;
      return 'them';
    },
    onFailed: () => {},
  });
  const pass = async (ms: number): Promise<void> => {
    t.mock.timers.tick(ms);
    await new Promise((resolve) => setImmediate(resolve));
  };
  const addressOf = (port: number): string => `/ip4/10.0.0.1/tcp/${port}/p2p/them`;
  const { targetAddressesMax } = transportLimits;
  for (let port = 1; port <= 3 * targetAddressesMax; port++) {
    home = addressOf(port);
    dialler.keep([addressOf(port)]);
    await pass(0);
    assert.ok(open, `found at ${port}`);
    assert.deepEqual(
      dialled.at(-1),
      Array.from({ length: Math.min(port, targetAddressesMax) }, (_, ago) => addressOf(port - ago)),
    );
    open = false;
    dialler.closed('them');
    await pass(0);
    // It waits as long as for one at whose address another lives; what is news ends that.
    home = '';
    await pass(transportLimits.redialMsMin);
  }
  const dials = dialled.length;
  home = addressOf(7);
  dialler.keep([addressOf(3 * targetAddressesMax)]);
  await pass(0);
  assert.equal(dialled.length, dials, 'what is known already is no news');
  dialler.stop();
});

test('told of a new address while it dials the old ones, it dials again as soon as they have failed', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const dialled: (readonly string[])[] = [];
  const fails: (() => void)[] = [];
  const dialler = new Dialler({
    ...{ self: 'me', limits: transportLimits, nowMs: () => 0, random: () => 0.999, isOpen: () => false },
    ...{ isOwn: () => false, isOther: () => false },
    dial(addresses) {
      dialled.push([...addresses]);
      return new Promise((_, reject) => fails.push(() => reject(new Error('refused'))));
    },
    onFailed: () => {},
  });
  const turn = async (): Promise<void> => {
    t.mock.timers.tick(0);
    await new Promise((resolve) => setImmediate(resolve));
  };
  dialler.keep(['/ip4/10.0.0.1/tcp/1/p2p/them']);
  await turn();
  dialler.keep(['/ip4/10.0.0.1/tcp/2/p2p/them']);
  await turn();
  assert.equal(dialled.length, 1);
  fails[0]!();
  await turn();
  await turn();
  assert.deepEqual(dialled[1], ['/ip4/10.0.0.1/tcp/2/p2p/them', '/ip4/10.0.0.1/tcp/1/p2p/them']);
  dialler.remove('them');
  fails[1]!();
  await turn();
  t.mock.timers.tick(transportLimits.redialMsMax);
  await turn();
  assert.equal(dialled.length, 2, 'nobody is looked for any more');
  dialler.stop();
});
