// The whole tree over ports moved by hand: what it remembers, what it survives, and that everybody who asks is answered once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BackupPart, GroupChange, NodeApi, WatchMessage } from '../../actors/api.ts';
import { readHosted } from '../../actors/identity.ts';
import { parseRaftMessage } from '../../machines/raft/messages.ts';
import type { RegisterResult } from '../../machines/register/types.ts';
import { encodeEnvelope, wireVersion } from '../../machines/wire/envelope.ts';
import { bytesOf, collector, createHandCluster, envelopeOf, groupOf, type HandNode } from './hand-cluster.ts';

const put = (key: string, value: string) => ({ op: 'put' as const, key, value: bytesOf(value) });
const restartsOf = ({ api }: HandNode): Record<string, number> =>
  Object.fromEntries(api.status().actors.map(({ address, restarts }) => [address, restarts]));

const write = (cluster: ReturnType<typeof createHandCluster>, node: HandNode, key: string, value = 'v'): RegisterResult => {
  const writes = collector<RegisterResult>();
  node.api.write(put(key, value), {}, writes.done());
  cluster.until(() => writes.outcomes.length === 1);
  const [outcome] = writes.outcomes;
  assert.ok(outcome?.ok, `${key}: ${writes.codes()}`);
  return outcome.value;
};

const read = (cluster: ReturnType<typeof createHandCluster>, node: HandNode, key: string): string | null => {
  const reads = collector<RegisterResult>();
  node.api.read({ op: 'get', key }, {}, reads.done());
  cluster.until(() => reads.outcomes.length === 1);
  const [outcome] = reads.outcomes;
  assert.ok(outcome?.ok && outcome.value.op === 'get', reads.codes().join());
  return outcome.value.found === null ? null : Buffer.from(outcome.value.found.value).toString();
};

/** Makes an actor of the node throw when it next sends a message of this type. */
const failWhenSending = (cluster: ReturnType<typeof createHandCluster>, node: HandNode, type: string): void => {
  cluster.network.full = (letter) => {
    if (letter.from !== node.peer || envelopeOf(letter).type !== type) return false;
    cluster.network.full = () => false;
    throw new Error(`no ${type}`);
  };
};

test('three nodes form a cluster, and any of them serves any request', () => {
  const cluster = createHandCluster();
  const nodes = cluster.form();
  const ids = new Set(nodes.map(({ api }) => api.status().clusterId));
  assert.equal(ids.size, 1);
  for (const node of nodes) write(cluster, node, node.name, node.name);
  for (const node of nodes) for (const { name } of nodes) assert.equal(read(cluster, node, name), name);
});

test('all nodes killed at once come back with everything acknowledged, and with new epochs', () => {
  const cluster = createHandCluster();
  const nodes = cluster.form();
  for (let n = 0; n < 20; n++) write(cluster, nodes[n % 3]!, `k${n}`, `v${n}`);
  const disks = nodes.map((node) => cluster.kill(node));
  const again = nodes.map(({ name }, at) => cluster.start(name, { contents: disks[at]! }));
  cluster.until(() => again.every(({ api }) => api.status().state === 'ready'));
  for (let n = 0; n < 20; n++) assert.equal(read(cluster, again[(n + 1) % 3]!, `k${n}`), `v${n}`);
  assert.ok(again.every(({ api }) => api.status().epoch === 2));
});

