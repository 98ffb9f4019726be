// Who offers what, as programs, HTTP, the client and the command line tell it: the same of the same catalog.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { MemberView } from '../../machines/membership/index.ts';
import { Services } from '../../src/catalog/index.ts';
import { type Client, createClient, type WatchedService } from '../../src/client/index.ts';
import { PolityError } from '../../src/errors.ts';
import type { Gateway } from '../../src/gateway/index.ts';
import { offerOf } from '../machines/catalog/stage.ts';
import { launch, many, written } from './cli/polity.ts';
import { FakeNode } from './gateway/fake-node.ts';
import { openTestGateway } from './gateway/open.ts';
import { ask } from './gateway/request.ts';
import { Stream } from './gateway/stream.ts';

let node: FakeNode;
let gateway: Gateway;
let client: Client;
beforeEach(async () => {
  node = new FakeNode();
  node.known = [member('peer-2', 'n2', 'alive'), member('peer-3', 'n3', 'failed'), member('peer-4', 'n3', 'alive')];
  gateway = await openTestGateway(node, { limits: { heartbeatMs: 30, servicesWatchersMax: 2 } });
  client = createClient({ urls: [gateway.url], roundsMax: 1 });
});
afterEach(async () => {
  client.close();
  await gateway.close();
});

const member = (peer: string, name: string, status: MemberView['status']): MemberView =>
  ({ ...{ peer, name, status, self: false, incarnation: 1, forMs: 1, addresses: [] } }) as unknown as MemberView;

const method = (idempotent: boolean) => ({ input: { type: 'string' }, output: null, idempotent });

/** resize 1.0.0 on n1, n2 and n3, 2.0.0 on n2 alone; a queue on n9, of whom nobody knows the name. */
const offerAll = (): void => {
  const resize = { methods: { run: method(true), probe: method(false) } };
  node.catalog.offer(offerOf('resize', resize), (outcome) => assert.ok(outcome.ok));
  node.offers.offered('peer-2', offerOf('resize', resize));
  node.offers.offered('peer-2', offerOf('resize', { version: '2.0.0', capabilities: ['avif'], resources: { gpus: 2 } }));
  node.offers.offered('peer-4', offerOf('resize', { ...resize, tags: ['slow'] }));
  node.offers.offered('peer-9', offerOf('mail/out', { kind: 'queue', methods: {} }));
};

const all = ['mail/out 1.0.0 null', 'resize 2.0.0 n2', 'resize 1.0.0 n1', 'resize 1.0.0 n2', 'resize 1.0.0 n3'];

const rowsOf = (items: unknown): string[] =>
  (items as { name: string; version: string; node: string | null }[]).map(
    ({ name, version, node: on }) => `${name} ${version} ${on}`,
  );

const codeOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    return (error as PolityError).code;
  }
  return 'ok';
};

test('a program lists and describes what its node knows, by the names of nodes', () => {
  offerAll();
  const services = new Services(node);
  const page = services.list({ limit: 3 });
  assert.deepEqual(rowsOf(page.items), all.slice(0, 3));
  assert.deepEqual(page.items[1], {
    ...{ kind: 'service', name: 'resize', version: '2.0.0', node: 'n2', peerId: 'peer-2', methods: ['run'] },
    ...{ resources: { gpus: 2 }, capabilities: ['avif'], tags: [], leftMs: 120_000 },
  });
  const rest = services.list({ limit: 3, cursor: page.cursor });
  assert.deepEqual([rowsOf(rest.items), rest.cursor, rest.revision], [all.slice(3), null, node.catalog.revision()]);
  assert.deepEqual(rowsOf(services.list({ node: 'n3' }).items), ['resize 1.0.0 n3'], 'the one that is there');
  assert.deepEqual(rowsOf(services.list({ node: 'n1', version: '^1.0.0' }).items), ['resize 1.0.0 n1']);
  const described = services.describe('resize', { version: '1' });
  assert.deepEqual(
    described?.versions.map(({ version, owners, ownersCount }) => [version, owners.map((owner) => owner.node), ownersCount]),
    [['1.0.0', ['n1', 'n2', 'n3'], 3]],
  );
  assert.deepEqual(described?.versions[0]?.methods.probe, method(false));
  assert.equal(services.describe('nothing'), null);
  assert.equal(
    codeOf(() => services.list({ node: 'n7' })),
    'MEMBER_NOT_FOUND',
  );
  for (const asked of [{ limit: 0 }, { cursor: 'x' }, { kind: 'x' }, { version: '>' }, { node: 7 }, { name: 7 }])
    assert.equal(
      codeOf(() => services.list(asked as never)),
      'INVALID_REQUEST',
    );
  assert.equal(
    codeOf(() => services.watch(null as never)),
    'INVALID_REQUEST',
  );
});

