// Where actors are on whole nodes, moved by hand: one live copy with a valid token whatever becomes of the network, forwarding and learning
// where groups are led, remembered ones, and leadership that goes where it should without anybody noticing. What opens actors is a
// stand-in here that does what the door does.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ActorDefinition, LiveActor, Whereabouts } from '../../actors/actor-api.ts';
import { type ActorAddress, addressText } from '../../machines/entity/address.ts';
import type { Versions } from '../../machines/entity/hosted.ts';
import type { Failure } from '../../machines/errors.ts';
import type { FencingToken, RegisterResult } from '../../machines/register/types.ts';
import { bytesOf, collector, createHandCluster, type HandNode } from './hand-cluster.ts';

const founders = ['n1', 'n2', 'n3'];
const groups = ['kv', 'actors-1', 'actors-2', 'actors-3'];
const balance = { isOn: true, everyMs: 50, graceMs: 200, settleMs: 200, pauseMs: 100, restMs: 1_000 };

type Definition = Pick<ActorDefinition, 'name' | 'placement' | 'remember' | 'version'>;
const definition = (name: string, more: Partial<Definition> = {}): ActorDefinition =>
  ({
    ...{ migrate: {}, name, placement: 'sharded', remember: false, version: 1, durability: 'none' },
    ...more,
  }) as ActorDefinition;
const cart = definition('cart');
const at = (type: string, key: string, node: string | null = null): ActorAddress => ({ type, key, node });

/** What the door does: opens where the actor is placed, and forgets what is gone. */
const hostActors = (node: HandNode, ...types: ActorDefinition[]) => {
  const { shards } = node.api;
  const live = new Map<string, { token: FencingToken | null; actor: LiveActor }>();
  const released: string[] = [];
  let definitions = types;
  const persisted = new Map<string, Map<string, Versions>>();

  const open = (of: ActorDefinition, address: ActorAddress, done: (why: Failure | null) => void): void => {
    const place = shards.locate(of, address);
    const text = addressText(address);
    if (place.where !== 'here') return done(place.where === 'nowhere' ? place.failure : null);
    if (live.has(text)) return done(null);
    shards.opening(of, address, (why) => {
      if (why !== null) return done(why);
      const actor = {
        ...{ address, definition: of },
        release(reason: string, over: () => void) {
          released.push(`${text} ${reason}`);
          live.delete(text);
          shards.gone(actor);
          over();
        },
      } as unknown as LiveActor;
      live.set(text, { token: place.token, actor });
      shards.opened(actor, place.token);
      done(null);
    });
  };
  shards.serve({ definitions: () => definitions, open, persisted: (group) => persisted.get(group) ?? new Map() });
  return {
    ...{ node, live, released, open, shards, persisted },
    host(...more: ActorDefinition[]): void {
      definitions = [...definitions.filter(({ name }) => more.every((one) => one.name !== name)), ...more];
      shards.hosted();
    },
  };
};

type Host = ReturnType<typeof hostActors>;

const form = (isOn: boolean, ...types: ActorDefinition[]) => {
  const cluster = createHandCluster({ groups, balance: { ...balance, isOn } });
  const nodes = cluster.form();
  const hosts = nodes.map((node) => hostActors(node, ...types));
  return { cluster, nodes, hosts };
};

const leaderOf = (host: Host, group: string): string | null => host.shards.view().find((one) => one.group === group)!.leader;
const where = (host: Host, address: ActorAddress): Whereabouts => host.shards.locate(cart, address);

const opened = (
  cluster: ReturnType<typeof createHandCluster>,
  host: Host,
  of: ActorDefinition,
  address: ActorAddress,
): void => {
  let end: Failure | null | undefined;
  cluster.until(() => {
    if (host.live.has(addressText(address))) return true;
    if (end !== undefined || host.live.size === 0) host.open(of, address, (why) => (end = why));
    return host.live.has(addressText(address));
  });
};

test('all nodes agree where an actor is, also those without a replica of its group; one leads with a token that lasts', () => {
  const { cluster, hosts } = form(false, cart);
  const late = hostActors(cluster.start('n4', { bootstrap: [] }), cart);
  cluster.until(() => late.node.api.status().state === 'ready', 20_000);
  const key = at('cart', 'order-1');
  const isHere = (host: Host): boolean => where(host, key).where === 'here';
  cluster.until(() => hosts.some(isHere) && where(late, key).where === 'at');
  const [owner] = hosts.filter(isHere);
  for (const host of [...hosts, late]) {
    const place = where(host, key);
    if (host === owner) continue;
    assert.deepEqual([place.where, place.where === 'at' && place.peer], ['at', owner!.node.peer]);
  }
  const place = where(owner!, key);
  assert.ok(place.where === 'here' && place.token !== null);
  opened(cluster, owner!, cart, key);
  for (let ms = 0; ms < 2_000; ms += 10) {
    cluster.pass(10);
    assert.ok(owner!.shards.holds(key, place.token), 'while somebody lives there');
  }
});

