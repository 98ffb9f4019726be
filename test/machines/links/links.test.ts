// Which connections a node keeps, opens and ends: by story, and by laws over whatever may happen.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  createLinks,
  isProved,
  type LinkMember,
  type LinksEffect,
  type LinksEvent,
  type LinksState,
  linksDefaults,
  linksLow,
  mayPart,
  noteUse,
  openMax,
  provedMax,
  step,
  strangersMax,
  wayTo,
} from '../../../machines/links/index.ts';

const options = { ...linksDefaults, linksMax: 12, neighbours: 3 };
const linksOf = (seed = 1): LinksState => createLinks({ self: 'self', options, seed, nowMs: 0 });
const at = (peer: string): string => `/dns/${peer}/tcp/1/p2p/${peer}`;
const member = (peer: string, standing: LinkMember['standing'] = 'live'): LinkMember => ({
  ...{ peer, name: `name-${peer}`, addresses: [at(peer)], standing },
});
const crowd = (count: number): LinkMember[] => Array.from({ length: count }, (_, one) => member(`p${one + 1}`));
const peersOf = (effects: readonly LinksEffect[], type: LinksEffect['type']): string[] =>
  effects.filter((effect) => effect.type === type).map(({ peer }) => peer);

test('while they are few everybody is kept; among many only groups, founders and neighbours are; in between nothing changes', () => {
  const state = linksOf();
  step(state, 0, { type: 'needed', peers: ['p7', 'p8', 'self'], names: ['name-p9'] });
  assert.equal(peersOf(step(state, 0, { type: 'members', members: crowd(options.linksMax) }), 'keep').length, options.linksMax);
  const released = peersOf(step(state, 1, { type: 'members', members: crowd(options.linksMax + 1) }), 'release');
  assert.equal(state.regime, 'some');
  assert.ok(['p7', 'p8', 'p9'].every((peer) => state.kept.has(peer)));
  assert.ok(state.kept.size <= 3 + options.neighbours && released.length >= options.linksMax - 3 - options.neighbours);
  const low = linksLow(options);
  step(state, 2, { type: 'members', members: crowd(options.linksMax) });
  step(state, 3, { type: 'members', members: crowd(low) });
  assert.equal(state.regime, 'some');
  step(state, 4, { type: 'members', members: crowd(low - 1) });
  assert.equal(state.regime, 'all');
  assert.equal(state.kept.size, low - 1);
});

test('a peer that moves is kept at its new address; one that says none yet, at the address where it was met', () => {
  const state = linksOf();
  step(state, 0, { type: 'told', peer: 'p1', addresses: ['/dns/met/tcp/1/p2p/p1'] });
  const silent = { ...member('p1'), addresses: [] };
  assert.deepEqual(step(state, 1, { type: 'members', members: [silent] }), []);
  assert.deepEqual(state.kept.get('p1'), '/dns/met/tcp/1/p2p/p1');
  const moved = step(state, 2, { type: 'members', members: [{ ...silent, addresses: ['/dns/new/tcp/1/p2p/p1'] }] });
  assert.deepEqual(moved, [{ type: 'keep', peer: 'p1', addresses: ['/dns/new/tcp/1/p2p/p1'] }]);
});

test('where somebody answered is tried behind what he says himself, and is all that there is where he says nothing of use', () => {
  const state = linksOf();
  const proved = '/dns/outside/tcp/9/p2p/p1';
  step(state, 0, { type: 'members', members: [{ ...member('p1'), addresses: [] }] });
  assert.equal(state.kept.size, 0);
  assert.deepEqual(step(state, 1, { type: 'proved', peer: 'p1', address: proved }), [
    { type: 'keep', peer: 'p1', addresses: [proved] },
  ]);
  assert.deepEqual(step(state, 2, { type: 'members', members: [member('p1')] }), [
    { type: 'keep', peer: 'p1', addresses: [at('p1'), proved] },
  ]);
  assert.equal(isProved(state, '/dns/outside/tcp/9', options.provedMs), true);
  assert.equal(isProved(state, '/dns/outside/tcp/9', 1 + options.provedMs), false, 'somebody else may live there by now');
  assert.equal(isProved(state, '/dns/inside/tcp/9', 2), false);
  step(state, 2, { type: 'members', members: [member('p1', 'gone')] });
  assert.equal(isProved(state, '/dns/outside/tcp/9', 2), false);
  for (let one = 0; one < 2 * provedMax; one++) step(state, 3, { type: 'proved', peer: `x${one}`, address: at(`x${one}`) });
  assert.equal(state.proved.size, provedMax);
});

