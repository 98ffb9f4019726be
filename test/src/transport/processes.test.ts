// Against another process: killed and restarted, stopped and continued.
import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createTransport, generateIdentity } from '../../../src/transport/index.ts';
import { Probe } from '../../ports/network-suite.ts';
import { type PeerProcess, startPeer } from './peer-process.ts';
import { countingSink, loopback, until } from './world.ts';

const secret = new Uint8Array(32).fill(9);

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;
/** Bytes of buffers that somebody still holds. */
const heldBytes = async (): Promise<number> => {
  for (let times = 0; times < 3; times++) {
    collectGarbage();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return process.memoryUsage().arrayBuffers;
};

const ending: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await Promise.all(ending.splice(0).map((end) => end()));
});

const start = (given: Parameters<typeof startPeer>[0]): PeerProcess => {
  const peer = startPeer(given);
  ending.push(() => peer.kill());
  return peer;
};

const startProbe = async (messaging: 'auto' | 'gossipsub'): Promise<Probe> => {
  const identity = await generateIdentity();
  const sink = countingSink();
  const port = await createTransport({ identity, listen: [loopback], cluster: 'bench', secret, messaging, sink });
  const probe = new Probe('probe', port);
  ending.push(() => probe.stop());
  probe.start(1);
  return probe;
};

for (const messaging of ['auto', 'gossipsub'] as const)
  describe(`another process, ${messaging}`, () => {
    it('is redialled after kill -9, and is a new epoch', async () => {
      const probe = await startProbe(messaging);
      const identity = Buffer.from(await generateIdentity()).toString('base64');
      const first = start({ identity, listen: loopback, epoch: 1, messaging, connect: [] });
      const addresses = await first.addresses();
      probe.port.connect(addresses);
      await until(() => probe.of('peer-open').length === 1, 'open');
      await first.kill();
      await until(() => probe.of('peer-close').length === 1, 'the loss is told without a probe');
      const listen = addresses[0]!.split('/p2p/')[0]!;
      const second = start({ identity, listen, epoch: 2, messaging, connect: [] });
      await second.addresses();
      const listeningMs = performance.now();
      await until(() => probe.of('peer-open').length === 2, 'open again, though only the survivor dials');
      console.log(`# open ${Math.round(performance.now() - listeningMs)} ms after the peer listened again`);
      assert.equal(probe.of('peer-open')[1]!.epoch, 2);
      const peer = probe.of('peer-open')[1]!.peer;
      assert.equal(probe.port.send(peer, 'calls', Buffer.from('echo')), 'queued');
      await until(() => probe.texts('calls').includes('echo'), 'messages pass');
      assert.equal(probe.of('peer-close').length, 1);
    });

    it('bounds what is kept for one that does not read, and loses nothing when it reads again', async () => {
      const probe = await startProbe(messaging);
      const identity = Buffer.from(await generateIdentity()).toString('base64');
      const peer = start({ identity, listen: loopback, epoch: 1, messaging, connect: [] });
      probe.port.connect(await peer.addresses());
      await until(() => probe.of('peer-open').length === 1, 'open');
      const { peer: id } = probe.of('peer-open')[0]!;
      probe.port.send(id, 'calls', Buffer.from('echo'));
      await until(() => probe.texts('calls').length === 1, 'messages pass');
      peer.child.kill('SIGSTOP');
      const chunkBytes = 64 << 10;
      const beforeBytes = await heldBytes();
      let queued = 0;
      let fulls = 0;
      for (let turn = 0; turn < 400; turn++) {
        for (let count = 0; count < 8; count++)
          if (probe.port.send(id, 'bulk', new Uint8Array(chunkBytes)) === 'queued') queued++;
          else fulls++;
        await new Promise((resolve) => setImmediate(resolve));
      }
      // Lane (4 MiB), the other process's and our own socket buffers; offered were 200 MiB.
      assert.ok(queued * chunkBytes < 32 << 20, `${(queued * chunkBytes) >> 20} MiB were taken`);
      assert.ok(fulls > 2_000, `${fulls} times full`);
      const grownMiB = ((await heldBytes()) - beforeBytes) / (1 << 20);
      // Gossipsub itself keeps what it published for some heartbeats, to answer who missed it.
      assert.ok(grownMiB < (messaging === 'auto' ? 32 : 96), `buffers grew by ${Math.round(grownMiB)} MiB`);
      assert.equal(probe.port.send(id, 'control', Buffer.from('beside')), 'queued', 'control is not full');
      peer.child.kill('SIGCONT');
      await until(() => probe.of('drain').length === 1, 'the lane drains');
      probe.port.send(id, 'calls', Buffer.from('end'));
      await until(() => probe.texts('calls').includes('end'), 'messages pass');
      let received = 0;
      while (received < queued + 3) received = (await peer.status()).received;
      assert.equal(received, queued + 3);
      assert.equal(probe.of('peer-close').length, 0);
    });
  });