test('a group whose actor fails starts again from its disk; whoever waits is answered once, truly', () => {
  const cluster = createHandCluster();
  let poisoned = false;
  const nodes = ['n1', 'n2', 'n3'].map((name) =>
    cluster.start(name, {
      observe(observation) {
        if (observation.type !== 'applied' || !poisoned || observation.replica !== leaderReplica()) return;
        poisoned = false;
        throw new Error('poisoned');
      },
    }),
  );
  const leaderReplica = (): string | null | undefined => groupOf(cluster.leader())?.replica;
  cluster.until(() => nodes.every(({ api }) => api.status().state === 'ready'));
  write(cluster, nodes[0]!, 'before');
  const leader = cluster.leader();
  const follower = nodes.find((node) => node !== leader)!;
  poisoned = true;
  const writes = collector<RegisterResult>();
  for (let n = 0; n < 5; n++) {
    leader.api.write(put(`leader ${n}`, 'v'), {}, writes.done());
    follower.api.write(put(`follower ${n}`, 'v'), {}, writes.done());
  }
  cluster.until(() => restartsOf(leader)['group/kv'] === 1 || groupOf(leader)?.role === 'none');
  assert.notEqual(groupOf(leader)?.role, 'leader', 'the status does not show what is no more');
  // Asked while it is being restarted: refused at once, or served elsewhere.
  leader.api.write(put('meanwhile', 'v'), {}, writes.done());
  cluster.until(() => writes.outcomes.length === writes.asked);
  cluster.until(() => nodes.every(({ api }) => api.status().state === 'ready'));
  assert.deepEqual(restartsOf(leader), {
    liveness: 0,
    membership: 0,
    discovery: 0,
    replicator: 0,
    relay: 0,
    routes: 0,
    rpc: 0,
    actors: 0,
    graph: 0,
    shards: 0,
    inspect: 0,
    genesis: 0,
    gossip: 0,
    catalog: 0,
    'group/kv': 1,
  });
  for (const outcome of writes.outcomes)
    if (outcome.ok && outcome.value.op === 'put') assert.equal(read(cluster, leader, outcome.value.key), 'v');
    else if (!outcome.ok) assert.ok(['OUTCOME_UNKNOWN', 'NOT_READY'].includes(outcome.failure.code), outcome.failure.code);
  assert.equal(read(cluster, follower, 'before'), 'v');
});

test('a liveness actor that starts again goes on where the last one was: beats, probes, quiet groups', () => {
  const cluster = createHandCluster();
  const nodes = cluster.form();
  cluster.until(() => nodes.every((node) => groupOf(node)?.quiet === true));
  const leader = cluster.leader();
  failWhenSending(cluster, leader, 'beat');
  cluster.until(() => leader.api.status().actors.some(({ address, restarts }) => address === 'liveness' && restarts === 1));
  cluster.pass(300);
  cluster.until(() => nodes.every((node) => groupOf(node)?.quiet === true));
  const { term } = groupOf(leader)!;
  cluster.pass(3_000);
  assert.equal(groupOf(leader)?.term, term);
  assert.ok(
    nodes.every((node) => groupOf(node)?.quiet),
    'its followers sleep on its beats',
  );
  // And it still notices a half-open connection.
  const silent = nodes.find((node) => node !== leader)!;
  cluster.lose((letter) => letter.from === silent.peer);
  cluster.pass(4_000);
  assert.ok(leader.dropped.includes(silent.peer));
});

test('a genesis actor that starts again still finds the cluster', () => {
  const cluster = createHandCluster();
  const lone = cluster.start('n3');
  failWhenSending(cluster, lone, 'offer');
  const [n1, n2] = [cluster.start('n1'), cluster.start('n2')];
  cluster.until(() => [n1, n2, lone].every(({ api }) => api.status().state === 'ready'));
  assert.equal(restartsOf(lone).genesis, 1);
});

test('what must not rot ends the start with its name, whichever byte it is; what is only a help does not', () => {
  const cluster = createHandCluster();
  const [n1] = cluster.form();
  const disk = cluster.kill(n1);
  const damaged = (name: string, alter: (value: Uint8Array) => Uint8Array) => {
    const [key, value] = disk.get(name) ?? [bytesOf(name), new Uint8Array()];
    return new Map([...disk, [name, [key, alter(new Uint8Array(value))] as [Uint8Array, Uint8Array]]]);
  };
  for (const name of ['m/genesis', 'm/offer', 'm/epoch', 'm/incarnation', 'm/hosted/kv']) {
    const { byteLength } = disk.get(name)![1];
    for (let at = 0; at < byteLength; at++)
      assert.throws(
        () => cluster.start('n1', { contents: damaged(name, (value) => value.with(at, value[at]! ^ 1)) }),
        /^StorageFault: CORRUPT: the record of/,
        `${name} at ${at}`,
      );
    assert.throws(() => cluster.start('n1', { contents: damaged(name, () => new Uint8Array(3)) }), /CORRUPT/);
  }
  const again = cluster.start('n1', { contents: damaged('m/peers', () => Uint8Array.of(0x81)) });
  cluster.until(() => again.api.status().state === 'ready');
  assert.ok(again.lines.some(({ code }) => code === 'PEERS_DAMAGED'));
});

