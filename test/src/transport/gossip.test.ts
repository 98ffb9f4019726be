// Gossip among real transports: what is malformed, unproved or of no member is passed on to nobody; who goes on publishing it is not
// heard any more, also when it comes back; and honest members always are.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { afterEach, describe, it } from 'node:test';
import type { Connection } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import { deriveKeys } from '../../../machines/admission/index.ts';
import { encodeFrame } from '../../../machines/wire/frame.ts';
import { admission } from '../../../src/transport/admission.ts';
import { Conduct, conductLimits } from '../../../src/transport/conduct.ts';
import { encodeHello } from '../../../src/transport/hello.ts';
import { createHost, forgetSeen, type Host, topicScores } from '../../../src/transport/host.ts';
import { loadIdentity, peerIdOf } from '../../../src/transport/identity.ts';
import { createTransport, generateIdentity, type TransportLimits, transportLimits } from '../../../src/transport/index.ts';
import { createEnvelopes, type PublishedEnvelopes } from '../../../src/transport/published.ts';
import { Probe } from '../../ports/network-suite.ts';
import { countingSink, loopback, secret, until } from './world.ts';

const cluster = 'c1';
const topic = `/polity/${cluster}/topic/news`;
const keys = deriveKeys(secret, cluster);
const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

describe('gossip', () => {
  const closing: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    await Promise.all(closing.splice(0).map((close) => close()));
  });

  const member = async (
    name: string,
    given: { identity?: Uint8Array; epoch?: number; limits?: Partial<TransportLimits> } = {},
  ): Promise<Probe> => {
    const identity = given.identity ?? (await generateIdentity());
    const { limits = {} } = given;
    const port = await createTransport({ identity, listen: [loopback], cluster, secret, sink: countingSink(), limits });
    const probe = new Probe(name, port);
    closing.push(() => probe.stop());
    probe.start(given.epoch ?? 1);
    probe.port.subscribe('news');
    await until(() => probe.addresses.length > 0, `${name} listens`);
    return probe;
  };

  const connected = async (...pairs: [Probe, Probe][]): Promise<void> => {
    for (const [a, b] of pairs) a.port.connect(b.addresses);
    for (const [a, b] of pairs)
      await until(() => a.isOpenTo(b.port.self) && b.isOpenTo(a.port.self), `${a.name} and ${b.name} are open`);
  };

  const texts = (probe: Probe): string[] => probe.of('published').map(({ bytes }) => Buffer.from(bytes).toString());
  const codes = (probe: Probe, peer: string): string[] =>
    probe
      .of('refused')
      .filter((event) => event.peer === peer)
      .map(({ code }) => code);

  /** Holds the secret, but is not our code: it publishes what it likes. */
  const rogueMember = async (): Promise<Rogue> => {
    const identity = await generateIdentity();
    const self = peerIdOf(identity);
    const hello = encodeHello({ name: 'rogue', epoch: 1, extra: {}, addresses: [], sealKey: new Uint8Array(32) });
    const host = await createHost({
      ...{ privateKey: loadIdentity(identity), listen: [], announce: [], limits: transportLimits },
      ...{ conduct: new Conduct(() => 0), denyInbound: () => false },
      encrypter: admission({
        ...{ keys, cluster, self, timeLimitMs: 3_000, nonce: () => new Uint8Array(randomBytes(32)), hello: () => hello },
        ...{ onAdmitted: () => {}, onRefused: () => {} },
      }),
    });
    closing.push(async () => host.stop());
    for (const lane of ['control', 'calls', 'bulk']) await host.handle(`/polity/${lane}/1`, () => {});
    host.services.gossip.subscribe(topic);
    return new Rogue(host, self);
  };

  it('hears no more of a member that publishes garbage, nor when it comes back; the others are heard', async () => {
    const [a, b, c] = [await member('a'), await member('b'), await member('c')];
    await connected([a, b], [b, c], [a, c]);
    const rogue = await rogueMember();
    for (const probe of [a, b]) await rogue.join(probe);
    await rogue.publish(rogue.sealed('in order'));
    await until(() => [a, b, c].every((probe) => texts(probe).includes('in order')), 'at first it is heard like anybody');

    for (let at = 0; at < 6; at++) await rogue.publish(randomBytes(200));
    for (const probe of [a, b])
      await until(
        () => codes(probe, rogue.self).includes('GRAYLISTED'),
        `${probe.name} has had enough: ${codes(probe, rogue.self)}`,
      );
    const isHeard = async (mark: string): Promise<boolean> => {
      await rogue.publish(rogue.sealed(`rogue ${mark}`));
      c.port.publish('news', bytesOf(`honest ${mark}`));
      await until(() => [a, b].every((probe) => texts(probe).includes(`honest ${mark}`)), 'honest members are heard');
      return [a, b].some((probe) => texts(probe).includes(`rogue ${mark}`));
    };
    // Gossipsub looks at the score again after a second at most.
    let unheard = 0;
    for (let at = 0; unheard < 5; at++) {
      assert.ok(at < 2_000, 'it is heard for ever');
      unheard = (await isHeard(`${at}`)) ? 0 : unheard + 1;
    }
    await rogue.leave();
    for (const probe of [a, b]) await until(() => !probe.isOpenTo(rogue.self), 'it is gone');
    for (const probe of [a, b]) await rogue.join(probe);
    // For longer than gossipsub keeps a score without looking again.
    const endMs = performance.now() + 2_500;
    for (let at = 0; performance.now() < endMs; at++) {
      assert.equal(await isHeard(`again ${at}`), false);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.deepEqual(codes(c, rogue.self), [], 'nothing of it was passed on');
    for (const probe of [a, b, c])
      for (const event of probe.of('refused')) assert.equal(event.peer, rogue.self, `${probe.name}: ${event.code}`);
  });

  it('passes on nothing that is malformed inside a proved envelope', async () => {
    const [a, b] = [await member('a'), await member('b')];
    await connected([a, b]);
    const rogue = await rogueMember();
    await rogue.join(a);
    await rogue.publish(rogue.envelopes.seal('topic/news', bytesOf('no frame at all')));
    await until(() => codes(a, rogue.self).length > 0, 'a refuses it');
    assert.match(codes(a, rogue.self)[0]!, /^FRAME_/);
    a.port.publish('news', bytesOf('next'));
    await until(() => texts(b).length > 0, 'b hears a');
    assert.deepEqual(texts(b), ['next']);
    assert.equal(b.of('refused').length, 0);
  });

  it('passes on nothing that is too old, or of a time to come, which is no offence', async () => {
    const [a, b] = [await member('a'), await member('b')];
    await connected([a, b]);
    const rogue = await rogueMember();
    await rogue.join(a);
    const clockOff = (byMs: number): PublishedEnvelopes =>
      createEnvelopes({
        ...{
          gossipKey: keys.gossipKey,
          self: rogue.self,
          epoch: () => 1,
          wallMs: () => Date.now() + byMs,
          publishedMs: 30_000,
        },
      });
    const [slow, fast] = [clockOff(-600_000), clockOff(600_000)];
    for (let times = 0; times < 6; times++)
      for (const envelopes of [slow, fast])
        await rogue.publish(envelopes.seal('topic/news', encodeFrame([bytesOf('out of time')])));
    const refused = (code: string): number => codes(a, rogue.self).filter((one) => one === code).length;
    await until(() => refused('EXPIRED') === 6 && refused('FROM_FUTURE') === 6, 'a refuses them by name');
    await rogue.publish(rogue.sealed('in time'));
    await until(() => texts(b).includes('in time'), 'it is heard, and passed on');
    assert.deepEqual([texts(a), texts(b)], [['in time'], ['in time']]);
  });

  it('counts nothing but what is invalid: members share addresses, are slow and silent', async () => {
    const { host } = await rogueMember();
    const { score } = host.services.gossip;
    score.params.topics[topic] = topicScores;
    for (let at = 0; at < 64; at++) {
      score.addPeer(`p${at}`);
      score.addIP(`p${at}`, '127.0.0.1');
      score.graft(`p${at}`, topic);
      score.addPenalty(`p${at}`, 100, 'broken_promise' as never);
    }
    score.refreshScores();
    for (let at = 0; at < 64; at++) assert.equal(score.score(`p${at}`), 0);
    for (let times = 0; times < 3; times++) score.markInvalidMessageDelivery('p1', topic);
    score.scoreCache.clear();
    assert.ok(score.score('p1') < conductLimits.graylistScore);
    assert.equal(score.score('p2'), 0);
  });

  it('remembers no more messages than it may, and delivers none twice for it', async () => {
    const a = await member('a', { limits: { seenMessagesMax: 50 } });
    const b = await member('b');
    await connected([a, b]);
    const rogue = await rogueMember();
    await rogue.join(a);
    // The same envelopes, until nobody remembers the first ones; each is the 51st after another.
    const envelopes = Array.from({ length: 120 }, (_, at) => rogue.sealed(`${at}`));
    const published = async (): Promise<void> => {
      forgetSeen(rogue.host, 0);
      for (const envelope of envelopes) await rogue.publish(envelope);
      b.port.publish('news', bytesOf('end'));
    };
    const ends = (): number => texts(a).filter((text) => text === 'end').length;
    await published();
    await until(() => ends() === 1, 'a has heard what was published');
    // It looks once a second.
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    await published();
    await until(() => ends() === 2, 'and again');
    await until(() => new Set(texts(a)).size === 121, 'a hears all');
    assert.equal(texts(a).length, 120 + 2);
    const score = rogue.host.services.gossip.score;
    for (let at = 0; at < 10; at++) score.validateMessage(`m${at}`);
    forgetSeen(rogue.host, 5);
    assert.equal(score.deliveryRecords.queue.length, 0);
  });

  it('passes on nothing that was published by who is no member', async () => {
    const [x, b, c] = [await member('x'), await member('b'), await member('c')];
    b.port.hear((source) => source !== x.port.self);
    await connected([x, b], [b, c]);
    x.port.publish('news', bytesOf('unheard'));
    await until(() => codes(b, x.port.self).includes('NOT_A_MEMBER'), 'b refuses it by name');
    b.port.publish('news', bytesOf('heard'));
    await until(() => texts(c).length > 0, 'c hears b');
    assert.deepEqual(texts(c), ['heard']);
    assert.deepEqual(codes(b, x.port.self), ['NOT_A_MEMBER'], 'which is no offence');
  });

  it('hears honest members under load, and those that start again', async () => {
    const identities = await Promise.all([1, 2, 3].map(() => generateIdentity()));
    const members = await Promise.all(identities.map((identity, at) => member(`n${at}`, { identity })));
    const pairs = members.flatMap((one, at) => members.slice(at + 1).map((other): [Probe, Probe] => [one, other]));
    await connected(...pairs);
    const filler = 'x'.repeat(2_000);
    const hear = (probe: Probe, mark: string, from: Probe): boolean =>
      probe
        .of('published')
        .some(({ peer, bytes }) => peer === from.port.self && Buffer.from(bytes).toString().startsWith(mark));
    const round = async (mark: string, of: readonly Probe[]): Promise<void> => {
      for (let at = 0; at < 40; at++) {
        for (const probe of of) probe.port.publish('news', bytesOf(`load ${mark} ${at} ${filler}`));
        await new Promise((resolve) => setImmediate(resolve));
      }
      // Gossipsub may lose one; nobody is deaf to anybody.
      const isDone = (): boolean => of.every((one) => of.every((other) => one === other || hear(one, `end ${mark}`, other)));
      for (let at = 0; !isDone(); at++) {
        assert.ok(at < 300, `not everybody is heard after ${mark}`);
        for (const probe of of) probe.port.publish('news', bytesOf(`end ${mark} ${at}`));
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    };
    await round('first', members);
    const [again] = members.splice(0, 1);
    await again!.stop();
    const back = await member('n0', { identity: identities[0]!, epoch: 2 });
    await connected(...members.map((other): [Probe, Probe] => [back, other]));
    await round('second', [back, ...members]);
    for (const probe of [back, ...members]) assert.deepEqual(probe.of('refused'), [], probe.name);
  });
});

