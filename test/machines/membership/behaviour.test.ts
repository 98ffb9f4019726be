// What a node promises about itself and believes of others: incarnations, poison, limits, memory, blame.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Contact,
  createMembership,
  type Fact,
  type MembershipEffect,
  type MembershipState,
  membershipDefaults,
  membershipLimits,
  membersView,
  type PeerId,
  ProfileRefused,
  rootDigest,
  step,
} from '../../../machines/membership/index.ts';
import { createNode, profileOf, Stage } from './stage.ts';

const fact = (peer: PeerId, given: Partial<Fact> = {}): Fact => ({
  ...{ peer, incarnation: 1, status: 'alive', by: null, agoMs: 0, told: null, ...given },
});

const full = (peer: PeerId, incarnation = 1): Fact =>
  fact(peer, { incarnation, told: { profileAt: incarnation, profile: profileOf(peer) } });

const gossip = (node: MembershipState, from: PeerId, facts: Fact[], nowMs = 0): MembershipEffect[] =>
  step(node, nowMs, { type: 'message', from, message: { type: 'gossip', facts } });

const statusOf = (node: MembershipState, peer: PeerId): string | undefined => node.table.members.get(peer)?.status;

const sends = (effects: readonly MembershipEffect[]) => effects.filter((effect) => effect.type === 'send');
const codes = (effects: readonly MembershipEffect[]): string[] =>
  effects.flatMap((effect) => (effect.type === 'warn' ? [effect.code] : []));

// ---------------------------------------------------------------- its own incarnation

test('nothing is said before the incarnation is durable', () => {
  const node = createMembership({
    ...{ self: 'a', profile: profileOf('a'), options: membershipDefaults, restored: 7, seed: 1, nowMs: 0, checkAll: true },
  });
  const first = step(node, 0, { type: 'wake' });
  assert.deepEqual(first, [{ type: 'persist', incarnation: 8 + membershipDefaults.incarnationsReserved }]);
  assert.deepEqual(step(node, 5, { type: 'met', peer: 'b' }), []);
  assert.deepEqual(step(node, 5, { type: 'message', from: 'b', message: { type: 'probe', sequence: 1, facts: [] } }), []);
  const then = step(node, 10, { type: 'persisted', incarnation: 72 });
  assert.equal(node.incarnation, 8);
  assert.ok(sends(then).length > 0, 'whom it met meanwhile it greets now');
});

test('a refutation waits for no disk while there is a reserve, and for the disk when there is none', () => {
  const node = createNode('a', { known: ['a', 'b'] });
  const accuse = (incarnation: number, nowMs: number): MembershipEffect[] =>
    gossip(node, 'b', [fact('a', { incarnation, status: 'suspect', by: 'b' })], nowMs);
  accuse(1, 0);
  assert.equal(node.incarnation, 2);
  const reserve = node.durable;
  const effects = accuse(reserve, 10);
  assert.equal(node.incarnation, 2, 'what is above the reserve is not taken yet');
  const asked = effects.find((effect) => effect.type === 'persist');
  assert.ok(asked !== undefined && asked.incarnation > reserve);
  step(node, 20, { type: 'persisted', incarnation: asked.incarnation });
  assert.equal(node.incarnation, reserve + 1);
});

test('a reserve is renewed before it is used up', () => {
  const node = createNode('a', { known: ['a', 'b'] });
  let asked = 0;
  // A disk that takes as long as ten accusations.
  const writing: { incarnation: number; doneAt: number }[] = [];
  for (let at = 0; at < 500; at++) {
    const accusation = fact('a', { incarnation: node.incarnation, status: 'suspect', by: 'b' });
    for (const effect of gossip(node, 'b', [accusation], at)) {
      if (effect.type !== 'persist') continue;
      asked++;
      writing.push({ incarnation: effect.incarnation, doneAt: at + 10 });
    }
    while (writing.length > 0 && writing[0]!.doneAt <= at)
      step(node, at, { type: 'persisted', incarnation: writing.shift()!.incarnation });
    assert.equal(node.incarnation, 2 + at, 'no accusation waited');
  }
  assert.ok(asked <= 500 / membershipDefaults.incarnationsReserved + 5, `${asked} writes`);
});

