// What every implementation of the network port does, real or simulated (actors/ports/network.ts). A world makes nodes and lets
// time pass; nothing here waits for a fixed time to judge.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { dialLimits, type Lane, type NetworkEvent, type NetworkPort, type PeerId } from '../../actors/ports/index.ts';

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

    it('dials once: who answers is told, is open, and is not dialled again when the connection is lost', async () => {
      const a = await start('once-a');
      const b = await start('once-b');
      const nameless = b.addresses.map((address) => address.split('/p2p/')[0]!);
      a.port.dial(nameless);
      assert.equal(a.of('dialled').length, 0, 'events come in later turns');
      await world.until(() => a.of('dialled').length === 1 && a.isOpenTo(b.port.self), 'answered and open');
      assert.deepEqual(a.of('dialled')[0], { type: 'dialled', addresses: nameless, peer: b.port.self, reason: null });
      await world.until(() => b.isOpenTo(a.port.self), 'open at both ends');
      a.port.dial(b.addresses);
      await world.until(() => a.of('dialled').length === 2, 'who is connected is known');
      assert.equal(a.of('dialled')[1]!.peer, b.port.self);
      await stop(b);
      await world.until(() => !a.isOpenTo(b.port.self), 'the loss is told');
      const b2 = await start('once-b', 2);
      // A dial that is kept would be made again by now: each of these needs longer than the first pause.
      for (let round = 0; round < 3; round++) {
        a.port.dial(nameless);
        await world.until(() => a.of('dialled').length === 3 + round, 'nobody is where it was');
      }
      assert.equal(b2.of('peer-open').length, a.of('peer-open').length - 1);
      await stop(a, b2);
    });

    it('answers a dial of nobody, of nothing, of several, of itself, and of who is not who was meant', async () => {
      const a = await start('ends-a');
      const b = await start('ends-b');
      const ghost = await world.create('ends-ghost');
      const nameless = (of: Probe): string => of.addresses[0]!.split('/p2p/')[0]!;
      const ask = async (addresses: string[]): Promise<EventOf<'dialled'>> => {
        const before = a.of('dialled').length;
        a.port.dial(addresses);
        await world.until(() => a.of('dialled').length > before, `an answer for ${addresses}`);
        const answer = a.of('dialled').at(-1)!;
        assert.deepEqual(answer.addresses, addresses);
        assert.equal(answer.reason === null, answer.peer !== null);
        return answer;
      };
      assert.match((await ask([])).reason!, /NO_ADDRESS/);
      assert.match((await ask([...a.addresses, ...b.addresses])).reason!, /SEVERAL_PEERS/);
      assert.equal((await ask([...a.addresses])).peer, a.port.self);
      assert.equal((await ask([nameless(a)])).peer, a.port.self);
      const other = await ask([`${nameless(b)}/p2p/${ghost.self}`]);
      assert.equal(other.peer, null);
      assert.ok(other.reason!.length > 0 && other.reason!.length <= 256);
      assert.equal((await ask([`${nameless(b)}/p2p/${ghost.self}`, `${nameless(a)}/p2p/${ghost.self}`])).peer, null);
      assert.equal((await ask([...b.addresses, nameless(b)])).peer, b.port.self, 'a mixed list of one peer');
      await new Promise<void>((resolve) => ghost.stop(resolve));
      await stop(b);
      await world.until(() => !a.isOpenTo(b.port.self), 'the loss is told');
      assert.equal((await ask([...b.addresses])).peer, null);
      await stop(a);
    });

    it('bounds what is dialled at once and what waits for it; every dial is answered once', async () => {
      const a = await start('many-a');
      const isDns = a.addresses[0]!.startsWith('/dns/');
      const dials = dialLimits.atOnceMax + dialLimits.waitingMax + 10;
      for (let dial = 1; dial <= dials; dial++) a.port.dial([isDns ? `/dns/gone-${dial}/tcp/1` : `/ip4/127.0.0.1/tcp/${dial}`]);
      await world.until(() => a.of('dialled').length === dials, 'every dial is answered');
      const answers = a.of('dialled');
      assert.equal(answers.filter(({ reason }) => reason?.startsWith('TOO_MANY_DIALS') === true).length, 10);
      assert.equal(new Set(answers.map(({ addresses }) => addresses[0])).size, dials);
      assert.ok(answers.every(({ peer }) => peer === null));
      await stop(a);
    });

    it('keeps no connection that was released, and closes none', async () => {
      const [a, b] = await pair('released-a', 'released-b');
      a.port.release(b.port.self);
      a.port.send(b.port.self, 'control', bytesOf('still here'));
      await world.until(() => b.texts('control').length === 1, 'messages pass');
      assert.equal(a.of('peer-close').length + b.of('peer-close').length, 0);
      a.port.drop(b.port.self, 'silent');
      await world.until(() => !a.isOpenTo(b.port.self) && !b.isOpenTo(a.port.self), 'closed');
      // As long as it takes to be connected to somebody else, it is not connected to who was released.
      const c = await start('released-c');
      a.port.connect(c.addresses);
      await world.until(() => a.isOpenTo(c.port.self), 'another is open');
      assert.equal(a.of('peer-open').filter(({ peer }) => peer === b.port.self).length, 1);
      a.port.connect(b.addresses);
      await world.until(() => a.isOpenTo(b.port.self), 'kept again');
      await stop(a, b, c);
    });

    it('finds a peer whose old addresses are dead, by the one that it was told last', async () => {
      const a = await start('moved-a');
      const b = await start('moved-b');
      const [, host] = b.addresses[0]!.split('/');
      const dead = (port: number): string => (host === 'dns' ? `/dns/gone-${port}/tcp/1` : `/ip4/127.0.0.1/tcp/${port}`);
      for (let port = 1; port <= 2 * dialLimits.addressesMax; port++) a.port.connect([`${dead(port)}/p2p/${b.port.self}`]);
      a.port.connect(b.addresses);
      await world.until(() => a.isOpenTo(b.port.self), 'open');
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

    it('tells nothing that was published by who is no member', async () => {
      const a = await start('heard-a');
      const b = await start('heard-b');
      const c = await start('heard-c');
      for (const probe of [a, b, c]) probe.port.subscribe('news');
      c.port.hear((source) => source !== a.port.self);
      for (const other of [b, c]) a.port.connect(other.addresses);
      b.port.connect(c.addresses);
      await world.until(() => a.isOpenTo(b.port.self) && a.isOpenTo(c.port.self) && b.isOpenTo(c.port.self), 'all are open');
      a.port.publish('news', bytesOf('unheard'));
      await world.until(() => b.of('published').length === 1, 'who takes a for a member hears it');
      b.port.publish('news', bytesOf('heard'));
      await world.until(() => c.of('published').length > 0, 'members are heard');
      assert.deepEqual(
        c.of('published').map((event) => Buffer.from(event.bytes).toString()),
        ['heard'],
      );
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
