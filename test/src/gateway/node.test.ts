// What a node says of itself over HTTP: health, status, members, groups, metrics, events, backup.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';
import { WebSocket } from 'ws';
import { failure } from '../../../machines/errors.ts';
import type { MemberView } from '../../../machines/membership/index.ts';
import type { Gateway } from '../../../src/gateway/index.ts';
import { membersOf } from '../../../src/gateway/index.ts';
import { FakeNode, fakeStatus } from './fake-node.ts';
import { openTestGateway } from './open.ts';
import { ask } from './request.ts';

let node: FakeNode;
let gateway: Gateway;
before(async () => {
  node = new FakeNode();
  gateway = await openTestGateway(node);
});
after(() => gateway.close());

test('ready while the node is, else a problem that says why', async () => {
  assert.deepEqual((await ask(gateway, 'GET', '/health/ready')).json, { ready: true, state: 'ready' });
  const cases = [
    ['degraded', 'NO_QUORUM', 'NO_QUORUM'],
    ['joining', null, 'NOT_READY'],
    ['degraded', 'IDENTITY_LOST', 'IDENTITY_LOST'],
    ['failed', 'STORAGE_FAILED', 'STORAGE_FAILED'],
    ['draining', null, 'STOPPING'],
  ] as const;
  for (const [state, reason, code] of cases) {
    node.setStatus({ state, reason });
    const answer = await ask(gateway, 'GET', '/health/ready');
    assert.deepEqual([answer.status >= 500, answer.json.code], [true, code], state);
  }
  assert.equal((await ask(gateway, 'GET', '/health/live')).status, 200);
  node.setStatus({ state: 'failed', reason: 'STORAGE_FAILED' });
  assert.equal((await ask(gateway, 'GET', '/health/live')).status, 500);
  node.setStatus({ state: 'ready', reason: null });
});

test('before there is a node, it lives and is not ready', async () => {
  const early = await openTestGateway(null);
  assert.equal((await ask(early, 'GET', '/health/live')).status, 200);
  for (const path of ['/health/ready', '/v1/status', '/v1/kv/a'])
    assert.equal((await ask(early, 'GET', path)).json.code, 'NOT_READY');
  await early.close();
});

test('status is the status store, members what can be told of everybody', async () => {
  assert.deepEqual((await ask(gateway, 'GET', '/v1/status')).json, JSON.parse(JSON.stringify(node.status())));
  const { members } = (await ask(gateway, 'GET', '/v1/members')).json as { members: Record<string, unknown>[] };
  assert.deepEqual(
    members.map(({ name, self, connected, groups, leads }) => ({ name, self, connected, groups, leads })),
    [
      { name: 'n1', self: true, connected: true, groups: { kv: 'voter' }, leads: ['kv'] },
      { name: 'n2', self: false, connected: true, groups: { kv: 'voter' }, leads: [] },
      { name: 'n3', self: false, connected: false, groups: { kv: 'learner' }, leads: [] },
    ],
  );
});

const knownMember = (name: string, changes: Partial<MemberView> = {}): MemberView => ({
  ...{
    name,
    peer: `peer${name}`,
    status: 'alive',
    incarnation: 2,
    forMs: 5,
    self: false,
    version: '1',
    region: 'here',
    tags: ['fast'],
  },
  ...{ capabilities: [], resources: {}, capacity: 0, load: 0, state: 'ready', addresses: ['/ip4/127.0.0.1/tcp/1'], ...changes },
});

test('two nodes that live under one name are both told, and a group means the one that takes part in it', async () => {
  const status = {
    ...node.status(),
    peers: ['impostor', 'real'].map((peerId) => ({
      ...{ name: 'n2', peerId, connected: true, epoch: 1, addresses: [`/ip4/127.0.0.1/tcp/1/p2p/${peerId}`], rttMs: 1 },
    })),
  };
  for (const order of [0, 1]) {
    const known = [
      knownMember('n2', { peer: 'impostor', state: 'joining', forMs: 10 }),
      knownMember('n2', { peer: 'real', forMs: 5_000 }),
    ];
    const told = membersOf(status, order === 0 ? known : known.reverse()).filter(({ name }) => name === 'n2');
    assert.deepEqual(
      told.map(({ peerId, state, groups, addresses }) => ({ peerId, state, groups, addresses })),
      [
        { peerId: 'real', state: 'ready', groups: { kv: 'voter' }, addresses: ['/ip4/127.0.0.1/tcp/1/p2p/real'] },
        { peerId: 'impostor', state: 'joining', groups: {}, addresses: ['/ip4/127.0.0.1/tcp/1/p2p/impostor'] },
      ],
    );
  }
  const alike = membersOf(node.status(), [knownMember('n1', { peer: 'twin' })]).filter(({ name }) => name === 'n1');
  assert.deepEqual(
    alike.map(({ peerId, self, groups }) => ({ peerId, self, groups })),
    [
      { peerId: node.status().peerId, self: true, groups: { kv: 'voter' } },
      { peerId: 'twin', self: false, groups: {} },
    ],
  );
});