test('asked twice at once to host a group, a node makes one replica', () => {
  const cluster = createHandCluster();
  cluster.form();
  const n4 = cluster.start('n4', { bootstrap: [] });
  cluster.until(() => n4.api.status().clusterId !== null);
  const ids: unknown[] = [];
  const asker = cluster.network.port('p-asker');
  cluster.network.listen('p-asker', (event) => {
    if (event.type !== 'message') return;
    const envelope = envelopeOf({ from: event.peer, to: '', lane: event.lane, bytes: event.bytes });
    if (envelope.type === 'answer') ids.push(envelope.body);
  });
  cluster.network.connect('p-asker', n4.peer);
  for (let id = 1; id <= 3; id++) {
    const envelope = {
      version: wireVersion,
      source: 'x',
      target: 'node',
      type: 'host',
      id,
      correlation: 0,
      timeLeftMs: 0,
      trace: '',
    };
    asker.send(n4.peer, 'calls', encodeEnvelope({ ...envelope, body: 'kv' }));
  }
  cluster.until(() => ids.length === 3);
  assert.equal(new Set(ids.map((body) => JSON.stringify(body))).size, 1, JSON.stringify(ids));
  assert.deepEqual(ids[0], ['done', readHosted(n4.storage, 'kv')]);
});

test('no message of a member brings an actor down, and each is counted and told with its name', () => {
  const cluster = createHandCluster();
  const [n1, n2] = cluster.form();
  const port = cluster.network.port(n2.peer);
  const targets = [
    'register/kv',
    'raft/kv',
    'snapshot/kv',
    'liveness',
    'membership',
    'genesis',
    'node',
    'nobody',
    'routes',
    'relay',
    'actors',
    'inspect',
    'constructor',
  ];
  const types = [
    'constructor',
    '__proto__',
    'toString',
    'write',
    'read',
    'change',
    'raft',
    'offer',
    'chunk',
    'ack',
    'beat',
    'host',
    'peers',
    'membership',
    'reach',
    'parcel',
    'ask',
    'follow',
    'list',
    'describe',
    'next',
  ];
  const bodies = [
    null,
    0,
    '',
    'constructor',
    [],
    {},
    [null],
    [[[]]],
    { type: 'add' },
    { genesis: {} },
    new Uint8Array(3),
    [1, 2, 3, 4],
  ];
  for (const target of targets)
    for (const type of types)
      for (const body of bodies) {
        const envelope = { version: wireVersion, source: 'x', target, type, id: 1, correlation: 0, timeLeftMs: 1, trace: '' };
        port.send(n1.peer, 'control', encodeEnvelope({ ...envelope, body }));
        cluster.deliver();
      }
  cluster.pass(500);
  assert.deepEqual(restartsOf(n1), {
    liveness: 0,
    membership: 0,
    discovery: 0,
    replicator: 0,
    relay: 0,
    routes: 0,
    rpc: 0,
    actors: 0,
    graph: 0,
    shards: 0,
    inspect: 0,
    genesis: 0,
    gossip: 0,
    catalog: 0,
    'group/kv': 0,
  });
  const told = n1.lines.filter(({ level }) => level === 'warn');
  assert.ok(told.length > 0 && told.length < 30, `${told.length} lines`);
  assert.ok(told.some(({ facts }) => facts.name === 'n2'));
  const refused = [...n1.counts].filter(([name]) => name.startsWith('messages_refused_total'));
  assert.ok(refused.reduce((sum, [, count]) => sum + count, 0) > 500);
});

test('no argument of a program brings an actor down', () => {
  const cluster = createHandCluster();
  const [n1] = cluster.form();
  const odd = [undefined, null, 0, 'x', [], {}, { type: 'add' }, { type: 'add', node: 7, role: 'voter' }, { op: 'put' }];
  const answers = collector<unknown>();
  for (const value of odd) {
    n1.api.write(value as never, {}, answers.done());
    n1.api.read(value as never, { consistency: 'local' }, answers.done());
    n1.api.changeGroup('kv', value as unknown as GroupChange, {}, answers.done());
    n1.api.write(put('k', 'v'), { timeoutMs: value as never }, answers.done());
    n1.api.changeGroup('kv', { type: 'remove', node: 'n9' }, { timeoutMs: value as never }, answers.done());
  }
  const watched: WatchMessage[] = [];
  for (const from of [-1, 0.5, Number.NaN, 'x'])
    n1.api.watch({ prefix: '', from: from as number }, (message) => watched.push(message));
  n1.api.watch({ prefix: null as never, from: 0 }, (message) => watched.push(message));
  cluster.until(() => answers.outcomes.length === answers.asked);
  assert.deepEqual(restartsOf(n1), {
    liveness: 0,
    membership: 0,
    discovery: 0,
    replicator: 0,
    relay: 0,
    routes: 0,
    rpc: 0,
    actors: 0,
    graph: 0,
    shards: 0,
    inspect: 0,
    genesis: 0,
    gossip: 0,
    catalog: 0,
    'group/kv': 0,
  });
  assert.deepEqual(
    watched.map((message) => message.type === 'failed' && message.failure.code),
    Array(5).fill('INVALID_REQUEST'),
  );
});