test('an owner cut off stops before another begins, its actors are let go, and what it writes later is refused', () => {
  const { cluster, hosts } = form(false, cart);
  const key = at('cart', 'order-1');
  cluster.until(() => hosts.some((host) => where(host, key).where === 'here'));
  const owner = hosts.find((host) => where(host, key).where === 'here')!;
  opened(cluster, owner, cart, key);
  const { token } = owner.live.get('cart/order-1')!;
  cluster.lose(({ from, to }) => from === owner.node.peer || to === owner.node.peer);
  const others = hosts.filter((host) => host !== owner);
  let next: { host: Host; token: FencingToken } | null = null;
  let stoppedMs: number | null = null;
  for (let ms = 0; next === null; ms++) {
    assert.ok(ms < 5_000, 'nobody takes over');
    cluster.pass(1);
    const holds = owner.shards.holds(key, token!);
    if (!holds) stoppedMs ??= ms;
    else assert.equal(stoppedMs, null, 'a token comes back');
    for (const host of others) {
      const place = where(host, key);
      if (place.where === 'here') next = { host, token: place.token! };
    }
    assert.ok(next === null || !holds, 'both hold');
  }
  /** Somebody outside who keeps to the rule of fencing tokens (docs/internals/actors-sharding.md). */
  let highest = { term: 0, index: 0 };
  const writes = (given: FencingToken): boolean => {
    const isOld = given.term < highest.term || (given.term === highest.term && given.index < highest.index);
    if (!isOld) highest = given;
    return !isOld;
  };
  assert.deepEqual([writes(token!), writes(next.token), writes(token!), writes(next.token)], [true, true, false, true]);
  cluster.until(() => owner.released.length === 1);
  assert.deepEqual(owner.released, ['cart/order-1 moved']);
  cluster.lose(() => false);
  cluster.until(() => where(owner, key).where === 'at');
  assert.equal(owner.shards.holds(key, token!), false);
});

test('a pause of the owner costs its lease for a moment, and not its actors', () => {
  const { cluster, hosts } = form(false, cart);
  const key = at('cart', 'order-1');
  cluster.until(() => hosts.some((host) => where(host, key).where === 'here'));
  const owner = hosts.find((host) => where(host, key).where === 'here')!;
  opened(cluster, owner, cart, key);
  const { token } = owner.live.get('cart/order-1')!;
  cluster.pass(500);
  let told = 0;
  owner.shards.onChanged(() => told++);
  // Its answers are late by more than a lease, and by less than an election.
  cluster.lose(({ to, lane }) => to === owner.node.peer && lane === 'control');
  cluster.pass(200);
  assert.equal(owner.shards.holds(key, token!), false);
  assert.equal(where(owner, key).where, 'nowhere');
  cluster.lose(() => false);
  cluster.until(() => owner.shards.holds(key, token!), 200);
  cluster.pass(20);
  assert.ok(told > 0, 'whoever waits is told');
  assert.deepEqual([owner.released, owner.live.size], [[], 1]);
});

const ownerAmong = (among: readonly Host[], address: ActorAddress): Host | undefined =>
  among.find((host) => where(host, address).where === 'here');
const findsOwner = (host: Host, among: readonly Host[], address: ActorAddress): boolean => {
  const place = where(host, address);
  return place.where === 'at' && place.peer === ownerAmong(among, address)?.node.peer;
};

test('a node whose disk failed still finds actors: others tell it who leads', () => {
  const { cluster, hosts } = form(false, cart);
  const key = at('cart', 'order-1');
  const group = hosts[0]!.shards.groupOf(key)!;
  cluster.until(() => ownerAmong(hosts, key) !== undefined);
  const failed = ownerAmong(hosts, key)!;
  const others = hosts.filter((host) => host !== failed);
  failed.node.storage.failWith({ code: 'IO_ERROR', message: 'planted' });
  failed.node.api.write({ op: 'put', key: 'k', value: bytesOf('v') }, { group, timeoutMs: 100 }, () => {});
  cluster.until(() => findsOwner(failed, others, key), 5_000);
  for (let ms = 0; ms < 3_000; ms += 100) {
    cluster.pass(100);
    assert.ok(findsOwner(failed, others, key), 'and goes on to find it');
  }
});

