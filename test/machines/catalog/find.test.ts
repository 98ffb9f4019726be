// Look-ups, lists and descriptions against the plainest way to say what they should be.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type CatalogState,
  catalogDefaults,
  catalogLimits,
  compareVersions,
  describe,
  type Entry,
  find,
  isInRange,
  isWanted,
  type Lookup,
  list,
  offerKinds,
  parseRange,
  type Query,
  step,
  wantedOf,
} from '../../../machines/catalog/index.ts';
import { catalogOf, heard, of, offerOf, speaker } from './stage.ts';

const versions = ['1.0.0', '1.2.0', '1.2.0+b', '1.10.3', '2.0.0-rc.1', '2.0.0'] as const;
const words = ['gpu', 'fast', 'eu'] as const;

const offer = fc.record({
  kind: fc.constantFrom(...offerKinds.slice(0, 2)),
  name: fc.constantFrom('a', 'a.b', 'b', 'b/c', 'Z'),
  version: fc.constantFrom(...versions),
  capabilities: fc.subarray([...words]),
  tags: fc.subarray(['x', 'y']),
  resources: fc.constantFrom({}, { gpus: 1 }, { gpus: 4, disk: 'ssd' }, { disk: 'hdd' }),
});

const offered = fc.array(fc.tuple(fc.constantFrom('o1', 'o2', 'o3', 'o4'), offer), { maxLength: 30 });

const stateOf = (given: readonly (readonly [string, Partial<Parameters<typeof offerOf>[1]>])[]): CatalogState => {
  const state = catalogOf();
  const owners = new Map<string, ReturnType<typeof speaker>>();
  for (const [owner, more] of given) {
    if (!owners.has(owner)) owners.set(owner, speaker(owner));
    const [said] = of(step(owners.get(owner)!.state, 0, { type: 'offer', offer: offerOf('x', more) }), 'announce');
    if (said !== undefined) step(state, 0, heard(owner, said.word));
  }
  return state;
};

const everything = (state: CatalogState): Entry[] =>
  [...state.owners.values()].flatMap(({ kept }) => [...kept.values()].flatMap(({ entry }) => (entry === null ? [] : [entry])));

const lookup = fc.record(
  {
    name: fc.constantFrom('a', 'a.b', 'b', 'nobody'),
    kind: fc.constantFrom(...offerKinds.slice(0, 2)),
    range: fc.constantFrom('*', '^1', '~1.2', '>=1.2 <2', '2.0.0-rc.1', '>=2.0.0-rc.0', '3'),
    capabilities: fc.subarray([...words]),
    tags: fc.subarray(['x', 'y']),
    resources: fc.constantFrom(
      {},
      { gpus: 2 },
      { gpus: 4 },
      { gpus: 5 },
      { disk: 'ssd' },
      { gpus: 'ssd' },
      { disk: 1 },
      { toString: 1 },
    ),
    owner: fc.constantFrom('o1', 'o2'),
  },
  { requiredKeys: ['name'] },
) as fc.Arbitrary<Lookup>;

/** As a reader of the page would do it by hand. */
const fits = (query: Query, { offer: one, version, owner }: Entry): boolean => {
  if (query.range !== undefined && !isInRange(parseRange(query.range)!, version)) return false;
  for (const [name, amount] of Object.entries(query.resources ?? {})) {
    const has = Object.entries(one.resources).find(([given]) => given === name)?.[1];
    if (typeof amount === 'number' ? !(typeof has === 'number' && has >= amount) : has !== amount) return false;
  }
  if (query.owner !== undefined && owner !== query.owner) return false;
  if (query.kind !== undefined && one.kind !== query.kind) return false;
  const lacks = (required: readonly string[] | undefined, given: readonly string[]): boolean =>
    (required ?? []).filter((word) => !given.includes(word)).length > 0;
  return one.name === query.name && !lacks(query.capabilities, one.capabilities) && !lacks(query.tags, one.tags);
};

test('a look-up finds exactly what fits, the highest version first, the same list until something of it changes', () => {
  fc.assert(
    fc.property(offered, fc.array(lookup, { minLength: 1, maxLength: 6 }), (given, lookups) => {
      const state = stateOf(given);
      for (const query of [...lookups, ...lookups]) {
        const found = find(state, 1, query);
        assert.ok(found.ok);
        const expected = everything(state).filter((entry) => fits({ ...query, range: query.range ?? '*' }, entry));
        assert.deepEqual(new Set(found.entries), new Set(expected));
        assert.equal(found.entries.length, expected.length);
        for (let at = 1; at < found.entries.length; at++)
          assert.ok(compareVersions(found.entries[at - 1]!.version, found.entries[at]!.version) >= 0);
        const again = find(state, 2, { ...query });
        assert.ok(again.ok);
        assert.equal(again.entries, found.entries);
        const wanted = wantedOf({ ...query, range: query.range ?? '*' });
        assert.ok(wanted.ok);
        for (const entry of everything(state)) assert.equal(isWanted(wanted, entry), found.entries.includes(entry));
      }
    }),
    { numRuns: 150 },
  );
});