test('who is gone is looked for a while longer, who is needed for ever, and who was thrown out never', () => {
  const state = linksOf();
  step(state, 0, { type: 'needed', peers: ['p2'], names: [] });
  step(state, 0, { type: 'members', members: crowd(3) });
  step(state, 10, { type: 'members', members: [member('p1', 'gone'), member('p2', 'gone'), member('p3', 'evicted')] });
  assert.deepEqual([...state.kept.keys()].sort(), ['p1', 'p2']);
  assert.equal(state.deadlineMs, 10 + options.lapseMs);
  assert.deepEqual(step(state, 10 + options.lapseMs, { type: 'wake' }), [{ type: 'release', peer: 'p1' }]);
  // Membership forgets it in the end; the group does not.
  step(state, 200_000, { type: 'members', members: [] });
  step(state, 900_000, { type: 'wake' });
  assert.deepEqual([...state.kept.keys()], ['p2']);
  assert.equal(wayTo(state, 'p3', 900_000), 'none');
});

test('neighbours are as if drawn from all, whoever was known first; one that dies is replaced, the others stay', () => {
  const drawn = new Map<string, number>();
  for (let seed = 0; seed < 400; seed++) {
    const state = linksOf(seed);
    for (let count = options.linksMax + 1; count <= 40; count++) step(state, count, { type: 'members', members: crowd(count) });
    for (const peer of state.neighbours) drawn.set(peer, (drawn.get(peer) ?? 0) + 1);
  }
  // 400 × 3 / 40 = 30 each; five standard deviations.
  for (const { peer } of crowd(40)) assert.ok(Math.abs((drawn.get(peer) ?? 0) - 30) < 28, `${peer}: ${drawn.get(peer)}`);
  const early = crowd(13).reduce((sum, { peer }) => sum + (drawn.get(peer) ?? 0), 0);
  assert.ok(Math.abs(early - (1_200 * 13) / 40) < 80, `${early} of those who were there first`);
  const state = linksOf();
  step(state, 0, { type: 'members', members: crowd(30) });
  const [dead, ...others] = state.neighbours;
  step(state, 1, { type: 'members', members: crowd(30).map((one) => (one.peer === dead ? member(one.peer, 'gone') : one)) });
  assert.equal(state.neighbours.size, options.neighbours);
  assert.ok(others.every((peer) => state.neighbours.has(peer)) && !state.neighbours.has(dead!));
});

/** Among many, with a connection to somebody who is not kept. */
const demanded = (): { state: LinksState; peer: string } => {
  const state = linksOf();
  step(state, 0, { type: 'members', members: crowd(30) });
  const peer = crowd(30).find((one) => !state.kept.has(one.peer))!.peer;
  assert.equal(wayTo(state, peer, 0), 'wait');
  assert.deepEqual(step(state, 0, { type: 'wanted', peer }), [{ type: 'dial', peer, addresses: [at(peer)] }]);
  assert.deepEqual(step(state, 1, { type: 'wanted', peer }), [], 'it is being dialled');
  return { state, peer };
};

test('a connection opened on demand is ended by who opened it when it was idle for long, and not while it is used', () => {
  const { state, peer } = demanded();
  step(state, 2, { type: 'opened', peer });
  step(state, 3, { type: 'dialled', peer, ok: true });
  assert.equal(wayTo(state, peer, 4), 'open');
  noteUse(state, peer, 20_000);
  assert.deepEqual(step(state, 2 + options.idleMs, { type: 'wake' }), []);
  assert.deepEqual(step(state, 20_000 + options.idleMs, { type: 'wake' }), [{ type: 'part', peer }]);
  assert.deepEqual(step(state, 20_001 + options.idleMs, { type: 'wake' }), [], 'asked once');
  step(state, 20_002 + options.idleMs, { type: 'closed', peer });
  assert.equal(wayTo(state, peer, 20_003 + options.idleMs), 'wait');
});

test('what another opened is for him to end, and so is what he would rather keep', () => {
  const { state, peer } = demanded();
  step(state, 2, { type: 'opened', peer });
  const other = crowd(30).find((one) => !state.kept.has(one.peer) && one.peer !== peer)!.peer;
  step(state, 2, { type: 'opened', peer: other });
  assert.deepEqual(peersOf(step(state, 40_000, { type: 'wake' }), 'part'), [peer]);
  step(state, 40_001, { type: 'stays', peer });
  assert.deepEqual(peersOf(step(state, 400_000, { type: 'wake' }), 'part'), []);
  assert.equal(mayPart(state, other), true);
  assert.equal(mayPart(state, [...state.neighbours][0]!), false);
});

test('a member that cannot be dialled is left alone for a moment', () => {
  const { state, peer } = demanded();
  step(state, 10, { type: 'dialled', peer, ok: false });
  assert.equal(wayTo(state, peer, 11), 'none');
  assert.deepEqual(step(state, 11, { type: 'wanted', peer }), []);
  assert.equal(wayTo(state, peer, 10 + options.refusedMs), 'wait');
});