test('after a restart it outbids all that was ever said', () => {
  const stage = new Stage();
  stage.begin('a', 'b', 'c');
  for (let life = 0; life < 4; life++) {
    const before = stage.state('a').table.members.get('c')!.incarnation;
    stage.crash('c');
    stage.pass(10_000);
    assert.match(stage.view('a', 'c'), /^failed/);
    stage.start('c');
    stage.meet('c', 'a');
    stage.pass(2_000);
    assert.match(stage.view('b', 'c'), /^alive/);
    assert.ok(stage.state('b').table.members.get('c')!.incarnation > before);
  }
});

test('who is remembered from an earlier life answers with its new address (found by a churn of 15 nodes, seed 104)', () => {
  const node = createNode('a', { restored: 64, known: ['a', 'b'] });
  const told = (effects: readonly MembershipEffect[]) =>
    sends(effects)
      .flatMap(({ message }) => ('facts' in message ? message.facts : []))
      .find(({ peer }) => peer === 'a')?.told;
  assert.deepEqual(told(gossip(node, 'b', [fact('a', { status: 'failed' })]))?.profile, node.profile);
  node.updates.of.clear();
  node.updates.levels.length = 0;
  assert.equal(
    told(gossip(node, 'b', [fact('a', { incarnation: node.incarnation, status: 'failed' })], 10)),
    null,
    'known already',
  );
});

test('a node whose disk was lost outbids what others remember of it', () => {
  const stage = new Stage();
  stage.begin('a', 'b', 'c');
  for (let life = 0; life < 2; life++) {
    stage.crash('c');
    stage.pass(10_000);
    stage.start('c');
    stage.meet('c', 'a');
    stage.pass(2_000);
  }
  stage.crash('c');
  stage.durable.set('c', 0);
  stage.start('c');
  stage.tell('c', { type: 'profile', profile: profileOf('c', { addresses: ['/ip4/127.0.0.1/tcp/9999'] }) });
  stage.meet('c', 'b');
  stage.pass(3_000);
  assert.ok(stage.state('c').incarnation > 66, `${stage.state('c').incarnation}`);
  assert.equal(stage.view('a', 'c'), `alive ${stage.state('c').incarnation}`);
});

// ---------------------------------------------------------------- poison

test('hearsay that would leave nothing to outbid it with is refused by name', () => {
  const node = createNode('a', { known: ['a', 'b', 'c'] });
  const jump = membershipLimits.incarnationJumpMax;
  const poison = gossip(node, 'b', [fact('c', { incarnation: 2 + jump, status: 'suspect', by: 'b' })]);
  assert.ok(codes(poison).includes('INCARNATION_REFUSED'));
  assert.equal(statusOf(node, 'c'), 'alive');
  const own = gossip(node, 'b', [fact('a', { incarnation: membershipLimits.incarnationMax, status: 'failed' })], 2_000);
  assert.ok(codes(own).includes('INCARNATION_REFUSED'));
  assert.equal(node.incarnation, 1);
  const answer = sends(own).find(({ to }) => to.includes('b'));
  assert.ok(answer !== undefined && 'facts' in answer.message && answer.message.facts.some(({ peer }) => peer === 'a'));
});

test("a member's own word heals whoever first heard a lie about it", () => {
  const node = createNode('a', { known: ['a', 'b'] });
  const lie = membershipLimits.incarnationMax;
  gossip(node, 'b', [full('c', lie)]);
  assert.equal(node.table.members.get('c')?.incarnation, lie);
  gossip(node, 'c', [full('c', 3)]);
  assert.equal(node.table.members.get('c')?.incarnation, 3);
  gossip(node, 'b', [full('c', lie)]);
  assert.equal(node.table.members.get('c')?.incarnation, 3, 'and the lie is not believed again');
});

test('a poisoned mesh agrees again', () => {
  const stage = new Stage({ exchangeMinMs: 500, exchangeMaxMs: 2_000 });
  stage.begin('a', 'b', 'c', 'd');
  const jump = membershipLimits.incarnationJumpMax;
  for (let at = 1; at <= 20; at++) {
    stage.hear('a', 'b', { type: 'gossip', facts: [fact('d', { incarnation: at * jump, status: 'suspect', by: 'b' })] });
    stage.pass(500);
  }
  stage.pass(20_000);
  const { incarnation } = stage.state('d');
  for (const name of 'abc') assert.equal(stage.view(name, 'd'), `alive ${incarnation}`);
});