test('a program watches: what is offered, then what changes, until it has enough or the node stops', async () => {
  offerAll();
  const services = new Services(node);
  const watch = services.watch({ name: 'resize', version: '>=1' });
  const told: string[] = [];
  const take = async (count: number): Promise<string[]> => {
    for (let at = 0; at < count; at++) {
      const { value: event } = await watch.next();
      const words = event?.type === 'ready' ? '' : ` ${event?.offer.version} ${event?.offer.node}`;
      told.push(`${event?.type}${words}${event?.type === 'end' ? ` ${event.why}` : ''}`);
    }
    return told.splice(0);
  };
  assert.deepEqual(await take(5), [...all.slice(1).map((row) => row.replace('resize', 'offer')), 'ready']);
  const early = take(2);
  node.offers.withdrawn('peer-2', { kind: 'service', name: 'resize', version: '2.0.0' });
  node.offers.offered('peer-2', offerOf('other'));
  node.offers.offered('peer-2', offerOf('resize', { version: '1.1.0' }));
  assert.deepEqual(await early, ['end 2.0.0 n2 withdrawn', 'offer 1.1.0 n2']);
  node.offers.clock.pass(121_000);
  assert.deepEqual((await take(3)).sort(), ['end 1.0.0 n2 expired', 'end 1.0.0 n3 expired', 'end 1.1.0 n2 expired']);
  const pending = watch.next();
  node.offers.stop();
  assert.equal((await pending).value?.type, 'end', 'what this node offered');
  assert.deepEqual(await watch.next(), { done: true, value: undefined });
});

test('a watch ends with its signal, with the loop, and for who reads too slowly', async () => {
  const services = new Services(node);
  const end = new AbortController();
  const aborted = services.watch({}, { signal: end.signal });
  assert.equal((await aborted.next()).value?.type, 'ready');
  const pending = aborted.next();
  end.abort(new Error('enough'));
  await assert.rejects(pending, /enough/);
  await assert.rejects(aborted.next(), /enough/);
  offerAll();
  for await (const event of services.watch()) if (event.type === 'offer') break;
  const slow = services.watch();
  for (let at = 0; at < 16_500; at++) {
    node.catalog.offer(offerOf('x', { tags: [`${at}`], methods: {} }), () => {});
    node.catalog.withdraw({ kind: 'service', name: 'x', version: '1.0.0' }, () => {});
  }
  await assert.rejects(slow.next(), (error) => error instanceof PolityError && error.code === 'OVERLOADED');
});

test('HTTP lists with every filter, page by page, and describes', async () => {
  offerAll();
  const list = async (query: string): Promise<string[]> =>
    rowsOf((await ask(gateway, 'GET', `/v1/services${query}`)).json.items);
  assert.deepEqual(await list(''), all);
  assert.deepEqual(await list('?kind=queue'), all.slice(0, 1));
  assert.deepEqual(await list('?prefix=mail%2F'), all.slice(0, 1));
  assert.deepEqual(await list('?name=resize&version=%5E1.0.0&node=n2'), ['resize 1.0.0 n2']);
  assert.deepEqual(await list('?capability=avif&resource=gpus=1'), ['resize 2.0.0 n2']);
  assert.deepEqual(await list('?resource=gpus=3'), []);
  assert.deepEqual(await list('?tag=slow'), ['resize 1.0.0 n3']);
  assert.deepEqual(await list('?node=peer-9'), all.slice(0, 1));
  const first = (await ask(gateway, 'GET', '/v1/services?limit=2')).json;
  const rest = (await ask(gateway, 'GET', `/v1/services?cursor=${encodeURIComponent(String(first.cursor))}`)).json;
  assert.deepEqual([...rowsOf(first.items), ...rowsOf(rest.items)], all);
  const described = (await ask(gateway, 'GET', '/v1/services/mail%2Fout')).json;
  assert.deepEqual(described, {
    ...{ name: 'mail/out', versionsCount: 1 },
    versions: [
      {
        ...{ kind: 'queue', name: 'mail/out', version: '1.0.0', methods: {}, resources: {}, capabilities: [], tags: [] },
        ...{ owners: [{ node: null, peerId: 'peer-9' }], ownersCount: 1, differs: false },
      },
    ],
  });
  assert.deepEqual((await ask(gateway, 'GET', '/v1/services/mail/out')).json, described);
});