type Copy = { parts: BackupPart[]; keys: string[]; end: () => void; resume: () => void };

const backup = (api: NodeApi, timeoutMs = 5_000, paused = false): Copy => {
  let more = (): void => {};
  const copy: Copy = { parts: [], keys: [], end: () => {}, resume: () => more() };
  copy.end = api.backup('kv', { timeoutMs }, (part, next) => {
    copy.parts.push(part);
    if (part.type === 'records') for (const [key] of part.records) copy.keys.push(Buffer.from(key.subarray(1)).toString());
    more = next;
    if (!paused) next();
  });
  return copy;
};

test('a backup taken at a node that lags holds everything that was acknowledged before', () => {
  const cluster = createHandCluster();
  const nodes = cluster.form();
  write(cluster, nodes[0], 'early');
  const leader = cluster.leader();
  const lagging = nodes.find((node) => node !== leader)!;
  cluster.lose(
    (letter, { target, body }) => letter.to === lagging.peer && target === 'raft/kv' && Array.isArray(body) && body[0] === 4,
  );
  const { index } = write(cluster, leader, 'late');
  const copy = backup(lagging.api);
  cluster.pass(10);
  assert.equal(copy.parts.length, 0, 'it waits');
  cluster.lose(() => false);
  cluster.until(() => copy.parts.at(-1)?.type === 'end');
  assert.ok(copy.keys.includes('late') && copy.keys.includes('early'));
  const [first] = copy.parts;
  assert.ok(first?.type === 'start' && first.index >= index);
});

test('a backup is what its label says, however long its reader takes', () => {
  const cluster = createHandCluster();
  const [n1] = cluster.form();
  write(cluster, n1, 'before');
  const copy = backup(n1.api, 5_000, true);
  cluster.until(() => copy.parts.length === 1);
  write(cluster, n1, 'after');
  for (let n = 0; n < 5; n++) {
    copy.resume();
    copy.resume();
    cluster.pass(5);
  }
  assert.equal(copy.parts.at(-1)?.type, 'end');
  assert.deepEqual(
    copy.keys.filter((key) => key === 'before' || key === 'after'),
    ['before'],
  );
  assert.equal(copy.parts.filter(({ type }) => type === 'end').length, 1);
});

test('a backup that its reader ends says nothing more; one whose leader is gone fails in time', () => {
  const cluster = createHandCluster();
  const nodes = cluster.form();
  const ended = backup(nodes[0].api, 5_000, true);
  cluster.until(() => ended.parts.length === 1);
  ended.end();
  ended.resume();
  cluster.pass(100);
  assert.equal(ended.parts.length, 1);
  const leader = cluster.leader();
  const [left] = nodes.filter((node) => node !== leader);
  cluster.lose(() => true);
  const failed = backup(left!.api, 500);
  cluster.until(() => failed.parts.length === 1, 2_000);
  assert.equal(failed.parts[0]?.type, 'failed');
});

test('a node that stops answers everybody: writes, reads, local lists, watchers, backups', () => {
  const cluster = createHandCluster();
  const nodes = cluster.form();
  const [n1] = nodes;
  write(cluster, n1, 'k');
  const answers = collector<RegisterResult>();
  const watched: WatchMessage[] = [];
  n1.api.watch({ prefix: '', from: 0 }, (message) => watched.push(message));
  const copy = backup(n1.api, 5_000, true);
  cluster.until(() => copy.parts.length === 1);
  cluster.lose(() => true);
  n1.api.write(put('k', 'w'), {}, answers.done());
  n1.api.read({ op: 'get', key: 'k' }, {}, answers.done());
  // The write has left for the log or for the leader: from here on nobody knows what becomes of it.
  cluster.clock.pass(1);
  let closed = 0;
  n1.api.stop(() => closed++);
  cluster.clock.pass(1_500);
  n1.api.read({ op: 'list', prefix: '', limit: 10 }, { consistency: 'local' }, answers.done());
  n1.api.stop(() => closed++);
  cluster.pass(100);
  n1.api.stop(() => closed++);
  assert.equal(closed, 3);
  assert.deepEqual(answers.codes().toSorted(), ['OUTCOME_UNKNOWN', 'STOPPING', 'STOPPING']);
  assert.deepEqual([watched.at(-1)?.type, copy.parts.at(-1)?.type], ['failed', 'failed']);
  assert.equal(n1.api.status().state, 'left');
});