// ---------------------------------------------------------------- who may say what

test('nobody is failed because another says that it suspects him: who heard it tries for himself', () => {
  const others = Array.from({ length: 40 }, (_, at) => `m${at}`);
  const node = createNode('a', { known: ['a', 'c', ...others] });
  let tried = 0;
  for (let nowMs = 0; nowMs < 60_000; nowMs += 10) {
    const effects = nowMs === 0 ? gossip(node, 'm0', [fact('c', { status: 'suspect', by: 'm0' })], nowMs) : [];
    effects.push(...step(node, nowMs, { type: 'wake' }));
    // Everybody answers; c has not heard what it should refute.
    for (const { to, message } of sends(effects)) {
      if (message.type !== 'probe') continue;
      if (to.includes('c')) tried++;
      const ack = { type: 'ack' as const, sequence: message.sequence, facts: [] };
      step(node, nowMs, { type: 'message', from: to[0]!, message: ack });
    }
    assert.equal(statusOf(node, 'c'), 'suspect', `after ${nowMs} ms`);
  }
  assert.ok(tried >= 5, `${tried} probes in a minute, where its turn comes every 41 s`);
});

test('a failure that another remembers is asked about before it is believed', () => {
  const node = createNode('a', { known: ['a', 'b', 'c'] });
  const old = fact('c', { status: 'failed', agoMs: 60_000 });
  const effects = gossip(node, 'b', [old]);
  assert.equal(statusOf(node, 'c'), 'suspect');
  const asked = sends(effects).find(({ to, message }) => to.includes('c') && message.type === 'probe');
  assert.ok(asked !== undefined, 'it is asked at once');
  gossip(node, 'c', [fact('c', { incarnation: 2 })], 20);
  assert.equal(statusOf(node, 'c'), 'alive');
});

test('a failure that comes late is believed by whoever suspected the member before it was declared', () => {
  const late = (suspectedMs: number): string | undefined => {
    // Nothing but this happens in between, and that is no reason to excuse anybody.
    const node = createNode('a', { known: ['a', 'b', 'c'], options: { lateMs: 60_000 } });
    gossip(node, 'b', [fact('c', { status: 'suspect', by: 'b' })], 0);
    gossip(node, 'b', [fact('c', { status: 'failed', agoMs: 4_000 })], suspectedMs);
    return statusOf(node, 'c');
  };
  assert.equal(late(5_000), 'failed', 'the same end, seen by both');
  assert.equal(late(1_000), 'suspect', 'failed elsewhere long before it was suspected here: they were apart');
});

test('who spreads that somebody lives of whom a later end is known hears of that (found by seed 288 of the mesh)', () => {
  const node = createNode('a', { known: ['a', 'b', 'c'] });
  gossip(node, 'b', [fact('c', { incarnation: 2, status: 'failed' })]);
  const told = sends(gossip(node, 'b', [full('c', 1)], 10_000));
  const facts = told.flatMap(({ to, message }) => (to.includes('b') && 'facts' in message ? message.facts : []));
  const about = facts.find(({ peer, agoMs }) => peer === 'c' && agoMs === 10_000);
  assert.equal(about?.status, 'failed');
  const other = createNode('b', { known: ['a', 'b', 'c'] });
  gossip(other, 'a', [about!], 20);
  assert.equal(statusOf(other, 'c'), 'suspect', 'and asks c before it believes that');
});

test('a node that is not known introduces itself before it is counted', () => {
  const node = createNode('a', { known: ['a', 'b'] });
  const effects = step(node, 0, { type: 'message', from: 'x', message: { type: 'probe', sequence: 4, facts: [] } });
  assert.equal(statusOf(node, 'x'), undefined);
  const types = sends(effects).map(({ message }) => message.type);
  assert.ok(types.includes('ack') && types.includes('digest'), types.join());
});

// ---------------------------------------------------------------- doubt