test('members are what membership knows, beside what connections and groups say of the same nodes', async () => {
  const { peers } = node.status();
  const n2 = peers.find(({ name }) => name === 'n2')!;
  node.known = [
    knownMember('n1', { self: true, forMs: null, peer: node.status().peerId }),
    knownMember('n2', { peer: n2.peerId }),
    knownMember('n4', {
      status: 'failed',
      forMs: 1_000,
      capabilities: ['gpu'],
      resources: { cpus: 8, disk: 'ssd' },
      load: 0.4,
    }),
    // A wiped node came back under its name: the life that is there counts, whichever is told first.
    knownMember('n5', { peer: 'new', status: 'alive' }),
    knownMember('n5', { peer: 'old', status: 'failed' }),
    ...['x', 'y'].map((peer) => knownMember('', { peer, status: 'evicted', state: 'left' })),
  ];
  const { members } = (await ask(gateway, 'GET', '/v1/members')).json as { members: Record<string, unknown>[] };
  assert.deepEqual(
    members.map(({ name, peerId, status, state, connected }) => ({ name, peerId, status, state, connected })),
    [
      { name: 'n1', peerId: node.status().peerId, status: 'alive', state: 'ready', connected: true },
      { name: 'n2', peerId: n2.peerId, status: 'alive', state: 'ready', connected: true },
      { name: 'n3', peerId: members[2]!.peerId, status: 'unknown', state: null, connected: false },
      { name: 'n4', peerId: 'peern4', status: 'failed', state: 'ready', connected: false },
      { name: 'n5', peerId: 'new', status: 'alive', state: 'ready', connected: false },
      { name: 'x', peerId: 'x', status: 'evicted', state: 'left', connected: false },
      { name: 'y', peerId: 'y', status: 'evicted', state: 'left', connected: false },
    ],
  );
  const { capabilities, resources, capacity, load } = members[3]!;
  assert.deepEqual([capabilities, resources, capacity, load], [['gpu'], { cpus: 8, disk: 'ssd' }, 0, 0.4]);
  assert.equal(members[2]!.load, null, 'nobody knows');
  assert.equal((await ask(gateway, 'DELETE', '/v1/members/peern4')).status, 200);
  assert.deepEqual(node.evicted, ['peern4']);
  assert.equal((await ask(gateway, 'DELETE', '/v1/members/nobody')).json.code, 'MEMBER_NOT_FOUND');
  assert.equal((await ask(gateway, 'DELETE', `/v1/members/${node.status().peerId}`)).json.code, 'MEMBER_NOT_FOUND');
  for (const odd of ['..%2f', 'a%20b', 'x'.repeat(200)])
    assert.equal((await ask(gateway, 'DELETE', `/v1/members/${odd}`)).json.code, 'INVALID_REQUEST', odd);
  node.known = [];
});

test('groups are listed and changed', async () => {
  assert.equal(((await ask(gateway, 'GET', '/v1/groups')).json.groups as unknown[]).length, 1);
  await ask(gateway, 'POST', '/v1/groups/kv/members', { body: '{"node":"n4"}' });
  await ask(gateway, 'POST', '/v1/groups/kv/members', { body: '{"node":"n5","role":"learner"}' });
  await ask(gateway, 'POST', '/v1/groups/kv/members/n5/promote');
  await ask(gateway, 'DELETE', '/v1/groups/kv/members/n4');
  const transferred = await ask(gateway, 'POST', '/v1/groups/kv/transfer', { body: '{"node":"n2"}' });
  assert.deepEqual(transferred.json, { group: 'kv', node: 'n2', change: 'transfer', index: 7 });
  assert.deepEqual(
    node.changes.map(({ change }) => change),
    [
      { type: 'add', node: 'n4', role: 'voter' },
      { type: 'add', node: 'n5', role: 'learner' },
      { type: 'promote', node: 'n5' },
      { type: 'remove', node: 'n4' },
      { type: 'transfer', node: 'n2' },
    ],
  );
  node.changeOutcome = { ok: false, failure: failure('RECONFIGURATION_PENDING', 'wait') };
  assert.equal((await ask(gateway, 'DELETE', '/v1/groups/kv/members/n4')).status, 409);
  for (const body of ['{}', '{"node":"N 4"}', '{"node":"n4","role":"king"}', '{"node":"n4","rule":"voter"}'])
    assert.equal((await ask(gateway, 'POST', '/v1/groups/kv/members', { body })).json.code, 'INVALID_REQUEST', body);
});

