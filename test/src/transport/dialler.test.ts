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
  dialler.add('/ip4/10.0.0.1/tcp/1');
  await turn();
  for (const address of ['/ip4/10.0.0.1/tcp/1/p2p/them', '/ip4/10.0.0.2/tcp/1/p2p/them']) dialler.add(address);
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
  dialler.add('/ip4/10.0.0.1/tcp/1/p2p/them');
  assert.equal(await pass(0), 1);
  assert.equal(await pass(redialOtherMs - redialMsMax), 1);
  assert.equal(await pass(redialMsMax), 2);
  assert.equal(await pass(redialOtherMs), 3);
  // Nobody there is another matter.
  assert.equal(await pass(redialMsMax), 4);
  dialler.stop();
});