test('a node that was held up excuses everybody for that time and doubts itself', () => {
  const node = createNode('a', { known: ['a', 'b', 'c'] });
  step(node, 1_000, { type: 'wake' });
  assert.ok(node.probe !== null);
  const warned = step(node, 9_000, { type: 'wake' });
  assert.deepEqual(codes(warned), ['BLOCKED']);
  assert.ok(node.health > 0);
  assert.equal(node.suspicions.size, 0);
  assert.ok(node.probe.endMs > 9_500, 'who was asked has time to answer');
});

test('an actor may tell of a blocked event loop, whatever the clock says', () => {
  const node = createNode('a', { known: ['a', 'b', 'c'] });
  step(node, 1_000, { type: 'wake' });
  const { health } = node;
  const endMs = node.probe!.endMs;
  step(node, 1_100, { type: 'blocked', forMs: 900 });
  assert.ok(node.probe!.endMs > endMs);
  assert.equal(node.health, health + 1);
});

test('helpers are members who are not suspected themselves, as long as there are any', () => {
  const others = ['b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'];
  const helpersAmong = (suspects: readonly string[]): string[] => {
    const node = createNode('a', { known: ['a', ...others], options: { suspicionFloorMs: 60_000 } });
    gossip(
      node,
      'b',
      suspects.map((peer) => fact(peer, { status: 'suspect', by: 'b' })),
    );
    const asked: string[] = [];
    for (let ms = 0; ms < 8_000 && asked.length === 0; ms += 100)
      for (const effect of sends(step(node, ms, { type: 'wake' }))) if (effect.message.type === 'ask') asked.push(...effect.to);
    return asked;
  };
  for (const peer of helpersAmong(others.slice(0, 4))) assert.ok(others.indexOf(peer) >= 4, `${peer} is suspected`);
  assert.equal(helpersAmong(others.slice(0, 4)).length, 3);
  // Who is cut off suspects everybody in the end, and must find out that nobody answers him.
  assert.equal(new Set(helpersAmong(others)).size, 3);
});

test('local health stays within its bounds and recovers', () => {
  const stage = new Stage();
  stage.begin('a', 'b');
  for (let at = 0; at < 30; at++) stage.tell('a', { type: 'blocked', forMs: 2_000 });
  assert.equal(stage.state('a').health, membershipLimits.healthMax);
  stage.pass(60_000);
  assert.equal(stage.state('a').health, 0);
});

// ---------------------------------------------------------------- memory

test('who is gone is remembered, fades, and is forgotten by all within the time of fading', () => {
  const options = { rememberFailedMs: 60_000, exchangeMinMs: 500, exchangeMaxMs: 1_000 };
  const stage = new Stage(options);
  stage.begin('a', 'b', 'c', 'd');
  stage.crash('d');
  stage.pass(30_000);
  for (const name of 'abc') assert.match(stage.view(name, 'd'), /^failed/);
  stage.pass(45_000);
  for (const name of 'abc') assert.equal(stage.view(name, 'd'), 'unknown');
  stage.pass(60_000);
  for (const name of 'abc') assert.equal(stage.view(name, 'd'), 'unknown', 'and nobody learns it again');
});

test('what fades is part of no digest: who has forgotten it already sees no difference', () => {
  const options = { rememberFailedMs: 60_000 };
  const node = createNode('a', { known: ['a', 'b'], options });
  const digest = rootDigest(node);
  gossip(node, 'b', [{ ...full('d'), status: 'failed' }]);
  assert.notEqual(rootDigest(node), digest);
  step(node, 55_000, { type: 'wake' });
  assert.equal(statusOf(node, 'd'), 'failed');
  assert.equal(rootDigest(node), digest);
});

test('a digest sees every difference but a suspicion', () => {
  const digests = [
    ...[[full('d')], [full('d', 2)], [{ ...full('d'), status: 'failed' as const }], [full('e')], []],
    // The same incarnation, an older profile.
    [full('d', 1), fact('d', { incarnation: 2 })],
  ].map((facts) => {
    const node = createNode('a', { known: ['a', 'b'] });
    gossip(node, 'b', facts);
    return rootDigest(node);
  });
  assert.equal(new Set(digests).size, digests.length);
  const node = createNode('a', { known: ['a', 'b'] });
  const digest = rootDigest(node);
  gossip(node, 'b', [fact('b', { status: 'suspect', by: 'c' })]);
  assert.equal(rootDigest(node), digest);
});

