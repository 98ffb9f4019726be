// What every implementation of the network port does, real or simulated (actors/ports/network.ts). A world makes nodes and lets
// time pass; nothing here waits for a fixed time to judge.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Lane, NetworkEvent, NetworkPort, PeerId } from '../../actors/ports/index.ts';

export interface NetworkWorld {
  /** A port of this identity (same name, same peer id), made but not started. */
  create(name: string): Promise<NetworkPort>;
  /** Lets the world run until the condition holds; rejects when it does not within its patience. */
  until(condition: () => boolean, what: string): Promise<void>;
  close(): Promise<void>;
}

type EventOf<Type extends NetworkEvent['type']> = Extract<NetworkEvent, { type: Type }>;

export class Probe {
  readonly events: NetworkEvent[] = [];
  readonly port: NetworkPort;
  readonly name: string;

  constructor(name: string, port: NetworkPort) {
    this.name = name;
    this.port = port;
  }

  of<Type extends NetworkEvent['type']>(type: Type): EventOf<Type>[] {
    return this.events.filter((event): event is EventOf<Type> => event.type === type);
  }

  start(epoch: number, extra: Record<string, string> = {}, react?: (event: NetworkEvent) => void): void {
    this.port.start({ name: this.name, epoch, extra }, (event) => {
      this.events.push(event);
      react?.(event);
    });
  }

  get addresses(): string[] {
    return this.of('listening').at(-1)?.addresses ?? [];
  }

  isOpenTo(peer: PeerId): boolean {
    const opens = this.of('peer-open').filter((event) => event.peer === peer).length;
    const closes = this.of('peer-close').filter((event) => event.peer === peer).length;
    assert.ok(opens - closes === 0 || opens - closes === 1, `${opens} peer-open, ${closes} peer-close`);
    return opens > closes;
  }

  texts(lane: Lane): string[] {
    return this.of('message')
      .filter((event) => event.lane === lane)
      .map((event) => Buffer.from(event.bytes).toString());
  }

  stop(): Promise<void> {
    return new Promise((resolve) => this.port.stop(resolve));
  }
}

const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