test('remembered actors and singletons live again at the next leader without being asked; those that were stopped do not', () => {
  const room = definition('room', { remember: true });
  const clerk = definition('clerk', { remember: true, placement: 'singleton' });
  const { cluster, nodes, hosts } = form(false, room, clerk);
  const everywhere = (): string[] => hosts.flatMap((host) => [...host.live.keys()]).sort();
  cluster.until(() => everywhere().includes('clerk/-'), 5_000);
  const keys = Array.from({ length: 12 }, (_, n) => at('room', `r${n}`));
  for (const key of keys) {
    cluster.until(() => hosts.some((host) => host.shards.locate(room, key).where === 'here'));
    const host = hosts.find((one) => one.shards.locate(room, key).where === 'here')!;
    host.open(room, key, (why) => assert.equal(why, null));
    cluster.until(() => host.live.has(addressText(key)));
  }
  const stop = (address: ActorAddress, of: ActorDefinition): void => {
    const host = hosts.find((one) => one.live.has(addressText(address)))!;
    let isDone = false;
    host.live.delete(addressText(address));
    host.shards.stopped(of, address, (why) => {
      assert.equal(why, null);
      isDone = true;
    });
    cluster.until(() => isDone);
  };
  stop(keys[0]!, room);
  const expected = everywhere();
  assert.equal(expected.length, 12);
  const [gone] = nodes;
  const lost = hosts.shift()!;
  const led = [...lost.live.keys()];
  cluster.kill(gone!);
  cluster.until(() => JSON.stringify(everywhere()) === JSON.stringify(expected), 10_000);
  assert.ok(led.length > 0);
  stop(at('clerk', '-'), clerk);
  cluster.pass(3_000);
  assert.ok(!everywhere().includes('clerk/-'));
});

test('one of each node lives everywhere, one of a node where its address says', () => {
  const probe = definition('probe', { placement: 'each' });
  const file = definition('file', { placement: 'node' });
  const { cluster, hosts } = form(false, probe, file);
  cluster.until(() => hosts.every(({ live }) => live.size === 1));
  assert.deepEqual(
    hosts.map(({ live }) => [...live.keys()].join()),
    founders.map((name) => `probe/-@${name}`),
  );
  const [one, two] = hosts as [Host, Host];
  const look = (node: string | null): string => {
    const place = one.shards.locate(file, at('file', 'x', node));
    return place.where === 'nowhere' ? place.failure.code : place.where === 'at' ? place.peer : 'here';
  };
  assert.deepEqual([look(null), look('n1'), look('n2'), look('n9')], ['here', 'here', two.node.peer, 'MEMBER_NOT_FOUND']);
  for (const other of hosts.slice(0, 1).concat(hosts.slice(2))) cluster.network.disconnect(two.node.peer, other.node.peer);
  cluster.until(() => look('n2') === 'UNREACHABLE', 20_000);
});

test('leadership goes where it should, one group after the other, and whoever writes meanwhile notices nothing', () => {
  const { cluster, nodes, hosts } = form(true, cart);
  const shards = groups.slice(1);
  const writes = collector<RegisterResult>();
  let sent = 0;
  const settled = (): boolean =>
    shards.every((group) => {
      const views = hosts.map((host) => host.shards.view().find((one) => one.group === group)!);
      return views.every(({ leader, preferred }) => leader !== null && leader === preferred);
    });
  for (let ms = 0; !settled(); ms += 20) {
    assert.ok(ms < 20_000, JSON.stringify(hosts[0]!.shards.view()));
    const group = shards[sent % 3]!;
    nodes[sent % 2]!.api.write({ op: 'put', key: `k${sent++}`, value: bytesOf('v') }, { group }, writes.done());
    cluster.pass(20);
  }
  cluster.pass(1_000);
  assert.deepEqual(new Set(writes.codes()), new Set(['ok']));
  const leaders = shards.map((group) => leaderOf(hosts[0]!, group));
  assert.deepEqual([...leaders].sort(), founders, 'one group each');
  const moved = [...nodes].reduce(
    (sum, { counts }) => sum + [...counts].filter(([name]) => name.startsWith('shard_handovers')).length,
    0,
  );
  cluster.pass(3_000);
  assert.deepEqual(
    shards.map((group) => leaderOf(hosts[0]!, group)),
    leaders,
    'and stays there',
  );
  assert.ok(moved <= shards.length);
});