test('an exchange whose messages are lost is begun again, and one that found something is followed by another soon', () => {
  for (const lost of ['digest', 'buckets', 'versions', 'page'] as const) {
    const stage = new Stage({ exchangeMinMs: 1_000, exchangeMaxMs: 600_000 });
    stage.begin('a', 'b');
    stage.hear('a', 'z', { type: 'gossip', facts: [full('d')] });
    stage.state('a').updates.of.clear();
    stage.state('a').updates.levels.length = 0;
    let losses = 2;
    stage.isLost = (_from, to, message) => to === 'd' || to === 'z' || (message.type === lost && losses-- > 0);
    stage.tell('b', { type: 'met', peer: 'z' });
    stage.state('b').exchanges.clear();
    stage.state('b').nextExchangeMs = 0;
    stage.pass(4_000);
    assert.notEqual(stage.view('b', 'd'), 'unknown', `${lost} lost`);
    assert.equal(stage.state('b').exchangeEveryMs, 1_000);
  }
});

test('what is long enough to delay a probe leaves on the bulk lane, and nothing else does', () => {
  const onBulk = (members: number): string[] => {
    const stage = new Stage();
    stage.begin('a');
    stage.start('b');
    const facts = Array.from({ length: members }, (_, at) => full(`m${at}`));
    stage.hear('a', 'm0', { type: 'page', facts, wants: [], done: 0 });
    stage.isLost = (_from, to) => !['a', 'b'].includes(to);
    stage.meet('a', 'b');
    stage.pass(3_000);
    assert.equal(stage.state('b').table.members.size, members + 1);
    return [...new Set(stage.lines.flatMap((line) => / \(bulk\): (\w+)/.exec(line)?.[1] ?? []))].sort();
  };
  assert.deepEqual(onBulk(10), []);
  assert.deepEqual(onBulk(300), ['page', 'versions']);
});

test('who left does not come back by hearsay', () => {
  const node = createNode('a', { known: ['a', 'b', 'c'] });
  gossip(node, 'c', [fact('c', { status: 'left' })]);
  gossip(node, 'b', [full('c')]);
  gossip(node, 'b', [fact('c', { status: 'suspect', by: 'b' })]);
  assert.equal(statusOf(node, 'c'), 'left');
  gossip(node, 'c', [full('c', 2)]);
  assert.equal(statusOf(node, 'c'), 'alive', 'but by its own word');
});

test('failed members and unmet contacts are dialled now and then, live and evicted ones never', () => {
  const stage = new Stage();
  stage.begin('a', 'b', 'c');
  const contact = { peer: null, addresses: ['/dns/seed/tcp/7400'] };
  const self = { peer: null, addresses: ['/ip4/127.0.0.1/tcp/97'] };
  const live = { peer: 'b', addresses: ['/ip4/127.0.0.1/tcp/98'] };
  stage.tell('a', { type: 'contacts', contacts: [contact, self, live] });
  stage.crash('c');
  stage.pass(120_000);
  const dials = stage.lines.filter((line) => / a dial /.test(line));
  assert.ok(dials.some((line) => line.includes('dial whoever lives at /dns/seed/tcp/7400')));
  assert.ok(dials.some((line) => line.includes('dial c at')));
  assert.ok(!dials.some((line) => line.includes('tcp/97') || line.includes('tcp/98')));
  assert.ok(dials.length <= 40, `${dials.length} in two minutes`);
});

test('a contact without a peer id, at an address that a live member says is its own, is met', () => {
  const at = (host: number): string => `/ip4/10.0.0.${host}/tcp/7400`;
  const dials = (contacts: Contact[]): number => {
    const node = createNode('a', { known: ['a'] });
    step(node, 0, { type: 'profile', profile: profileOf('a', { addresses: [`${at(1)}/p2p/a`] }) });
    const told = { profileAt: 2, profile: profileOf('b', { addresses: [`${at(2)}/p2p/b`] }) };
    gossip(node, 'b', [fact('b', { incarnation: 2, told })]);
    step(node, 0, { type: 'contacts', contacts });
    let found = 0;
    // For as long as nobody takes the other for dead.
    for (let nowMs = 100; nowMs < 60_000 && statusOf(node, 'b') === 'alive'; nowMs += 100) {
      const effects = [...step(node, nowMs, { type: 'heard', peer: 'b' }), ...step(node, nowMs, { type: 'wake' })];
      for (const effect of effects)
        if (effect.type === 'dial') found++;
        else if (effect.type === 'send' && effect.message.type === 'probe')
          step(node, nowMs, { type: 'message', from: 'b', message: { ...effect.message, type: 'ack' } });
    }
    assert.equal(statusOf(node, 'b'), 'alive');
    return found;
  };
  assert.equal(
    dials([
      { peer: null, addresses: [at(1)] },
      { peer: null, addresses: [at(2)] },
    ]),
    0,
  );
  assert.ok(dials([{ peer: null, addresses: [at(3)] }]) > 0);
  assert.ok(dials([{ peer: 'c', addresses: [`${at(2)}/p2p/c`] }]) > 0, 'somebody else is expected there');
});