class Rogue {
  readonly host: Host;
  readonly self: string;
  readonly envelopes: PublishedEnvelopes;
  #connections: Connection[] = [];

  constructor(host: Host, self: string) {
    this.host = host;
    this.self = self;
    this.envelopes = createEnvelopes({
      ...{ gossipKey: keys.gossipKey, self, epoch: () => 1, wallMs: Date.now, publishedMs: 30_000 },
    });
  }

  async join(probe: Probe): Promise<void> {
    const connection = await this.host.dial(multiaddr(probe.addresses[0]));
    this.#connections.push(connection);
    await connection.newStream('/polity/control/1');
    await until(() => probe.isOpenTo(this.self), 'it is a member');
    const { gossip, topologies } = this.host.services;
    for (const topology of topologies.getTopologies('/meshsub/1.2.0'))
      await topology.onConnect?.(connection.remotePeer, connection);
    await until(
      () => gossip.getSubscribers(topic).some((peer) => peer.toString() === probe.port.self),
      `${probe.name} told what it listens to`,
    );
  }

  async leave(): Promise<void> {
    await Promise.all(this.#connections.splice(0).map((connection) => connection.close()));
  }

  sealed(text: string): Uint8Array {
    return this.envelopes.seal('topic/news', encodeFrame([bytesOf(text)]));
  }

  async publish(data: Uint8Array): Promise<void> {
    await this.host.services.gossip.publish(topic, data);
  }
}