test('what makes no sense over HTTP is refused by name', async () => {
  offerAll();
  const cases: [string, number, string][] = [
    ['/v1/services?limit=0', 400, 'INVALID_REQUEST'],
    ['/v1/services?limit=501', 400, 'INVALID_REQUEST'],
    ['/v1/services?cursor=x', 400, 'INVALID_REQUEST'],
    ['/v1/services?kind=x', 400, 'INVALID_REQUEST'],
    ['/v1/services?version=x.y', 400, 'INVALID_REQUEST'],
    ['/v1/services?resource=gpus', 400, 'INVALID_REQUEST'],
    ['/v1/services?tag=a,a', 400, 'INVALID_REQUEST'],
    ['/v1/services?verison=1', 400, 'INVALID_REQUEST'],
    ['/v1/services?node=n7', 404, 'MEMBER_NOT_FOUND'],
    ['/v1/services/nothing', 404, 'SERVICE_NOT_FOUND'],
    ['/v1/services/resize?version=9', 404, 'SERVICE_NOT_FOUND'],
    ['/v1/services/resize?limit=9', 400, 'INVALID_REQUEST'],
    ['/v1/services/%ff', 400, 'INVALID_REQUEST'],
    ['/v1/watch/services?version=x.y', 400, 'INVALID_REQUEST'],
    ['/v1/watch/services?node=n7', 404, 'MEMBER_NOT_FOUND'],
  ];
  for (const [path, status, code] of cases) {
    const answer = await ask(gateway, 'GET', path);
    assert.deepEqual([answer.status, answer.json.code], [status, code], path);
  }
  assert.equal((await ask(gateway, 'DELETE', '/v1/services')).status, 405);
});

test('HTTP watches: what is offered, ready, what changes, an end that says why; too many are told so', async () => {
  offerAll();
  const open = (query: string): Promise<Stream> => Stream.open(gateway, `/v1/watch/services${query}`);
  const stream = await open('?name=resize&version=2');
  assert.equal(stream.response.headers['content-type'], 'text/event-stream; charset=utf-8');
  const first = await stream.next();
  assert.deepEqual([first?.event, first?.data.version, first?.data.node], ['offer', '2.0.0', 'n2']);
  assert.deepEqual(await stream.next(), { event: 'ready', id: null, data: { revision: node.catalog.revision() } });
  node.offers.withdrawn('peer-2', { kind: 'service', name: 'resize', version: '2.0.0' });
  assert.deepEqual(await stream.next(), {
    ...{ event: 'end', id: null },
    data: { kind: 'service', name: 'resize', version: '2.0.0', node: 'n2', peerId: 'peer-2', why: 'withdrawn' },
  });
  const second = await open('');
  const third = await ask(gateway, 'GET', '/v1/watch/services');
  assert.deepEqual([third.status, third.json.code], [429, 'OVERLOADED']);
  second.close();
  for (let tries = 0; tries < 400; tries++) {
    const again = await open('?kind=queue');
    if (again.response.statusCode === 200) break;
    await setTimeout(5);
  }
  const closing = gateway.close();
  assert.deepEqual([(await stream.next())?.event, (await stream.next())?.event], ['failed', undefined]);
  await closing;
});

