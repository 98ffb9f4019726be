// Sources of a simulated world: what they make of crashes, pauses and cuts, how ill they can be, and that a cluster finds together
// through one of them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Finding, LookupEvent } from '../../actors/ports/index.ts';
import { settingsDefaults } from '../../actors/settings.ts';
import { type SimulatedLookup, Sources } from '../../sim/lookup.ts';
import { addressOf, calmNetwork, Network } from '../../sim/network.ts';
import { SimulatedNode } from '../../sim/node.ts';
import { ClockSkew, Process } from '../../sim/process.ts';
import { calmSource, healthySource, type SourceIlls } from '../../sim/source.ts';
import { Trace } from '../../sim/trace.ts';
import { World } from '../../sim/world.ts';

const leaseMs = calmSource.leaseMs;

type Host = { process: Process; port: SimulatedLookup; events: LookupEvent[] };

class Stage {
  readonly world: World;
  readonly sources: Sources;
  #lives = 0;

  constructor(seed = 1) {
    this.world = new World(seed, new Trace());
    this.sources = new Sources(this.world, [
      { ...calmSource, name: 'asked', isFollowed: false },
      { ...calmSource, name: 'followed', isFollowed: true },
    ]);
  }

  host(name: string, peer = `peer-${name}`): Host {
    const process = new Process(this.world, {
      ...{ label: `${name}#${++this.#lives}`, turnMs: [0.01, 0.1] },
      onCrash(error) {
        throw error;
      },
    });
    const port = this.sources.create(name, peer, process);
    const events: LookupEvent[] = [];
    process.enter('start', () => {
      port.start((event) => events.push(event));
      port.announce({ name, peer, cluster: 'sim', version: '1', addresses: [`${addressOf(name)}/p2p/${peer}`] });
    });
    return { process, port, events };
  }

  ask({ port, events }: Host, source = 'asked'): LookupEvent {
    const before = events.length;
    port.query(source, 1_000);
    const next = (): LookupEvent | undefined => events.slice(before).find((event) => event.source === source);
    this.world.run(2_000, () => next() !== undefined);
    return next()!;
  }

  names(host: Host): string {
    const event = this.ask(host);
    return event.type === 'failed' ? event.code : event.findings.map(({ name }) => name).join();
  }
}

test('who crashes is gone when its lease ends, and not before; its next life takes its place', () => {
  const stage = new Stage();
  const [a, b] = [stage.host('a'), stage.host('b')];
  stage.world.run(1_000);
  assert.equal(stage.names(a), 'b');
  b.process.end();
  stage.world.run(leaseMs / 2);
  assert.equal(stage.names(a), 'b');
  const last = a.events.filter(({ source }) => source === 'followed').at(-1);
  assert.ok(last?.type === 'answered' && last.findings.length === 1);
  stage.world.run(leaseMs);
  assert.equal(stage.names(a), '');
  const told = a.events.filter(({ source }) => source === 'followed').at(-1);
  assert.ok(told?.type === 'answered' && told.findings.length === 0, 'followers are told');
  stage.host('b');
  stage.world.run(1_000);
  assert.equal(stage.names(a), 'b');
  // An earlier life takes nothing back from a later one.
  b.port.stop(() => {});
  stage.world.run(3 * leaseMs);
  assert.equal(stage.names(a), 'b');
});

test('who is paused for longer than its lease is back when it goes on', () => {
  const stage = new Stage();
  const [a, b] = [stage.host('a'), stage.host('b')];
  stage.world.run(1_000);
  b.process.pause();
  stage.world.run(2 * leaseMs);
  assert.equal(stage.names(a), '');
  b.process.resume();
  stage.world.run(leaseMs);
  assert.equal(stage.names(a), 'b');
});

test('who is cut off from a source hears that it cannot be asked, is forgotten there, and is back when it is mended', () => {
  const stage = new Stage();
  const [a, b] = [stage.host('a'), stage.host('b')];
  stage.world.run(1_000);
  for (const source of stage.sources.all.values()) source.cutOff.add('b');
  assert.equal(stage.names(b), 'SOURCE_TIMED_OUT');
  stage.host('c');
  stage.world.run(2 * leaseMs);
  assert.equal(stage.names(a), 'c');
  const last = b.events.filter(({ source }) => source === 'followed').at(-1);
  assert.ok(last?.type === 'failed' && last.code === 'SOURCE_UNREACHABLE');
  stage.sources.heal();
  stage.world.run(leaseMs);
  assert.deepEqual([stage.names(a), stage.names(b)], ['c,b', 'a,c']);
  // Stopped while cut off: it ends in its time, and its lease ends later.
  stage.sources.get('asked').cutOff.add('b');
  let isDone = false;
  b.process.enter('stop', () =>
    b.port.stop(() => {
      isDone = true;
    }),
  );
  assert.ok(stage.world.run(5_000, () => isDone));
  assert.equal(stage.names(a), 'c,b');
  stage.world.run(leaseMs);
  assert.equal(stage.names(a), 'c');
});