test('a look-up follows every change: another version, a withdrawal, the end of its time, another life', () => {
  const owner = speaker('owner');
  const state = catalogOf();
  const query = { name: 'a', range: '^1' };
  const names = (nowMs: number): string[] => {
    const found = find(state, nowMs, query);
    assert.ok(found.ok);
    return found.entries.map(({ offer: one }) => one.version);
  };
  assert.deepEqual(names(0), []);
  step(state, 0, heard('owner', owner.offer(offerOf('a'))));
  assert.deepEqual(names(0), ['1.0.0']);
  step(state, 1, heard('owner', owner.offer(offerOf('a', { version: '1.1.0' }))));
  assert.deepEqual(names(1), ['1.1.0', '1.0.0']);
  step(state, 2, heard('owner', owner.withdraw(offerOf('a'))));
  assert.deepEqual(names(2), ['1.1.0']);
  // What others offer under other names changes nothing of the list.
  const before = find(state, 3, query);
  step(state, 3, heard('owner', owner.offer(offerOf('b'))));
  step(state, 60_000, heard('owner', owner.renew()));
  const after = find(state, 3 + catalogDefaults.ttlMs, query);
  assert.ok(before.ok && after.ok);
  assert.equal(before.entries, after.entries, 'renewed, and so the same');
  assert.deepEqual(names(59_999 + catalogDefaults.ttlMs), ['1.1.0']);
  assert.deepEqual(names(60_000 + catalogDefaults.ttlMs), [], 'though it was not cleared away yet');
  const second = speaker('owner', 2);
  step(state, 200_000, heard('owner', second.offer(offerOf('a', { version: '1.9.0' })), 2));
  assert.deepEqual(names(200_000), ['1.9.0']);
});

test('a list told in pages has every offer that stays, once, whatever comes and goes between them', () => {
  const act = fc.tuple(fc.constantFrom('o1', 'o2', 'o3'), offer, fc.boolean());
  fc.assert(
    fc.property(offered, fc.array(act, { maxLength: 20 }), fc.integer({ min: 1, max: 4 }), (given, acts, limit) => {
      const state = catalogOf();
      const owners = new Map(['o1', 'o2', 'o3', 'o4'].map((name) => [name, speaker(name)]));
      const say = (owner: string, more: Parameters<typeof offerOf>[1], withdraw: boolean): void => {
        const one = offerOf('x', more);
        const event = withdraw ? ({ type: 'withdraw', id: one } as const) : ({ type: 'offer', offer: one } as const);
        const [said] = of(step(owners.get(owner)!.state, 0, event), 'announce');
        if (said !== undefined) step(state, 0, heard(owner, said.word));
      };
      for (const [owner, more] of given) say(owner, more, false);
      const before = new Set(everything(state));
      const left = [...acts];
      const seen: Entry[] = [];
      let cursor: string | null = null;
      for (let pages = 0; pages < 200; pages++) {
        const page = list(state, 1, {}, { limit, cursor });
        assert.ok(page.ok && page.items.length <= limit);
        assert.equal(page.revision, state.revision);
        seen.push(...page.items.map(({ entry }) => entry));
        cursor = page.cursor;
        if (cursor === null) break;
        const next = left.pop();
        if (next !== undefined) say(next[0], next[1], next[2]);
      }
      assert.equal(cursor, null);
      const stayed = everything(state).filter((entry) => before.has(entry));
      for (const entry of stayed) assert.equal(seen.filter((one) => one === entry).length, 1);
      const places = seen.map(({ offer: one, owner }) => `${one.name} ${one.version} ${one.kind} ${owner}`);
      assert.equal(new Set(places).size, places.length, 'nothing is told twice');
    }),
    { numRuns: 150 },
  );
});