test('a long list is told whole to who watches, as fast as it is read', async () => {
  for (let owner = 0; owner < 8; owner++)
    for (let at = 0; at < 250; at++)
      node.offers.offered(`peer-${owner + 10}`, offerOf(`s${at}`, { methods: {}, tags: ['x'.repeat(60)] }));
  const stream = await Stream.open(gateway, '/v1/watch/services');
  let offers = 0;
  for (let sent = await stream.next(); sent?.event === 'offer'; sent = await stream.next()) offers++;
  assert.equal(offers, 2_000);
  stream.close();
});

test('a client lists, describes and watches on over the end of a node', async () => {
  offerAll();
  const listed: string[] = [];
  for await (const { name, version, node: on } of client.services.list()) listed.push(`${name} ${version} ${on}`);
  assert.deepEqual(listed, all);
  const needed = { capabilities: ['avif'], resources: { gpus: 2 }, kind: 'service' as const };
  assert.deepEqual(rowsOf((await client.services.page({ ...needed, limit: 5 })).items), ['resize 2.0.0 n2']);
  assert.equal((await client.services.describe('mail/out'))?.versions[0]?.kind, 'queue');
  assert.equal(await client.services.describe('nothing'), null);
  await assert.rejects(client.services.page({ node: 'n7' }), /MEMBER_NOT_FOUND|no node is called n7/);
  const other = new FakeNode();
  other.offers.offered('peer-2', offerOf('resize', { version: '2.0.0', capabilities: ['avif'], resources: { gpus: 2 } }));
  other.known = node.known;
  const next = await openTestGateway(other);
  using both = createClient({ urls: [gateway.url, next.url] });
  const end = new AbortController();
  const told: string[] = [];
  const events = both.services.watch({ name: 'resize', signal: end.signal })[Symbol.asyncIterator]();
  const take = async (count: number): Promise<string[]> => {
    for (let at = 0; at < count; at++) {
      const event = (await events.next()).value as WatchedService;
      told.push(event.type === 'ready' ? 'ready' : `${event.type} ${event.offer.version} ${event.offer.node}`);
    }
    return told.splice(0);
  };
  assert.equal((await take(5)).at(-1), 'ready');
  await gateway.close();
  // The same offer is no news; those that are not there have ended.
  assert.deepEqual(await take(4), ['end 1.0.0 n1', 'end 1.0.0 n2', 'end 1.0.0 n3', 'ready']);
  end.abort();
  await next.close();
});

test('polity services lists, describes, watches, and says what is wrong', async () => {
  offerAll();
  const lines = ['', '--kind queue --json', 'resize --version 2', 'nothing', '--resource gpus', '--kind x', '--on n7'];
  const words = lines.map((line) => ['services', ...line.split(' ').filter((word) => word !== '')]);
  const [listed, json, described, nothing, ...wrong] = await many(words, { POLITY_NODE: gateway.url });
  assert.equal(
    listed!.stdout,
    [
      'NAME      VERSION  KIND     NODES   METHODS    CAPABILITIES  RESOURCES  TAGS',
      'mail/out  1.0.0    queue    peer-9  -          -             -          -',
      'resize    2.0.0    service  n2      run        avif          gpus=2     -',
      'resize    1.0.0    service  n1,n2   probe,run  -             -          -',
      'resize    1.0.0    service  n3      probe,run  -             -          slow',
      '',
    ].join('\n'),
  );
  assert.deepEqual(rowsOf([JSON.parse(json!.stdout)]), all.slice(0, 1));
  assert.match(described!.stdout, /^service resize 2\.0\.0 {2}on n2 {2}capabilities avif {2}resources gpus=2\nMETHOD/);
  assert.deepEqual([nothing!.code, nothing!.stderr], [1, "polity: nobody offers 'nothing' as it is asked for\n"]);
  assert.deepEqual(
    wrong.map(({ code }) => code),
    [2, 2, 1],
  );
  const watching = launch(['services', 'resize', '--watch', '--version', '2'], { env: { POLITY_NODE: gateway.url } });
  await written(watching, /service resize 2\.0\.0 is offered by n2/);
  node.offers.withdrawn('peer-2', { kind: 'service', name: 'resize', version: '2.0.0' });
  await written(watching, /service resize 2\.0\.0 of n2 ended: withdrawn/);
  watching.child.kill('SIGINT');
  assert.equal((await watching.ended).code, 0);
});