test('ills are what a source answers as often as was said, and the seed decides when', () => {
  const answers = (seed: number, ills: Partial<SourceIlls>): string[] => {
    const stage = new Stage(seed);
    const a = stage.host('a');
    stage.world.run(100);
    for (const name of ['b', 'c', 'd']) {
      stage.host(name);
      stage.world.run(100);
    }
    stage.sources.get('asked').ills = { ...healthySource, ...ills };
    const summary = (event: LookupEvent): string =>
      event.type === 'failed' ? event.code : event.findings.map(({ peer, addresses }) => `${peer} ${addresses}`).join();
    return Array.from({ length: 60 }, () => summary(stage.ask(a)));
  };
  const [truth] = answers(1, {});
  assert.deepEqual(new Set(answers(1, {})), new Set([truth]));
  assert.deepEqual(new Set(answers(1, { fails: 1 })), new Set(['SOURCE_REFUSED']));
  assert.deepEqual(new Set(answers(1, { hangs: 1 })), new Set(['SOURCE_TIMED_OUT']));
  assert.deepEqual(new Set(answers(1, { empty: 1 })), new Set(['']));
  const stale = new Set(answers(1, { stale: 1 }));
  assert.ok(stale.size > 2 && stale.has('') && stale.has('peer-b /dns/b/tcp/1/p2p/peer-b'));
  const wrong = new Set(answers(1, { wrong: 1 }));
  assert.ok(wrong.size > 2 && [...wrong].every((one) => one.includes('null /dns/nowhere/tcp/1')));
  const mixed = { fails: 0.2, hangs: 0.2, empty: 0.2, stale: 0.2, wrong: 0.2 };
  assert.deepEqual(answers(2, mixed), answers(2, mixed));
  assert.notDeepEqual(answers(2, mixed), answers(3, mixed));
  assert.ok(new Set(answers(2, mixed)).size > 5);
});

test('of more members than one answer holds each host sees some, and not all the same', () => {
  const stage = new Stage();
  const all = Array.from({ length: 300 }, (_, n): Finding => {
    return { peer: `p${n}`, name: `n${n}`, addresses: [addressOf(`n${n}`)], priority: 0, weight: 0, healthy: true, ttlMs: 1 };
  });
  stage.sources.get('asked').set(all);
  const a = stage.host('a');
  stage.world.run(100);
  const seen = new Set(Array.from({ length: 30 }, () => stage.names(a)));
  assert.ok(seen.size > 20 && [...seen].every((names) => names.split(',').length === 100));
});

/** Nodes that know no address of each other, with the sources of the stage. */
const clusterOf = (stage: Stage, names: readonly string[]): SimulatedNode[] => {
  const { world, sources } = stage;
  const network = new Network(world, calmNetwork);
  const fail = (name: string, error: unknown): never => {
    throw new Error(`${name}: ${String(error)}`);
  };
  return names.map((name) => {
    const node = new SimulatedNode(world, network, {
      ...{ name, sources, turnMs: [0.005, 0.05], disk: { syncMs: [0.1, 1] }, skew: new ClockSkew(1, 0) },
      settings: {
        ...settingsDefaults,
        ...{ name, cluster: 'sim', version: 'sim', bootstrap: [...names], join: [], http: null, groups: ['kv'], tags: [] },
      },
      ...{ observe() {}, onStart() {}, onEnd() {}, onFault: fail, onBroken: fail },
    });
    node.start();
    return node;
  });
};

const isReady = (node: SimulatedNode): boolean => node.api?.status().state === 'ready';

for (const ills of [healthySource, { fails: 0.3, hangs: 0.1, empty: 0.2, stale: 0.2, wrong: 0.2 }])
  test(`a cluster forms through a source alone, ${ills === healthySource ? 'well' : 'ill'}, and again after a crash of all`, () => {
    const stage = new Stage(7);
    stage.sources.get('asked').ills = ills;
    // What followers are told is always true; here nobody is told.
    stage.sources.get('followed').cutOff.add('n1').add('n2').add('n3');
    const nodes = clusterOf(stage, ['n1', 'n2', 'n3']);
    const patienceMs = ills === healthySource ? 15_000 : 120_000;
    assert.ok(
      stage.world.run(patienceMs, () => nodes.every(isReady)),
      'they find each other',
    );
    for (const node of nodes) node.crash({ silently: true });
    for (const node of nodes) node.start();
    assert.ok(
      stage.world.run(patienceMs, () => nodes.every(isReady)),
      'again',
    );
  });

test('who stops is taken back from its sources before anything else: nobody shall find it while it hands over', () => {
  const stage = new Stage(7);
  const nodes = clusterOf(stage, ['n1', 'n2', 'n3']);
  assert.ok(
    stage.world.run(15_000, () => nodes.every(isReady)),
    'ready',
  );
  const leader = nodes.find((node) => node.api?.status().groups[0]?.role === 'leader')!;
  // With nobody to hand over to it tries for a while.
  for (const node of nodes) if (node !== leader) node.crash({ silently: true });
  const began = stage.world.nowMs;
  let stoppedMs: number | null = null;
  leader.stop(() => {
    stoppedMs = stage.world.nowMs;
  });
  const isKnown = (): boolean => stage.sources.get('asked').known.some(({ name }) => name === leader.name);
  assert.ok(stage.world.run(200, () => !isKnown()));
  assert.equal(stoppedMs, null);
  assert.ok(stage.world.run(10_000, () => stoppedMs !== null));
  assert.ok(stoppedMs! - began < 4_400, `${stoppedMs! - began} ms`);
});

test('a source that cannot be reached holds up the end of a node beside its hand-over, not behind it', () => {
  const stage = new Stage(7);
  const nodes = clusterOf(stage, ['n1', 'n2', 'n3']);
  assert.ok(
    stage.world.run(15_000, () => nodes.every(isReady)),
    'ready',
  );
  const leader = nodes.find((node) => node.api?.status().groups[0]?.role === 'leader')!;
  for (const node of nodes) if (node !== leader) node.crash({ silently: true });
  for (const source of stage.sources.all.values()) source.cutOff.add(leader.name);
  const began = stage.world.nowMs;
  let isStopped = false;
  leader.stop(() => {
    isStopped = true;
  });
  assert.ok(stage.world.run(20_000, () => isStopped));
  // `polity start` ends at once after 4.5 s.
  assert.ok(stage.world.nowMs - began < 4_000, `${stage.world.nowMs - began} ms`);
});