// ---------------------------------------------------------------- limits

test('more members than a node remembers are refused by name, unless somebody who is gone makes room', () => {
  const node = createNode('a', { known: ['a', 'b'], checkAll: false });
  const fill = (from: number, to: number): string[] => {
    const said: string[] = [];
    for (let at = from; at < to; at++) said.push(...codes(gossip(node, 'b', [full(`m${at}`)], at)));
    return said.filter((code) => code !== 'BLOCKED');
  };
  assert.deepEqual(fill(0, membershipLimits.membersMax - 1), []);
  assert.deepEqual(fill(10_000, 10_001), ['MEMBERS_FULL']);
  gossip(node, 'b', [fact('m7', { status: 'left' })], 20_000);
  assert.deepEqual(fill(20_001, 20_002), []);
  assert.equal(statusOf(node, 'm7'), undefined);
  assert.equal(statusOf(node, 'm20001'), 'alive');
});

test('a table full of members thrown out has room for one who lives', () => {
  const node = createNode('a', { known: ['a', 'b'], checkAll: false });
  for (let at = 0; at < membershipLimits.membersMax; at++)
    gossip(node, 'b', [fact(`m${at}`, { status: at === 7 ? 'left' : 'evicted', told: full(`m${at}`).told })], at);
  gossip(node, 'b', [full('x')], 5_000);
  gossip(node, 'b', [full('y')], 5_001);
  assert.deepEqual([statusOf(node, 'x'), statusOf(node, 'y'), statusOf(node, 'm7')], ['alive', 'alive', undefined]);
});

test('a profile that others would refuse is refused where it is made', () => {
  const large = profileOf('a', { tags: Array.from({ length: 32 }, (_, at) => `${at}`.padEnd(64, 'é')) });
  const create = () =>
    createMembership({ self: 'a', profile: large, options: membershipDefaults, restored: 0, seed: 1, nowMs: 0 });
  assert.throws(create, (error) => {
    assert.ok(error instanceof ProfileRefused && error.code === 'PROFILE_TOO_LARGE');
    assert.match(error.message, /takes 6\d+ of at most 4096 bytes: tags 6\d+, addresses/);
    return true;
  });
  const node = createNode('a', { known: ['a', 'b'] });
  assert.deepEqual(codes(step(node, 0, { type: 'profile', profile: large })), ['PROFILE_TOO_LARGE']);
  assert.equal(node.profile.tags.length, 1);
});

test('profiles are said at most once a second, the latest in the end', () => {
  const stage = new Stage();
  stage.begin('a', 'b');
  for (let capacity = 0; capacity < 50; capacity++) {
    stage.tell('a', { type: 'profile', profile: profileOf('a', { capacity }) });
    stage.pass(50);
  }
  stage.pass(2_000);
  assert.equal(stage.state('b').table.members.get('a')?.profile.capacity, 49);
  assert.ok(stage.state('a').incarnation <= 5, `${stage.state('a').incarnation} incarnations`);
});