test('a list of this node that is under way when its group ends is answered', () => {
  const cluster = createHandCluster();
  const [n1] = cluster.form();
  let poisoned = false;
  const disk = cluster.kill(n1);
  const again = cluster.start('n1', {
    contents: disk,
    observe() {
      if (!poisoned) return;
      poisoned = false;
      throw new Error('poisoned');
    },
  });
  cluster.until(() => again.api.status().state === 'ready');
  const answers = collector<RegisterResult>();
  const others = [...cluster.nodes.values()].filter((node) => node !== again);
  others[0]!.api.write(put('x', 'y'), {}, () => {});
  poisoned = true;
  // The list waits for the disk, whose turn comes after the failure.
  cluster.until(() => {
    again.api.read({ op: 'list', prefix: '', limit: 10 }, { consistency: 'local' }, answers.done());
    return !poisoned;
  });
  // How long the actor waits before it starts again is drawn.
  cluster.until(() => restartsOf(again)['group/kv'] === 1, 2_000);
  assert.equal(answers.outcomes.length, answers.asked);
});

test('a change of members over which leadership is lost is unknown, never MEMBER_NOT_FOUND', () => {
  const cluster = createHandCluster();
  const nodes = cluster.form();
  const leader = cluster.leader();
  const [gone] = nodes.filter((node) => node !== leader);
  const changes = collector<{ index: number }>();
  // Its append reaches the others, and nothing comes back: they elect another leader, who goes on with it.
  cluster.lose((letter) => letter.to === leader.peer);
  leader.api.changeGroup('kv', { type: 'remove', node: gone!.name }, { timeoutMs: 3_000 }, changes.done());
  cluster.pass(1_500);
  cluster.lose(() => false);
  cluster.until(() => changes.outcomes.length === 1);
  assert.deepEqual(changes.codes(), ['OUTCOME_UNKNOWN']);
});

test('a peer that is forgotten in the status was not connected', () => {
  const cluster = createHandCluster();
  const [n1] = cluster.form();
  for (let n = 0; n < 1_050; n++) {
    cluster.network.connect(n1.peer, `p-x${n}`);
    cluster.network.disconnect(n1.peer, `p-x${n}`);
    cluster.clock.settle();
  }
  cluster.pass(100);
  const { peers } = n1.api.status();
  assert.ok(peers.length <= 1_001, `${peers.length}`);
  assert.equal(peers.filter(({ connected }) => connected).length, 2);
});

test('a node that is added before it has heard of the cluster is added when it has', () => {
  const cluster = createHandCluster();
  cluster.form();
  const added = cluster.start('n4', { bootstrap: [] });
  cluster.lose((letter, { type }) => letter.to === added.peer && type === 'formed');
  cluster.pass(100);
  const changes = collector<{ index: number }>();
  cluster.leader().api.changeGroup('kv', { type: 'add', node: 'n4', role: 'voter' }, { timeoutMs: 3_000 }, changes.done());
  cluster.pass(800);
  assert.deepEqual(changes.codes(), []);
  cluster.lose(() => false);
  cluster.until(() => changes.outcomes.length === 1);
  assert.deepEqual(changes.codes(), ['ok']);
});

test('a node that never hears of the cluster is not added, and that is definite', () => {
  const cluster = createHandCluster();
  cluster.form();
  const added = cluster.start('n4', { bootstrap: [] });
  cluster.lose((letter, { type }) => letter.to === added.peer && type === 'formed');
  const changes = collector<{ index: number }>();
  cluster.leader().api.changeGroup('kv', { type: 'add', node: 'n4', role: 'voter' }, { timeoutMs: 1_000 }, changes.done());
  cluster.until(() => changes.outcomes.length === 1, 1_100);
  assert.deepEqual(changes.codes(), ['NOT_READY']);
});