test('more connections on demand than there may be: those least recently used end first, kept ones never', () => {
  const state = linksOf();
  const members = crowd(100);
  step(state, 0, { type: 'members', members });
  const opened = members.filter(({ peer }) => !state.kept.has(peer)).slice(0, options.linksMax + 5);
  for (const [order, { peer }] of opened.entries()) {
    step(state, 10 + order, { type: 'wanted', peer });
    step(state, 10 + order, { type: 'opened', peer });
    step(state, 10 + order, { type: 'dialled', peer, ok: true });
  }
  const parted = peersOf(step(state, options.idleMs / 2, { type: 'wake' }), 'part');
  assert.deepEqual(
    parted,
    opened.slice(0, 5).map(({ peer }) => peer),
  );
  const others = members.filter(({ peer }) => !state.open.has(peer));
  for (const { peer } of others) step(state, 15_001, { type: 'opened', peer });
  assert.ok(state.open.size > openMax(options));
  const surplus = peersOf(step(state, 25_000, { type: 'wake' }), 'part');
  assert.ok(surplus.length >= state.open.size - openMax(options));
  assert.ok(surplus.every((peer) => !state.kept.has(peer)));
});

test('strangers are remembered up to a maximum, those who are needed for ever', () => {
  const state = linksOf();
  step(state, 0, { type: 'needed', peers: ['s0'], names: [] });
  for (let one = 0; one < strangersMax + 50; one++)
    step(state, one, { type: 'told', peer: `s${one}`, addresses: [at(`s${one}`)] });
  assert.ok(state.known.size <= strangersMax + 1);
  assert.ok(state.known.has('s0') && state.known.has(`s${strangersMax + 49}`) && !state.known.has('s1'));
  assert.ok(state.kept.size <= options.linksMax + 1);
});

test('whatever happens, in whatever order, the invariants hold and the network is told exactly what is kept', () => {
  const peer = fc.integer({ min: 0, max: 30 }).map((one) => (one === 0 ? 'self' : `p${one}`));
  const standing = fc.constantFrom<LinkMember['standing']>('live', 'live', 'live', 'live', 'gone', 'evicted');
  const one = fc.record({ peer, standing, address: fc.constantFrom('', 'a', 'b') });
  const members = fc.uniqueArray(one, { selector: (given) => given.peer, maxLength: 31 }).map(
    (list): LinksEvent => ({
      type: 'members',
      members: list.map((given) => ({
        ...{ peer: given.peer, name: `name-${given.peer}`, standing: given.standing },
        addresses: given.address === '' ? [] : [`/dns/${given.address}/tcp/1/p2p/${given.peer}`],
      })),
    }),
  );
  const event: fc.Arbitrary<LinksEvent> = fc.oneof(
    members,
    fc.record({ type: fc.constant('told' as const), peer, addresses: fc.constantFrom([], ['/dns/x/tcp/1'], ['/dns/y/tcp/1']) }),
    fc.record({
      type: fc.constant('needed' as const),
      peers: fc.array(peer, { maxLength: 5 }),
      names: fc.array(
        peer.map((given) => `name-${given}`),
        { maxLength: 3 },
      ),
    }),
    fc.record({ type: fc.constant('proved' as const), peer, address: fc.constantFrom('/dns/a/tcp/1', '/dns/z/tcp/1') }),
    fc.record({ type: fc.constantFrom('opened' as const, 'closed' as const, 'wanted' as const, 'stays' as const), peer }),
    fc.record({ type: fc.constant('dialled' as const), peer, ok: fc.boolean() }),
    fc.constant<LinksEvent>({ type: 'wake' }),
  );
  const run = fc.array(fc.tuple(fc.integer({ min: 0, max: 20_000 }), event), { maxLength: 60 });
  fc.assert(
    fc.property(run, fc.integer(), (events, seed) => {
      const state = createLinks({ self: 'self', options: { ...options, linksMax: 8 }, seed, nowMs: 0 });
      const told = new Map<string, string>();
      let nowMs = 0;
      for (const [passedMs, given] of events) {
        nowMs += passedMs;
        for (const effect of step(state, nowMs, given)) {
          assert.notEqual(effect.peer, 'self');
          if (effect.type === 'keep') told.set(effect.peer, effect.addresses.join(' '));
          if (effect.type === 'release' || effect.type === 'disconnect') told.delete(effect.peer);
          if (effect.type === 'part') assert.ok(state.open.has(effect.peer) && !state.kept.has(effect.peer));
          if (effect.type === 'dial') assert.ok(!state.kept.has(effect.peer) && effect.addresses.length > 0);
        }
        assert.deepEqual(told, state.kept);
      }
    }),
    { numRuns: 300 },
  );
});
