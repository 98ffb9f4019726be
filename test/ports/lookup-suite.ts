// What every implementation of the lookup port does, real or simulated (actors/ports/lookup.ts). A world has two sources whose answers
// the suite decides: `asked`, which only answers, and `followed`, which tells of changes; both can be told of a node. Nothing here
// waits for a fixed time to judge.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Announcement, Finding, LookupEvent, LookupPort, PeerId } from '../../actors/ports/index.ts';

/** What a source does when it is asked: as it should, with an error of its own, or nothing. */
export type Mood = 'answers' | 'fails' | 'hangs';

export interface LookupWorld {
  /** A port of the node with this peer id, made but not started. */
  create(self: PeerId): LookupPort;
  /** What a source knows from now on, beside what was announced there; followers are told. */
  set(source: string, findings: readonly Finding[]): void;
  mood(source: string, mood: Mood): void;
  /** Lets the world run until the condition holds; rejects when it does not within its patience. */
  until(condition: () => boolean, what: string): Promise<void>;
  close(): Promise<void>;
}

export const sourceNames = ['asked', 'followed'] as const;

/** Peer ids as libp2p has them, for nobody in particular. */
export const peers = [
  '12D3KooWM5Dmns3UNokVFc3vpFwwgd8nMmMtQN379oqghs1wHCKo',
  '12D3KooWNYaBnsNxNJVyD41hc51bu7vUdXZ78TRefPjFx9N4kwNw',
  '12D3KooWEtxJE4gQ6FaefebsEMKxT7VaGzmvSJw61bKoPBCoFr5m',
  '12D3KooWSspCyruHz8zrTJHYdoi1v7USya4ybraquBFoD2fKHFrS',
] as const;

const addressOf = (host: string, peer: PeerId): string => `/dns/${host}/tcp/1/p2p/${peer}`;

export const findingOf = (host: string, peer: PeerId, changes: Partial<Finding> = {}): Finding => ({
  ...{ peer, name: host, addresses: [addressOf(host, peer)], priority: 0, weight: 0, healthy: true, ttlMs: 30_000 },
  ...changes,
});

const announcementOf = (host: string, peer: PeerId): Announcement => ({
  ...{ name: host, peer, cluster: 'suite', version: '1.0.0', addresses: [addressOf(host, peer)] },
});

type Answered = Extract<LookupEvent, { type: 'answered' }>;

class Probe {
  readonly port: LookupPort;
  readonly events: LookupEvent[] = [];
  isStopped = false;

  constructor(port: LookupPort) {
    this.port = port;
  }

  start(): void {
    this.port.start((event) => {
      assert.equal(this.isStopped, false, `an event after stop: ${JSON.stringify(event)}`);
      this.events.push(event);
    });
  }

  of(source: string): LookupEvent[] {
    return this.events.filter((event) => event.source === source);
  }

  answers(source: string): Answered[] {
    return this.of(source).filter((event): event is Answered => event.type === 'answered');
  }

  /** The names in the latest answer, or null. */
  names(source: string): (string | null)[] | null {
    return (
      this.answers(source)
        .at(-1)
        ?.findings.map(({ name }) => name) ?? null
    );
  }

  failures(source: string): string[] {
    return this.of(source).flatMap((event) => (event.type === 'failed' ? [event.code] : []));
  }
}

const questionMs = 60_000;