test('who was taken out while it was cut off, and never hears of it, serves by way of the others', () => {
  const cluster = createHandCluster();
  const nodes = cluster.form();
  const leader = cluster.leader();
  const gone = nodes.find((node) => node !== leader)!;
  write(cluster, leader, 'k', 'v');
  cluster.lose((letter) => letter.from === gone.peer || letter.to === gone.peer);
  cluster.pass(1_000);
  const changes = collector<{ index: number }>();
  leader.api.changeGroup('kv', { type: 'remove', node: gone.name }, { timeoutMs: 3_000 }, changes.done());
  cluster.until(() => changes.outcomes.length === 1);
  assert.deepEqual(changes.codes(), ['ok']);
  cluster.pass(2_000);
  cluster.lose(() => false);
  cluster.pass(1_000);
  const { leader: heardOf, voters } = groupOf(gone)!;
  assert.deepEqual({ heardOf, isVoter: voters.includes(gone.name) }, { heardOf: null, isVoter: true }, 'it knows nothing');
  assert.equal(read(cluster, gone, 'k'), 'v');
  write(cluster, gone, 'k', 'w');
});

test('a healthy voter is not taken out while another does not answer; who does not answer may go', () => {
  const cluster = createHandCluster();
  const nodes = cluster.form();
  const leader = cluster.leader();
  const [silent, healthy] = nodes.filter((node) => node !== leader);
  const ask = (node: string): string[] => {
    const changes = collector<{ index: number }>();
    leader.api.changeGroup('kv', { type: 'remove', node }, { timeoutMs: 1_000 }, changes.done());
    cluster.until(() => changes.outcomes.length === 1);
    return changes.codes();
  };
  cluster.lose((letter) => letter.from === silent!.peer || letter.to === silent!.peer);
  cluster.pass(1_000);
  assert.deepEqual(ask(healthy!.name), ['NO_QUORUM']);
  write(cluster, leader, 'k', 'the group goes on');
  assert.deepEqual(ask(silent!.name), ['ok']);
  write(cluster, leader, 'k', 'with two');
});

test('who leaves a group and never hears how that ended serves by way of the others', () => {
  const cluster = createHandCluster();
  const nodes = cluster.form();
  const leader = cluster.leader();
  const leaving = nodes.find((node) => node !== leader)!;
  write(cluster, leader, 'k', 'v');
  let told = false;
  cluster.lose((letter, { target, body }) => {
    if (letter.to !== leaving.peer || target !== 'raft/kv') return false;
    const parsed = parseRaftMessage(body);
    const lost = told;
    told ||= parsed.ok && parsed.message.type === 'append' && parsed.message.entries.length > 0;
    return lost;
  });
  const changes = collector<{ index: number }>();
  leader.api.changeGroup('kv', { type: 'remove', node: leaving.name }, { timeoutMs: 3_000 }, changes.done());
  cluster.until(() => changes.outcomes.length === 1);
  assert.deepEqual(changes.codes(), ['ok']);
  cluster.pass(2_000);
  const { role, leader: heardOf, joint } = groupOf(leaving)!;
  assert.deepEqual({ told, joint, heardOf, stands: role !== 'none' }, { told: true, joint: true, heardOf: null, stands: true });
  assert.equal(read(cluster, leaving, 'k'), 'v');
  write(cluster, leaving, 'k', 'w');
});

test('a transfer whose target was told and is not heard of is unknown: it may still take over', () => {
  const cluster = createHandCluster();
  const nodes = cluster.form();
  const leader = cluster.leader();
  const target = nodes.find((node) => node !== leader)!;
  const transfer = () => {
    const changes = collector<{ index: number }>();
    leader.api.changeGroup('kv', { type: 'transfer', node: target.name }, { timeoutMs: 3_000 }, changes.done());
    cluster.until(() => changes.outcomes.length === 1);
    return changes.codes();
  };
  cluster.lose((_letter, { target: address, body }) => {
    const parsed = address === 'raft/kv' ? parseRaftMessage(body) : null;
    return parsed?.ok === true && parsed.message.type === 'time-out-now';
  });
  assert.deepEqual(transfer(), ['OUTCOME_UNKNOWN']);
  // Nothing reaches it, so it lags, and is never told to campaign.
  cluster.lose((letter) => letter.to === target.peer);
  write(cluster, leader, 'k');
  assert.deepEqual(transfer(), ['NO_QUORUM']);
});