test('loads are said when they differ by a step, at most once a second, among many members more seldom', () => {
  const told = (others: number): number => {
    const names = ['a', ...Array.from({ length: others }, (_, at) => `m${at}`)];
    const node = createNode('a', { known: names, checkAll: false });
    const first = node.profileAt;
    for (let ms = 0; ms < 60_000; ms += 250) step(node, ms, { type: 'load', load: ms % 500 === 0 ? 0.9 : 0.1 });
    return node.profileAt - first;
  };
  assert.ok(told(3) <= 60 && told(3) >= 25, `${told(3)} a minute among 4`);
  assert.ok(told(100) <= 7, `${told(100)} a minute among 101`);
  const node = createNode('a', { known: ['a', 'b'] });
  step(node, 0, { type: 'load', load: 0.5 });
  step(node, 1, { type: 'profile', profile: profileOf('a', { region: 'elsewhere', load: 0.9 }) });
  step(node, 2_000, { type: 'wake' });
  assert.deepEqual([node.profile.region, node.profile.load], ['elsewhere', 0.5], 'what is measured stays');
  for (const load of [Number.NaN, -1, 2, 0.45, 0.55]) step(node, 9_000, { type: 'load', load });
  step(node, 20_000, { type: 'wake' });
  assert.equal(node.profile.load, 0.5);
});

test('a machine with more addresses than there is room for tells the first ones', () => {
  const addresses = Array.from({ length: membershipLimits.addressesMax }, (_, at) => `/ip6/${'2001:db8:'.repeat(24)}:${at}`);
  const tags = Array.from({ length: 20 }, (_, at) => `${at}${'t'.repeat(60)}`);
  const node = createMembership({
    ...{ self: 'a', profile: profileOf('a', { addresses, tags }), options: membershipDefaults },
    ...{ restored: 0, seed: 1, nowMs: 0 },
  });
  assert.ok(node.profile.addresses.length > 3 && node.profile.addresses.length < addresses.length);
  assert.deepEqual(node.profile.addresses, addresses.slice(0, node.profile.addresses.length));
});

test('probes for others, probes out of turn and exchanges are bounded', () => {
  const names = Array.from({ length: 300 }, (_, at) => `m${at}`);
  const node = createNode('a', { known: ['a', ...names] });
  for (const [sequence, target] of names.entries()) {
    step(node, 0, { type: 'message', from: 'm0', message: { type: 'ask', sequence, target, facts: [] } });
    step(node, 0, { type: 'unreachable', peer: target });
    step(node, 0, { type: 'met', peer: `new ${target}` });
  }
  assert.equal(node.relays.size, membershipLimits.relaysMax);
  assert.equal(node.urgent.length, membershipLimits.urgentMax);
  assert.equal(node.exchanges.size, membershipLimits.exchangesMax);
});

test('nothing due, nothing done: one deadline a second among two that rest', () => {
  const stage = new Stage();
  stage.begin('a', 'b');
  stage.pass(10_000);
  let wakes = 0;
  const node = stage.state('a');
  const tell = stage.tell.bind(stage);
  stage.tell = (name, event) => {
    if (name === 'a' && event.type === 'wake') wakes++;
    return tell(name, event);
  };
  stage.pass(60_000);
  assert.ok(wakes <= 70, `${wakes} wakes in a minute`);
  assert.equal(node.updates.of.size, 0);
});

// ---------------------------------------------------------------- the view

test('the view has this node first and the others by name', () => {
  const stage = new Stage();
  stage.begin('b', 'c', 'a');
  stage.crash('c');
  stage.pass(10_000);
  const view = membersView(stage.state('b'), stage.nowMs);
  assert.deepEqual(
    view.map(({ peer, status, self }) => [peer, status, self]),
    [
      ['b', 'alive', true],
      ['a', 'alive', false],
      ['c', 'failed', false],
    ],
  );
  assert.ok(view[2]!.forMs! > 0 && view[0]!.forMs === null);
  assert.deepEqual(view[1]!.addresses, profileOf('a').addresses);
});

test('a node that is alone may leave at once', () => {
  const node = createNode('a');
  assert.deepEqual(step(node, 0, { type: 'leave' }).at(-1), { type: 'left' });
  assert.deepEqual(step(node, 1, { type: 'wake' }), []);
});

test('who leaves goes after its time even if nobody answers', () => {
  const stage = new Stage();
  stage.begin('a', 'b', 'c', 'd');
  stage.isLost = (from) => from === 'd';
  stage.tell('d', { type: 'leave' });
  stage.pass(membershipDefaults.leaveMs - 100);
  assert.ok(stage.nodes.has('d'));
  stage.pass(200);
  assert.ok(!stage.nodes.has('d'));
});