test('lists can be narrowed, and what cannot be meant is refused by name', () => {
  const state = stateOf([
    ['o1', { name: 'img.resize', version: '2.0.0-rc.1' }],
    ['o2', { name: 'img.resize', capabilities: ['gpu'] }],
    ['o2', { name: 'img', kind: 'queue' }],
    ['o3', { name: 'imp', resources: { gpus: 2, disk: 'ssd' } }],
  ]);
  const names = (query: Query): string[] => {
    const page = list(state, 1, query, { limit: 100, cursor: null });
    assert.ok(page.ok);
    return page.items.map(({ entry }) => `${entry.offer.name}@${entry.offer.version}`);
  };
  assert.deepEqual(names({ prefix: 'img' }), ['img@1.0.0', 'img.resize@2.0.0-rc.1', 'img.resize@1.0.0']);
  assert.deepEqual(names({ prefix: 'img.' }), ['img.resize@2.0.0-rc.1', 'img.resize@1.0.0']);
  assert.deepEqual(names({ prefix: 'img', range: '^1' }), ['img@1.0.0', 'img.resize@1.0.0']);
  assert.deepEqual(names({ kind: 'queue' }), ['img@1.0.0']);
  assert.deepEqual(names({ owner: 'o3' }), ['imp@1.0.0']);
  assert.deepEqual(names({ name: 'img.resize', capabilities: ['gpu'] }), ['img.resize@1.0.0']);
  assert.deepEqual(names({ name: 'nobody' }), []);
  assert.deepEqual(names({ resources: { gpus: 2, disk: 'ssd' } }), ['imp@1.0.0']);
  for (const resources of [{ gpus: 2.1 }, { disk: 'hdd' }, { gpus: 'ssd' }, { cpus: 0 }])
    assert.deepEqual(names({ resources }), []);
  const refusal = (query: Query, limit = 10, cursor: string | null = null): string => {
    const page = list(state, 1, query, { limit, cursor });
    return page.ok ? 'ok' : page.code;
  };
  assert.equal(refusal({ range: 'newest' }), 'RANGE_INVALID');
  assert.equal(refusal({ kind: 'x' as never }), 'QUERY_INVALID');
  assert.equal(refusal({ resources: { a: -1 } }), 'QUERY_INVALID');
  assert.equal(refusal({ tags: 'x' as never }), 'QUERY_INVALID');
  for (const limit of [0, -1, 1.5, 501]) assert.equal(refusal({}, limit), 'QUERY_INVALID');
  for (const cursor of ['', 'x', '[]', '["a","1","service","o"]', '["a","1.0.0","x","o"]', `["${'x'.repeat(2_000)}"]`])
    assert.equal(refusal({}, 10, cursor), 'CURSOR_INVALID');
  for (const query of [
    { name: 'img', range: '>>1' },
    { name: 'nobody', range: '>>1' },
  ]) {
    const found = find(state, 1, query);
    assert.equal(found.ok ? 'ok' : found.code, 'RANGE_INVALID');
  }
  const circle: unknown[] = [];
  circle.push(circle);
  for (const more of [
    { tags: circle },
    { range: 1 },
    { range: Symbol('x') },
    { capabilities: [1n] },
    { resources: { a: {} } },
  ]) {
    const found = find(state, 1, { name: 'img', ...more } as never);
    assert.match(found.ok ? 'ok' : found.code, /^(QUERY|RANGE)_INVALID$/);
  }
  const nameless = find(state, 1, {} as Lookup);
  assert.equal(nameless.ok ? 'ok' : nameless.code, 'QUERY_INVALID');
});

test('a description has every version with its owners, and says when they do not describe it alike', () => {
  const state = stateOf([
    ['o1', { name: 'a' }],
    ['o2', { name: 'a', methods: { other: { input: null, output: null, idempotent: false } } }],
    ['o3', { name: 'a', version: '2.0.0-rc.1' }],
    ['o3', { name: 'b' }],
  ]);
  const described = describe(state, 1, { name: 'a' });
  assert.ok(described?.ok);
  assert.deepEqual(
    described.versions.map(({ version, owners, differs }) => [version, owners, differs]),
    [
      ['2.0.0-rc.1', ['o3'], false],
      ['1.0.0', ['o1', 'o2'], true],
    ],
  );
  assert.deepEqual(Object.keys(described.versions[1]!.offer.methods), ['run']);
  assert.equal(describe(state, 1, { name: 'nobody' }), null);
  assert.equal(describe(state, catalogDefaults.ttlMs, { name: 'a' }), null);
});

test('answers are kept of so many questions', () => {
  const state = stateOf([['o1', { name: 'a' }]]);
  for (let at = 0; at < 1_500; at++) find(state, 1, { name: 'a', range: `^1.${at % 1_200}` });
  assert.equal(state.cached.size, catalogLimits.cachedMax);
  for (let at = 0; at < 1_500; at++) find(state, 1, { name: `nobody-${at}` });
  assert.equal(state.cached.size, catalogLimits.cachedMax, 'of what nobody offers nothing is kept');
});