export const lookupSuite = (title: string, makeWorld: () => Promise<LookupWorld>): void => {
  describe(title, () => {
    let world: LookupWorld;
    const running = new Set<Probe>();

    before(async () => {
      world = await makeWorld();
    });
    after(async () => {
      await Promise.all([...running].map(stop));
      await world.close();
    });

    const start = (self: PeerId): Probe => {
      const probe = new Probe(world.create(self));
      running.add(probe);
      probe.start();
      return probe;
    };
    const stop = async (probe: Probe): Promise<void> => {
      running.delete(probe);
      let times = 0;
      probe.port.stop(() => {
        probe.isStopped = true;
        times++;
      });
      assert.equal(times, 0, 'stopped in a later turn');
      await world.until(() => times > 0, 'it stops');
      assert.equal(times, 1);
    };
    const calm = (): void => {
      for (const source of sourceNames) {
        world.mood(source, 'answers');
        world.set(source, []);
      }
    };
    /** Asks and waits for the one event that answers. */
    const ask = async (probe: Probe, source: string, timeoutMs = questionMs): Promise<LookupEvent> => {
      const before = probe.of(source).length;
      probe.port.query(source, timeoutMs);
      await world.until(() => probe.of(source).length > before, `${source} answers`);
      return probe.of(source)[before]!;
    };

    it('names its sources', () => {
      calm();
      assert.deepEqual(world.create(peers[0]).sources, sourceNames);
    });

    it('answers a question with all that the source knows, once and in a later turn, without the node itself', async () => {
      calm();
      world.set('asked', [findingOf('b', peers[1], { priority: 3, weight: 7, healthy: false }), findingOf('a', peers[0])]);
      const probe = start(peers[0]);
      probe.port.query('asked', questionMs);
      probe.port.query('asked', questionMs);
      assert.equal(probe.events.length, 0, 'events come in later turns');
      await world.until(() => probe.of('asked').length > 0, 'it answers');
      const [answer] = probe.answers('asked');
      const { ttlMs, ...found } = answer!.findings[0]!;
      const { ttlMs: _ttl, ...expected } = findingOf('b', peers[1], { priority: 3, weight: 7, healthy: false });
      assert.deepEqual(found, expected);
      assert.ok(ttlMs > 0 && answer!.emptyTtlMs > 0);
      assert.equal(answer!.findings.length, 1);
      // The second question while the first ran was the same one: the next event belongs to the next question.
      world.set('asked', [findingOf('c', peers[2])]);
      await ask(probe, 'asked');
      assert.deepEqual(probe.names('asked'), ['c']);
      assert.equal(probe.answers('asked').length, 2);
      await stop(probe);
    });

    it('says that there is nobody', async () => {
      calm();
      const probe = start(peers[0]);
      const event = await ask(probe, 'asked');
      assert.ok(event.type === 'answered' && event.findings.length === 0 && event.emptyTtlMs > 0);
      await stop(probe);
    });

    it('tells of changes without a question, the newest at last', async () => {
      calm();
      const probe = start(peers[0]);
      await world.until(() => probe.answers('followed').length > 0, 'what is known at first');
      for (const name of ['b', 'c', 'd']) world.set('followed', [findingOf(name, peers[1])]);
      await world.until(() => probe.names('followed')?.join() === 'd', 'the newest');
      world.set('followed', []);
      await world.until(() => probe.names('followed')?.length === 0, 'what is gone is gone');
      assert.equal(probe.of('asked').length, 0);
      await stop(probe);
    });

    it("a source that fails says so, hides nothing of the other's, and answers again", async () => {
      calm();
      world.set('followed', [findingOf('b', peers[1])]);
      world.mood('asked', 'fails');
      const probe = start(peers[0]);
      for (let round = 0; round < 3; round++) {
        const [failed] = await Promise.all([ask(probe, 'asked'), ask(probe, 'followed')]);
        assert.ok(failed.type === 'failed' && /^SOURCE_[A-Z_]+$/.test(failed.code) && failed.message.length > 0);
      }
      assert.deepEqual(probe.names('followed'), ['b']);
      world.mood('asked', 'answers');
      assert.equal((await ask(probe, 'asked')).type, 'answered');
      await stop(probe);
    });

    it('a source that hangs has failed when the time is over, and can be asked again', async () => {
      calm();
      world.mood('asked', 'hangs');
      const probe = start(peers[0]);
      const event = await ask(probe, 'asked', 50);
      assert.ok(event.type === 'failed' && event.code === 'SOURCE_TIMED_OUT');
      world.mood('asked', 'answers');
      assert.equal((await ask(probe, 'asked')).type, 'answered');
      assert.deepEqual(probe.failures('asked'), ['SOURCE_TIMED_OUT'], 'no second answer to one question');
      await stop(probe);
    });

    it('a name that is none fails', async () => {
      calm();
      const probe = start(peers[0]);
      assert.equal((await ask(probe, 'nobody')).type, 'failed');
      await stop(probe);
    });

    it('tells others of the node, anew when its addresses change, not without one, and takes it back at the end', async () => {
      calm();
      const teller = start(peers[1]);
      const asker = start(peers[0]);
      const addresses = (): string[] =>
        asker
          .answers('followed')
          .at(-1)
          ?.findings.flatMap((one) => one.addresses) ?? [];
      teller.port.announce({ ...announcementOf('old', peers[1]), addresses: [] });
      await ask(asker, 'asked');
      assert.deepEqual(asker.names('asked'), []);
      teller.port.announce(announcementOf('old', peers[1]));
      await world.until(() => addresses().length === 1, 'the node is told of');
      for (let tries = 0; tries < 100 && asker.names('asked')?.length !== 1; tries++) await ask(asker, 'asked');
      const [found] = asker.answers('asked').at(-1)!.findings;
      assert.deepEqual([found?.peer, found?.addresses], [peers[1], [addressOf('old', peers[1])]]);
      teller.port.announce(announcementOf('new', peers[1]));
      await world.until(() => addresses().join() === addressOf('new', peers[1]), 'the new address');
      // Itself is nobody to find.
      await ask(teller, 'asked');
      assert.deepEqual(teller.names('asked'), []);
      await stop(teller);
      await world.until(() => addresses().length === 0, 'it is taken back');
      await ask(asker, 'asked');
      assert.deepEqual(asker.names('asked'), []);
      await stop(asker);
    });

    it('is silent after it stopped, also with a question under way, and whatever is asked of it', async () => {
      calm();
      world.mood('asked', 'hangs');
      const probe = start(peers[0]);
      probe.port.query('asked', 50);
      probe.port.query('followed', questionMs);
      await stop(probe);
      const before = probe.events.length;
      probe.port.query('followed', questionMs);
      probe.port.announce(announcementOf('late', peers[0]));
      world.set('followed', [findingOf('b', peers[1])]);
      // Whatever could still come would come before somebody else's time is over.
      const other = start(peers[2]);
      await ask(other, 'asked', 100);
      assert.equal(probe.events.length, before);
      assert.deepEqual(other.names('followed'), ['b']);
      await stop(other);
    });

    it('stops without ever being started, and twice', async () => {
      const probe = new Probe(world.create(peers[0]));
      let times = 0;
      probe.port.stop(() => times++);
      probe.port.stop(() => times++);
      await world.until(() => times === 2, 'each is answered');
    });
  });
};