test('who does not host a type is not preferred, and says so where it leads; nor who cannot read what the group holds', () => {
  const { cluster, hosts } = form(true);
  const [one, two, three] = hosts as [Host, Host, Host];
  one.host(cart);
  two.host(cart);
  const key = at('cart', 'order-1');
  const group = three.shards.groupOf(key)!;
  const isOwn = (host: Host): boolean => host.shards.leadership(group).leader === host.node.peer;
  cluster.until(() => hosts.some(isOwn));
  const view = (): { leader: string | null; preferred: string | null }[] => one.shards.view().map((of) => of);
  cluster.until(() => view().every(({ leader, preferred }) => leader === preferred && leader !== 'n3'), 20_000);
  // Made to lead what it does not host.
  let isMoved = false;
  one.node.api.changeGroup(group, { type: 'transfer', node: 'n3' }, {}, () => {
    isMoved = true;
  });
  cluster.until(() => isMoved && isOwn(three));
  const place = where(three, key);
  assert.equal(place.where === 'nowhere' && place.failure.code, 'ACTOR_NOT_FOUND');
  cluster.until(() => !isOwn(three), 20_000);
  // Rolled to the next version, one by one: who persisted it keeps it away from who is older.
  one.host(definition('cart', { version: 2 }));
  for (const host of hosts) host.persisted.set(group, new Map([['cart', { oldest: 2, newest: 2 }]]));
  cluster.until(() => isOwn(one), 20_000);
  cluster.pass(3_000);
  assert.ok(isOwn(one));
});

test('switched off, and in a cluster without actors, leadership stays where it is and nobody is woken', () => {
  const { cluster, hosts } = form(true);
  const before = hosts[0]!.shards.view().map(({ leader }) => leader);
  cluster.until(() => hosts.every(({ node }) => node.api.status().groups.every(({ quiet }) => quiet)));
  cluster.pass(3_000);
  assert.deepEqual(
    hosts[0]!.shards.view().map(({ leader }) => leader),
    before,
  );
  assert.ok(hosts.every(({ node }) => node.api.status().groups.every(({ quiet }) => quiet)));
  const off = createHandCluster({ groups, balance: { ...balance, isOn: false } });
  const idle = off.form().map((node) => hostActors(node, cart));
  const was = idle[0]!.shards.view().map(({ leader }) => leader);
  off.pass(2_000);
  assert.deepEqual(
    idle[0]!.shards.view().map(({ leader }) => leader),
    was,
  );
});

test('a keeper that begins anew goes on, and asks the others what they host', () => {
  const { cluster, hosts } = form(true, cart);
  const key = at('cart', 'order-1');
  const restartsOf = ({ node }: Host): number => node.api.status().actors.find(({ address }) => address === 'shards')!.restarts;
  cluster.until(() => hosts.some((host) => where(host, key).where === 'here'));
  const settled = (): boolean =>
    hosts[0]!.shards.view().every(({ leader, preferred }) => leader !== null && leader === preferred);
  cluster.until(settled, 20_000);
  const owner = hosts.find((host) => where(host, key).where === 'here')!;
  opened(cluster, owner, cart, key);
  cluster.network.full = ({ from }) => {
    if (from !== owner.node.peer || restartsOf(owner) > 0) return false;
    throw new Error('poisoned');
  };
  owner.host(cart);
  cluster.network.full = () => false;
  cluster.until(() => restartsOf(owner) === 1);
  cluster.pass(1_000);
  assert.ok(owner.shards.holds(key, owner.live.get('cart/order-1')!.token!));
  const preferred = new Set(owner.shards.view().map((of) => of.preferred));
  assert.equal(preferred.size, 3, 'it knows that the others can lead, too');
});

test('where an actor is, who should lead its group and why others may not, is told', () => {
  const cluster = createHandCluster({ groups, balance: { ...balance, isOn: true } });
  const nodes = cluster.form();
  // The last one hosts nothing.
  const hosts = nodes.slice(0, 2).map((node) => hostActors(node, cart));
  const [host] = hosts as [Host, Host];
  const settled = (): boolean =>
    host.shards.view().every(({ leader, preferred }) => leader !== null && preferred !== 'n3' && leader === preferred);
  cluster.until(settled, 30_000);
  for (const { voters } of host.shards.view())
    assert.deepEqual(voters.map(({ node, standing }) => `${node} ${standing}`).sort(), ['n1 able', 'n2 able', 'n3 lacking']);
  const key = at('cart', 'order-1');
  const group = host.shards.groupOf(key)!;
  const { leader } = host.shards.view().find((one) => one.group === group)!;
  assert.deepEqual(host.shards.find(key), { group, node: leader, failure: null });
  assert.deepEqual(host.shards.find({ ...key, node: 'n2' }), { group: null, node: 'n2', failure: null });
  const unhosted = hosts.find(({ node }) => node.name === leader)!.shards.find(at('none', 'order-1'));
  if (unhosted.node === leader && unhosted.failure !== null) assert.equal(unhosted.failure.code, 'ACTOR_NOT_FOUND');
  assert.equal(host.shards.find(at('cart', 'x', 'n9')).failure?.code, 'MEMBER_NOT_FOUND');
  cluster.kill(nodes[1]);
  cluster.until(() => host.shards.view().every(({ voters }) => voters.some(({ standing }) => standing === 'away')), 60_000);
  cluster.until(() => host.shards.view().every((one) => one.leader === 'n1'), 60_000);
});