test('metrics show the status, the counters of the sink and what was answered', async () => {
  node.setStatus(fakeStatus());
  node.setStatus({
    groups: node.status().groups.map((group) => ({ ...group, term: 4, leader: 'n2' as const, role: 'follower' as const })),
  });
  const { bytes, headers } = await ask(gateway, 'GET', '/metrics');
  assert.match(String(headers['content-type']), /^text\/plain/);
  const text = bytes.toString();
  for (const line of [
    'polity_raft_term{group="kv"} 4',
    'polity_raft_role{group="kv",role="follower"} 1',
    'polity_raft_role{group="kv",role="leader"} 0',
    'polity_raft_leader_changes_total{group="kv"} 2',
    'polity_node_state{state="ready"} 1',
    'polity_peers_connected 1',
    'polity_peer_rtt_seconds{peer="n2"} 0.0005',
    'polity_http_requests_total{route="GET /v1/groups",status="200"} 1',
    'polity_build_info{name="n1",version="0.0.0"} 1',
  ])
    assert.ok(text.includes(`${line}\n`), line);
  assert.match(text, /polity_http_request_seconds_count\{route="GET \/v1\/status"\} \d/);
});

test('events: the status at once and after each change', async () => {
  const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/v1/events`);
  const messages: { type: string; status: { state: string } }[] = [];
  let wake = (): void => {};
  socket.on('message', (data: Buffer) => {
    messages.push(JSON.parse(data.toString()));
    wake();
  });
  const until = async (count: number): Promise<void> => {
    while (messages.length < count) await new Promise<void>((resolve) => (wake = resolve));
  };
  await until(1);
  node.setStatus({ state: 'degraded' });
  await until(2);
  assert.deepEqual(
    messages.map(({ type, status }) => [type, status.state]),
    [
      ['status', 'ready'],
      ['status', 'degraded'],
    ],
  );
  node.setStatus({ state: 'ready' });
  const listeners = node.listeners;
  socket.terminate();
  while (node.listeners === listeners) await new Promise((resolve) => setImmediate(resolve));
});

test('events: a burst in one turn is told as a number and the newest status', async () => {
  const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/v1/events`);
  const messages: { type: string; count?: number; status?: { epoch: number } }[] = [];
  let wake = (): void => {};
  socket.on('message', (data: Buffer) => {
    messages.push(JSON.parse(data.toString()));
    wake();
  });
  while (messages.length === 0) await new Promise<void>((resolve) => (wake = resolve));
  for (let epoch = 100; epoch < 110; epoch++) node.setStatus({ epoch });
  while (messages.at(-1)?.status?.epoch !== 109) await new Promise<void>((resolve) => (wake = resolve));
  assert.deepEqual(
    messages.slice(1).map(({ type, count, status }) => [type, count ?? status?.epoch]),
    [
      ['status', 100],
      ['dropped', 8],
      ['status', 109],
    ],
  );
  socket.terminate();
});

test('a backup is whole, or visibly not', async () => {
  for (const key of ['a', 'b', 'c']) await ask(gateway, 'PUT', `/v1/kv/${key}`, { body: key });
  const { bytes, headers } = await ask(gateway, 'GET', '/v1/groups/kv/backup');
  assert.equal(headers['content-type'], 'application/x-ndjson');
  const lines = bytes.toString().split('\n').slice(0, -1);
  const [first, last] = [JSON.parse(lines[0]!), JSON.parse(lines.at(-1)!)];
  assert.deepEqual([first.format, first.version, first.group, first.index], ['polity-backup', 1, 'kv', node.index]);
  assert.equal(last.records, lines.length - 2);
  const sha256 = createHash('sha256')
    .update(`${lines.slice(0, -1).join('\n')}\n`)
    .digest('hex');
  assert.equal(last.sha256, sha256);
  assert.equal(node.backupsOpen, 0);
  assert.equal((await ask(gateway, 'GET', '/v1/groups/other/backup')).json.code, 'GROUP_NOT_FOUND');
});

test('discovery shows where members may live, and a look-up what its sources say now', async () => {
  const place = {
    peer: 'peer-n9',
    name: 'n9',
    addresses: ['/ip4/127.0.0.1/tcp/1'],
    state: 'found' as const,
    sources: ['dns:x'],
  };
  const lastError = { code: 'SOURCE_UNREACHABLE', message: 'no route' };
  node.found = {
    peers: [{ ...place, priority: 0, weight: 0, healthy: true, forMs: 5 }],
    sources: [{ source: 'consul:x', state: 'failed', lastError, answeredMsAgo: null, findings: 0 }],
  };
  assert.deepEqual((await ask(gateway, 'GET', '/v1/discovery')).json, JSON.parse(JSON.stringify(node.found)));
  const found = await ask(gateway, 'GET', '/v1/discovery/lookup?timeout-ms=200&max=3');
  assert.deepEqual(found.json, { peers: node.found.peers, failures: [{ source: 'consul:x', ...lastError }] });
  assert.deepEqual(node.lookups, [{ timeoutMs: 200, resultsMax: 3 }]);
  for (const query of ['timeout-ms=0', 'timeout-ms=70000', 'max=0', 'max=101', 'maximum=3'])
    assert.equal((await ask(gateway, 'GET', `/v1/discovery/lookup?${query}`)).status, 400, query);
});