export const networkSuite = (title: string, makeWorld: () => Promise<NetworkWorld>): void => {
  describe(title, () => {
    let world: NetworkWorld;
    const running = new Set<Probe>();

    before(async () => {
      world = await makeWorld();
    });
    after(async () => {
      await Promise.all([...running].map((probe) => probe.stop()));
      await world.close();
    });

    const start = async (name: string, epoch = 1, react?: (event: NetworkEvent) => void): Promise<Probe> => {
      const probe = new Probe(name, await world.create(name));
      running.add(probe);
      probe.start(epoch, { zone: `zone-${name}` }, react);
      await world.until(() => probe.addresses.length > 0, `${name} listens`);
      return probe;
    };
    const stop = async (...probes: Probe[]): Promise<void> => {
      for (const probe of probes) running.delete(probe);
      await Promise.all(probes.map((probe) => probe.stop()));
    };
    const pair = async (left: string, right: string): Promise<[Probe, Probe]> => {
      const a = await start(left);
      const b = await start(right);
      a.port.connect(b.addresses);
      await world.until(() => a.isOpenTo(b.port.self) && b.isOpenTo(a.port.self), `${left} and ${right} are open`);
      return [a, b];
    };

    it('tells where it listens, with its peer id, and introduces peers by name, epoch and hello', async () => {
      const [a, b] = await pair('hello-a', 'hello-b');
      assert.ok(a.addresses.every((address) => address.endsWith(`/p2p/${a.port.self}`)));
      const seen = b.of('peer-open')[0]!;
      assert.equal(seen.peer, a.port.self);
      assert.equal(seen.name, 'hello-a');
      assert.equal(seen.epoch, 1);
      assert.deepEqual(seen.hello, { zone: 'zone-hello-a' });
      assert.deepEqual(seen.addresses, a.addresses);
      await stop(a, b);
    });

    it('keeps the order of a lane and delivers every lane', async () => {
      const [a, b] = await pair('order-a', 'order-b');
      const sent: Record<Lane, string[]> = { control: [], calls: [], bulk: [] };
      for (let number = 0; number < 3_000; number++)
        for (const lane of ['bulk', 'calls', 'control'] as const) {
          sent[lane].push(`${lane} ${number}`);
          assert.equal(a.port.send(b.port.self, lane, bytesOf(`${lane} ${number}`)), 'queued');
        }
      await world.until(() => b.of('message').length === 9_000, 'all messages arrive');
      for (const lane of ['control', 'calls', 'bulk'] as const) assert.deepEqual(b.texts(lane), sent[lane]);
      assert.ok(b.of('message').every((event) => event.peer === a.port.self));
      await stop(a, b);
    });

    it('carries empty and large messages unchanged, both ways at once', async () => {
      const [a, b] = await pair('large-a', 'large-b');
      const large = new Uint8Array(1_500_000).map((_, index) => (index * 31) % 251);
      for (const [from, to] of [
        [a, b],
        [b, a],
      ] as const) {
        assert.equal(from.port.send(to.port.self, 'bulk', new Uint8Array(0)), 'queued');
        assert.equal(from.port.send(to.port.self, 'bulk', large), 'queued');
        assert.equal(from.port.send(to.port.self, 'bulk', bytesOf('end')), 'queued');
      }
      await world.until(() => a.of('message').length === 3 && b.of('message').length === 3, 'all arrive');
      for (const probe of [a, b]) {
        const [empty, whole, end] = probe.of('message');
        assert.equal(empty!.bytes.byteLength, 0);
        assert.ok(Buffer.from(whole!.bytes).equals(Buffer.from(large)));
        assert.equal(Buffer.from(end!.bytes).toString(), 'end');
      }
      await stop(a, b);
    });

    it("answers 'full' at the lane's limit, queues nothing then, and tells when it drained", async () => {
      const [a, b] = await pair('full-a', 'full-b');
      const chunk = new Uint8Array(64 << 10);
      let queued = 0;
      while (a.port.send(b.port.self, 'bulk', chunk) === 'queued') {
        queued++;
        assert.ok(queued < 10_000, 'the lane has a limit');
      }
      assert.equal(a.port.send(b.port.self, 'bulk', chunk), 'full');
      assert.equal(a.port.send(b.port.self, 'control', bytesOf('beside')), 'queued', 'lanes fill one by one');
      await world.until(() => a.of('drain').length > 0, 'the lane drains');
      assert.deepEqual(a.of('drain')[0], { type: 'drain', peer: b.port.self, lane: 'bulk' });
      assert.equal(a.port.send(b.port.self, 'bulk', bytesOf('after')), 'queued');
      await world.until(() => b.texts('bulk').includes('after'), 'what was sent after the drain arrives');
      assert.equal(b.of('message').filter((event) => event.lane === 'bulk').length, queued + 1);
      assert.deepEqual(b.texts('control'), ['beside']);
      assert.equal(a.of('drain').length, 1, 'one drain for one full');
      await stop(a, b);
    });

    it("answers 'unreachable' for a peer that is not open", async () => {
      const a = await start('alone');
      const b = await world.create('nobody');
      assert.equal(a.port.send(b.self, 'control', bytesOf('?')), 'unreachable');
      await new Promise<void>((resolve) => b.stop(resolve));
      await stop(a);
    });

    it('refuses a message over the limit by name', async () => {
      const [a, b] = await pair('limit-a', 'limit-b');
      assert.throws(() => a.port.send(b.port.self, 'bulk', new Uint8Array((4 << 20) + 1)), /MESSAGE_TOO_LARGE/);
      await stop(a, b);
    });

    it('is open once, however both ends dial each other', async () => {
      for (let round = 0; round < 8; round++) {
        const a = await start(`both-a${round}`);
        const b = await start(`both-b${round}`);
        a.port.connect(b.addresses);
        b.port.connect(a.addresses);
        await world.until(() => a.isOpenTo(b.port.self) && b.isOpenTo(a.port.self), 'both open');
        for (let number = 0; number < 100; number++) {
          a.port.send(b.port.self, 'control', bytesOf(String(number)));
          b.port.send(a.port.self, 'control', bytesOf(String(number)));
        }
        await world.until(() => a.texts('control').length === 100 && b.texts('control').length === 100, 'all arrive');
        for (const probe of [a, b]) {
          assert.equal(probe.of('peer-open').length, 1);
          assert.equal(probe.of('peer-close').length, 0);
        }
        await stop(a, b);
      }
    });

    it('closes once and opens anew when a peer restarts with the same identity, and never mixes the two', async () => {
      const [a, b] = await pair('again-a', 'again-b');
      await stop(b);
      await world.until(() => !a.isOpenTo(b.port.self), 'the loss is told');
      assert.equal(a.port.send(b.port.self, 'control', bytesOf('lost')), 'unreachable');
      const b2 = await start('again-b', 2);
      assert.equal(b2.port.self, b.port.self);
      b2.port.connect(a.addresses);
      await world.until(() => a.isOpenTo(b2.port.self) && b2.isOpenTo(a.port.self), 'open again');
      assert.deepEqual(
        a.of('peer-open').map((event) => event.epoch),
        [1, 2],
      );
      assert.equal(a.of('peer-close').length, 1);
      a.port.send(b2.port.self, 'control', bytesOf('anew'));
      await world.until(() => b2.texts('control').length > 0, 'messages pass');
      assert.deepEqual(b2.texts('control'), ['anew']);
      await stop(a, b2);
    });

    it('redials after drop, not after disconnect', async () => {
      const [a, b] = await pair('drop-a', 'drop-b');
      a.port.drop(b.port.self, 'silent');
      assert.equal(a.of('peer-close').length, 0, 'events come in later turns');
      await world.until(() => a.of('peer-open').length === 2 && b.of('peer-open').length === 2, 'open again');
      assert.deepEqual(a.of('peer-close')[0], { type: 'peer-close', peer: b.port.self, reason: 'silent' });
      a.port.send(b.port.self, 'control', bytesOf('back'));
      await world.until(() => b.texts('control').length === 1, 'messages pass');
      a.port.disconnect(b.port.self);
      await world.until(() => !a.isOpenTo(b.port.self) && !b.isOpenTo(a.port.self), 'closed');
      assert.equal(a.port.send(b.port.self, 'control', bytesOf('?')), 'unreachable');
      assert.equal(a.of('peer-open').length, 2);
      await stop(a, b);
    });

    it('publishes to every subscriber, from the first turn on, and not to itself', async () => {
      const a = await start('pub-a');
      const b = await start('pub-b');
      const c = await start('pub-c');
      for (const probe of [a, b, c]) probe.port.subscribe('news');
      a.port.connect(b.addresses);
      a.port.connect(c.addresses);
      b.port.connect(c.addresses);
      await world.until(() => a.isOpenTo(b.port.self) && a.isOpenTo(c.port.self), 'a is open to both');
      for (let number = 0; number < 100; number++) assert.equal(a.port.publish('news', bytesOf(`n${number}`)), 'queued');
      a.port.publish('other', bytesOf('nobody subscribed'));
      const whole = Array.from({ length: 100 }, (_, number) => `n${number}`);
      for (const probe of [b, c]) {
        await world.until(() => probe.of('published').length >= 100, `${probe.name} hears all`);
        assert.deepEqual(
          probe.of('published').map((event) => Buffer.from(event.bytes).toString()),
          whole,
        );
        assert.ok(probe.of('published').every((event) => event.peer === a.port.self && event.topic === 'news'));
      }
      assert.equal(a.of('published').length, 0);
      await stop(a, b, c);
    });

    it('bounds what waits to be published', async () => {
      const a = await start('flood');
      let queued = 0;
      while (a.port.publish('void', new Uint8Array(100_000)) === 'queued') {
        queued++;
        assert.ok(queued < 10_000, 'the publish queue has a limit');
      }
      await stop(a);
    });
  });
};
