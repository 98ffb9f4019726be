// The catalog of one node: what is believed, what wins, when it ends; who may remove; bounds; and what is refused by name.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type CatalogEffect,
  type CatalogState,
  catalogDefaults,
  catalogLimits,
  createCatalog,
  formCatalogMessage,
  formWord,
  type Offer,
  type Part,
  parseCatalogMessage,
  parseWord,
  step,
  type Word,
} from '../../../machines/catalog/index.ts';
import { InvariantBroken } from '../../../machines/invariant.ts';
import { utf8 } from '../../../machines/wire/octets.ts';
import { catalogOf, heard, listed, of, offerOf, speaker } from './stage.ts';

const { ttlMs, renewMs, settleMs } = catalogDefaults;

test('an offer is announced, heard, changed and withdrawn; each is told once', () => {
  const owner = speaker('owner');
  const state = catalogOf();
  const first = owner.offer(offerOf('images'));
  const [added] = of(step(state, 0, heard('owner', first)), 'changed');
  assert.equal(added?.changes.length, 1);
  assert.deepEqual([added?.changes[0]?.before, added?.changes[0]?.after?.owner], [null, 'owner']);
  assert.deepEqual(of(step(state, 1, heard('owner', first)), 'changed'), [], 'heard again');
  const changed = owner.offer(offerOf('images', { tags: ['new'] }));
  const [replaced] = of(step(state, 2, heard('owner', changed)), 'changed');
  assert.deepEqual(replaced?.changes[0]?.after?.offer.tags, ['new']);
  assert.deepEqual(replaced?.changes[0]?.before?.offer.tags, []);
  assert.ok(replaced!.revision > added!.revision);
  const gone = owner.withdraw(offerOf('images'));
  const [removed] = of(step(state, 3, heard('owner', gone)), 'changed');
  assert.deepEqual([removed?.changes[0]?.after, removed?.changes[0]?.why], [null, 'said']);
  // An older word that comes late does not bring it back.
  step(state, 4, heard('owner', changed));
  assert.deepEqual(listed(state, 4), []);
  assert.equal(state.own.count, 0);
});

test('the newest word wins in whatever order they come, and however often', () => {
  const ids = ['a', 'b', 'c'] as const;
  const act = fc.record({ name: fc.constantFrom(...ids), withdraw: fc.boolean(), tag: fc.constantFrom('x', 'y', 'z') });
  fc.assert(
    fc.property(fc.array(act, { minLength: 1, maxLength: 12 }), fc.array(fc.nat(), { maxLength: 40 }), (acts, order) => {
      const owner = speaker('owner');
      const words: Word[] = [];
      for (const { name, withdraw, tag } of acts) {
        const isOffered = [...owner.state.own.kept.values()].some(({ id, entry }) => id.name === name && entry !== null);
        if (withdraw && isOffered) words.push(owner.withdraw(offerOf(name)));
        else if (!withdraw) {
          const [word] = of(step(owner.state, 0, { type: 'offer', offer: offerOf(name, { tags: [tag] }) }), 'announce');
          if (word !== undefined) words.push(word.word);
        }
      }
      const state = catalogOf();
      for (const at of order) if (words.length > 0) step(state, 0, heard('owner', words[at % words.length]!));
      for (const word of [...words].sort((a, b) => formWord(a).length - formWord(b).length))
        step(state, 0, heard('owner', word));
      assert.deepEqual(listed(state, 0), listed(owner.state, 0));
      const [hereOwner, own] = [state.owners.get('owner'), owner.state.own];
      if (words.length > 0) assert.deepEqual([hereOwner?.count, hereOwner?.hash], [own.count, own.hash]);
      assert.equal(state.differing.size, 0, 'it all agrees: nothing is asked');
    }),
    { numRuns: 200 },
  );
});

test('an offer ends 120 s after its owner was heard, found or not; a renewal that says the same keeps all of them', () => {
  const owner = speaker('owner');
  const state = catalogOf();
  step(state, 0, heard('owner', owner.offer(offerOf('a'))));
  step(state, 50_000, heard('owner', owner.offer(offerOf('b'))));
  assert.equal(listed(state, ttlMs + 1).length, 2, 'the word about b says that a holds');
  step(state, 100_000, heard('owner', owner.renew()));
  assert.equal(listed(state, 100_000 + ttlMs - 1).length, 2);
  assert.equal(listed(state, 100_000 + ttlMs).length, 0, 'over before it is cleared away');
  const effects = step(state, 100_000 + ttlMs, { type: 'wake' });
  assert.deepEqual(
    of(effects, 'changed')[0]?.changes.map(({ why, before }) => `${before?.offer.name} ${why}`),
    ['a ended', 'b ended'],
  );
  // Of what was on its way for long, less is left.
  step(state, 300_000, heard('owner', owner.renew(), 1, 5_000));
  step(state, 300_000, heard('owner', owner.offer(offerOf('c')), 1, 5_000));
  assert.equal(listed(state, 304_999).length, 1);
  assert.equal(listed(state, 305_000).length, 0);
});

test('who leaves says so in one word, and nothing that it offered before comes back', () => {
  const owner = speaker('owner');
  const words = ['a', 'b', 'c'].map((name) => owner.offer(offerOf(name)));
  const leave = step(owner.state, 0, { type: 'leave' });
  const [goodbye] = of(leave, 'announce');
  assert.deepEqual(goodbye?.word, { type: 'renew', told: { sequence: 4, count: 0, hash: 0 } });
  assert.equal(of(leave, 'changed')[0]?.changes.length, 3);
  assert.deepEqual(of(step(owner.state, 1, { type: 'leave' }), 'announce'), [], 'there is nothing to say twice');
  const state = catalogOf();
  for (const word of words.slice(0, 2)) step(state, 0, heard('owner', word));
  const changed = of(step(state, 1, heard('owner', goodbye!.word)), 'changed')[0];
  assert.deepEqual(
    changed?.changes.map(({ why, after }) => [why, after]),
    [
      ['said', null],
      ['said', null],
    ],
  );
  for (const word of words.slice(0, 2)) step(state, 2, heard('owner', word));
  assert.deepEqual(listed(state, 2), []);
  assert.equal(state.differing.size, 0, 'it all agrees: nothing is asked');
});

test('a word that could not be announced is followed by a renewal soon, also the one about the last offer', () => {
  const { state } = speaker('owner');
  step(state, 0, { type: 'offer', offer: offerOf('a') });
  step(state, 0, { type: 'withdraw', id: offerOf('a') });
  assert.deepEqual(step(state, 60_000, { type: 'unannounced' }), []);
  const [announced] = of(step(state, 60_000 + 1.25 * settleMs, { type: 'wake' }), 'announce');
  assert.deepEqual(announced?.word, { type: 'renew', told: { sequence: 2, count: 0, hash: 0 } });
});

test('a renewal that says something else keeps nothing, and is asked about: the owner first, then anybody', () => {
  const owner = speaker('owner');
  const state = catalogOf();
  step(state, 0, { type: 'met', peer: 'other', epoch: 1 });
  state.hasJoined = true;
  step(state, 0, heard('owner', owner.offer(offerOf('a'))));
  owner.offer(offerOf('b'));
  owner.withdraw(offerOf('a'));
  step(state, 60_000, heard('owner', owner.renew()));
  assert.equal(listed(state, 119_999).length, 1);
  const asks: string[] = [];
  for (let nowMs = 60_000; nowMs < 119_000; nowMs += 500)
    for (const { to, message } of of(step(state, nowMs, { type: 'wake' }), 'send'))
      asks.push(`${to} ${message.type} ${message.owner}`);
  assert.deepEqual(asks.slice(0, 4), ['owner ask owner', 'other ask owner', 'owner ask owner', 'other ask owner']);
  assert.ok(asks.length < 9, `${asks.length} times in a minute`);
  // It is heard again: asked again, soon, and first.
  Object.assign(state.owners.get('owner')!, { tries: 9, askAtMs: 170_000 });
  step(state, 119_000, heard('owner', owner.renew()));
  const again = of(step(state, 119_000 + 1.25 * settleMs, { type: 'wake' }), 'send');
  assert.deepEqual(
    again.map(({ to }) => to),
    ['owner'],
  );
  const [answer] = of(
    step(owner.state, 0, { type: 'message', from: 'self', message: { type: 'ask', owner: 'owner', behind: null } }),
    'send',
  );
  assert.ok(answer !== undefined);
  state.asked.set('owner', { to: 'owner', behind: null, endMs: 999_999, pages: 1 });
  // A later word overtakes the page.
  step(state, 125_000, heard('owner', owner.offer(offerOf('c'))));
  step(state, 125_000, { type: 'message', from: 'owner', message: answer.message });
  assert.deepEqual(listed(state, 125_000), ['owner b@1.0.0', 'owner c@1.0.0']);
  assert.equal(state.differing.size, 0);
});

const partOf = (owner: string, items: Part['items'], more: Partial<Part> = {}): Part => ({
  ...{ owner, epoch: 1, told: { sequence: 100, count: items.length, hash: 1 }, after: null, upTo: null, items },
  ...more,
});

const page = (state: CatalogState, nowMs: number, from: string, about: string | null, parts: Part[]): CatalogEffect[] => {
  state.asked.set(about, { to: from, behind: null, endMs: nowMs + 1_000, pages: 1 });
  return step(state, nowMs, {
    type: 'message',
    from,
    message: { type: 'page', owner: about, parts, next: null, settled: true },
  });
};

test('only the owner removes: hearsay adds, and what it says to be gone is asked of the owner', () => {
  const owner = speaker('owner');
  const state = catalogOf();
  state.hasJoined = true;
  step(state, 0, heard('owner', owner.offer(offerOf('a'))));
  page(state, 1, 'liar', 'owner', [partOf('owner', [])]);
  assert.deepEqual(listed(state, 1), ['owner a@1.0.0']);
  const { kind, name, version } = offerOf('a');
  const gone = { sequence: 50, leftMs: 1_000, id: { kind, name, version }, offer: null };
  page(state, 2, 'liar', 'owner', [partOf('owner', [gone])]);
  assert.deepEqual(listed(state, 2), ['owner a@1.0.0']);
  const asked = of(step(state, 2 + 1.25 * settleMs, { type: 'wake' }), 'send');
  assert.deepEqual(
    asked.map(({ to }) => to),
    ['owner'],
  );
  const extra = { sequence: 90, leftMs: 1e9, id: { kind, name: 'invented', version }, offer: offerOf('invented') };
  page(state, 4_000, 'liar', 'owner', [partOf('owner', [extra])]);
  assert.equal(listed(state, 4_000).length, 2, 'hearsay adds …');
  assert.equal(listed(state, 4_000 + ttlMs).length, 0, '… for no longer than any word');
  const [truth] = of(
    step(owner.state, 0, { type: 'message', from: 'self', message: { type: 'ask', owner: 'owner', behind: null } }),
    'send',
  );
  assert.ok(truth?.message.type === 'page');
  page(state, 5_000, 'owner', 'owner', [...truth.message.parts]);
  assert.deepEqual(listed(state, 5_000), ['owner a@1.0.0'], 'until the owner is heard');
  // Hearsay of the very word that the owner said, but with other contents: the owner's hash tells.
  const { sequence } = truth.message.parts[0]!.items[0]!;
  const forged = { sequence, leftMs: 60_000, id: { kind, name, version }, offer: offerOf('a', { tags: ['forged'] }) };
  const young = catalogOf('young');
  young.hasJoined = true;
  const tagsOf = (): string =>
    [...young.owners.get('owner')!.kept.values()].map(({ entry }) => entry?.offer.tags.join()).join();
  page(young, 0, 'liar', null, [partOf('owner', [forged], { told: truth.message.parts[0]!.told })]);
  assert.equal(tagsOf(), 'forged');
  step(young, 1, heard('owner', owner.renew()));
  assert.equal(young.differing.size, 1);
  page(young, 2, 'owner', 'owner', [...truth.message.parts]);
  assert.equal(tagsOf(), '');
  assert.equal(young.differing.size, 0);
  page(young, 3, 'liar', 'owner', [partOf('owner', [forged], { told: truth.message.parts[0]!.told })]);
  assert.equal(tagsOf(), '', 'and is not outdone by it again');
  const prolonged = { sequence, leftMs: 100_000, id: { kind, name, version }, offer: offerOf('a') };
  for (let nowMs = 10_000; nowMs < ttlMs; nowMs += 10_000) page(young, nowMs, 'liar', 'owner', [partOf('owner', [prolonged])]);
  assert.deepEqual([listed(young, 1 + ttlMs).length, listed(young, 2 + ttlMs).length], [1, 0], 'nor prolonged');
  // Its own offers are nobody else's matter.
  step(state, 6_000, { type: 'offer', offer: offerOf('mine') });
  page(state, 6_001, 'liar', 'self', [partOf('self', [])]);
  step(state, 6_002, heard('self', owner.renew(), 7));
  assert.equal(state.own.count, 1);
});

test('a new life of its owner ends what was said before; an old one is not heard; of a later one only the owner tells', () => {
  const [first, second] = [speaker('owner', 1), speaker('owner', 2)];
  const state = catalogOf();
  state.hasJoined = true;
  const old = first.offer(offerOf('old'));
  step(state, 0, heard('owner', old, 1));
  const effects = step(state, 1, heard('owner', second.offer(offerOf('new')), 2));
  assert.deepEqual(
    of(effects, 'changed')[0]?.changes.map(({ why }) => why),
    ['restarted', 'said'],
  );
  step(state, 2, heard('owner', old, 1));
  assert.deepEqual(listed(state, 2), ['owner new@1.0.0']);
  const far = page(state, 3, 'liar', 'owner', [partOf('owner', [], { epoch: 2 + 2 ** 21 })]);
  assert.equal(of(far, 'refused')[0]?.code, 'EPOCH_REFUSED');
  page(state, 4, 'liar', 'owner', [partOf('owner', [], { epoch: 900 })]);
  assert.deepEqual(listed(state, 4), []);
  step(state, 5, { type: 'met', peer: 'owner', epoch: 2 });
  step(state, 6, heard('owner', second.renew(), 2));
  step(state, 7, heard('owner', second.offer(offerOf('newer')), 2));
  assert.deepEqual(listed(state, 7), ['owner newer@1.0.0'], 'its own word ends the lie');
});

test('who leaves takes its offers along, who is thrown out is not heard, who only seems dead keeps them for their time', () => {
  const [a, b] = [speaker('a'), speaker('b')];
  const state = catalogOf();
  const [wordA, wordB] = [a.offer(offerOf('x')), b.offer(offerOf('y'))];
  step(state, 0, { type: 'met', peer: 'a', epoch: 1 });
  step(state, 0, heard('a', wordA));
  step(state, 0, heard('b', wordB));
  step(state, 1, { type: 'lost', peer: 'a' });
  assert.equal(listed(state, 1).length, 2);
  assert.deepEqual(
    of(step(state, 2, { type: 'left', peer: 'a' }), 'changed')[0]?.changes.map(({ why }) => why),
    ['left'],
  );
  step(state, 3, heard('a', wordA));
  assert.deepEqual(listed(state, 3), ['b y@1.0.0']);
  step(state, 3, heard('a', speaker('a', 2).offer(offerOf('x')), 2));
  assert.equal(listed(state, 3).length, 2, 'back in a new life');
  step(state, 4, { type: 'evicted', peer: 'b' });
  assert.equal(of(step(state, 5, heard('b', wordB)), 'refused')[0]?.code, 'NOT_A_MEMBER');
  const ask = { type: 'message', from: 'b', message: { type: 'ask', owner: null, behind: null } } as const;
  assert.deepEqual(
    step(state, 5, ask).map(({ type }) => type),
    ['refused'],
  );
  step(state, 6, { type: 'readmitted', peer: 'b' });
  step(state, 7, heard('b', wordB));
  assert.equal(listed(state, 7).length, 2);
  // In the end nothing is remembered of who is gone.
  step(state, 7 + catalogDefaults.rememberMs, { type: 'wake' });
  step(state, 8 + 2 * catalogDefaults.rememberMs, { type: 'wake' });
  assert.deepEqual([...state.owners.keys()], ['self']);
});

test('that somebody left may be heard after his next life began: once he is a member again he is asked', () => {
  const owner = speaker('owner', 2);
  const state = catalogOf();
  step(state, 0, { type: 'met', peer: 'owner', epoch: 2 });
  step(state, 0, heard('owner', owner.offer(offerOf('a')), 2));
  step(state, 1, { type: 'left', peer: 'owner' });
  step(state, 2, heard('owner', owner.renew(), 2));
  assert.deepEqual(listed(state, 2), []);
  step(state, 3, { type: 'readmitted', peer: 'owner' });
  const asks = of(step(state, 3 + 1.25 * settleMs, { type: 'wake' }), 'send').filter(({ message }) => message.type === 'ask');
  assert.ok(asks.some(({ to }) => to === 'owner'));
  step(state, 10_000, heard('owner', owner.offer(offerOf('b')), 2));
  assert.deepEqual(listed(state, 10_000), ['owner b@1.0.0']);
});

test('an own offer holds for ever and is renewed every 40 s, about; the same again is no news; nothing is renewed of nothing', () => {
  const state = catalogOf();
  const offer = offerOf('mine');
  const [first] = of(step(state, 0, { type: 'offer', offer }), 'announce');
  assert.equal(first?.ttlMs, ttlMs);
  assert.deepEqual(
    step(state, 1, { type: 'offer', offer }).map(({ type }) => type),
    ['offered'],
  );
  let renewals = 0;
  for (let nowMs = 0; nowMs < 10 * renewMs; nowMs = state.deadlineMs) {
    const said = of(step(state, nowMs, { type: 'wake' }), 'announce');
    renewals += said.length;
    for (const { word } of said) assert.deepEqual(word, { type: 'renew', told: first?.word.told });
  }
  assert.ok(renewals >= 8 && renewals <= 13, `${renewals} in ten times`);
  assert.equal(listed(state, 10 * renewMs).length, 1);
  step(state, 500_000, { type: 'withdraw', id: offer });
  for (let nowMs = 500_000; nowMs < 700_000; nowMs = state.deadlineMs)
    assert.deepEqual(of(step(state, nowMs, { type: 'wake' }), 'announce'), []);
  // What was given is a copy.
  const given = { ...offerOf('copied'), tags: ['before'] };
  step(state, 700_000, { type: 'offer', offer: given });
  given.tags[0] = 'after';
  const kept = [...state.own.kept.values()].find(({ id }) => id.name === 'copied');
  assert.deepEqual(kept?.entry?.offer.tags, ['before']);
});

test('what may not be offered is refused by name', () => {
  const deep = (depth: number): unknown => (depth === 0 ? {} : { in: deep(depth - 1) });
  const method = (input: unknown): Offer['methods'] => ({ run: { input, output: null, idempotent: false } as never });
  const cases: [string, unknown][] = [
    ['OFFER_INVALID', null],
    ['OFFER_INVALID', offerOf('has space')],
    ['OFFER_INVALID', offerOf('x'.repeat(129))],
    ['OFFER_INVALID', offerOf('a', { version: 'v1' })],
    ['OFFER_INVALID', offerOf('a', { kind: 'thing' as never })],
    ['OFFER_INVALID', offerOf('a', { methods: { '': method(null).run! } })],
    ['OFFER_INVALID', offerOf('a', { methods: JSON.parse('{"__proto__":{}}') as never })],
    ['OFFER_INVALID', offerOf('a', { methods: method(Number.NaN) })],
    ['OFFER_INVALID', offerOf('a', { methods: method(deep(40)) })],
    ['OFFER_INVALID', offerOf('a', { methods: method(() => 1) })],
    ['OFFER_INVALID', offerOf('a', { methods: method('\ud800') })],
    ['OFFER_INVALID', offerOf('a', { resources: { gpus: -1 } })],
    ['OFFER_INVALID', offerOf('a', { capabilities: ['x', 'x'] })],
    ['OFFER_INVALID', offerOf('a', { tags: ['two\nlines'] })],
    ['OFFER_TOO_LARGE', offerOf('a', { methods: method('x'.repeat(16_000)) })],
  ];
  const state = catalogOf();
  for (const [code, offer] of cases) {
    const effects = step(state, 0, { type: 'offer', offer: offer as Offer });
    assert.deepEqual(
      effects.map((effect) => ('code' in effect ? effect.code : effect.type)),
      [code],
      JSON.stringify(offer),
    );
  }
  assert.equal(of(step(state, 0, { type: 'withdraw', id: offerOf('a') }), 'unoffered')[0]?.code, 'NOT_OFFERED');
  for (let at = 0; at < catalogLimits.ownerOffersMax; at++) step(state, 0, { type: 'offer', offer: offerOf(`s${at}`) });
  assert.equal(of(step(state, 0, { type: 'offer', offer: offerOf('one-more') }), 'unoffered')[0]?.code, 'TOO_MANY_OFFERS');
  assert.equal(of(step(state, 0, { type: 'offer', offer: offerOf('s1', { tags: ['t'] }) }), 'offered').length, 1);
  assert.equal(state.said, catalogLimits.ownerOffersMax + 1);
  for (const options of [{ renewMs: 90_000 }, { rememberMs: 1_000 }, { ttlMs: Number.NaN }])
    assert.throws(
      () =>
        createCatalog({
          ...{ self: 'a', epoch: 1, said: 0, seed: 1, nowMs: 0, checkAll: true },
          options: { ...catalogDefaults, ...options },
        }),
      InvariantBroken,
    );
});

test('one owner fills no more than its part, and all together no more than there is', () => {
  const state = createCatalog({
    ...{ self: 'self', epoch: 1, said: 0, options: catalogDefaults, seed: 1, nowMs: 0, checkAll: false },
  });
  const refusals = new Map<string, number>();
  const say = (source: string, name: string, sequence: number): void => {
    const word: Word = { type: 'offer', told: { sequence, count: 1, hash: 1 }, offer: offerOf(name) };
    for (const { code } of of(step(state, 0, heard(source, word)), 'refused'))
      refusals.set(code, (refusals.get(code) ?? 0) + 1);
  };
  for (let at = 1; at <= 300; at++) say('greedy', `s${at}`, at);
  assert.equal(refusals.get('OWNER_FULL'), 44);
  for (let owner = 0; owner < 64; owner++) for (let at = 1; at <= 256; at++) say(`o${owner}`, `s${at}`, at);
  assert.equal(state.offers, catalogLimits.offersMax);
  assert.equal(refusals.get('CATALOG_FULL'), 256);
  for (let at = 0; at < 5_000; at++)
    step(state, 0, heard(`p${at}`, { type: 'renew', told: { sequence: 1, count: 1, hash: 1 } }));
  assert.equal(state.owners.size, catalogLimits.ownersMax);
  // Large ones are counted in bytes.
  const wide = createCatalog({
    ...{ self: 'self', epoch: 1, said: 0, options: catalogDefaults, seed: 1, nowMs: 0, checkAll: false },
  });
  const large = offerOf('x', { methods: { run: { input: 'x'.repeat(15_000), output: null, idempotent: true } } });
  const codes: string[] = [];
  const sayLarge = (source: string, at: number): void => {
    const word: Word = { type: 'offer', told: { sequence: at, count: 1, hash: 1 }, offer: { ...large, name: `s${at}` } };
    for (const { code } of of(step(wide, 0, heard(source, word)), 'refused')) codes.push(`${code} ${source} ${at}`);
  };
  for (let at = 1; at <= 70; at++) sayLarge('greedy', at);
  wide.bytes = catalogLimits.bytesMax - 10_000;
  sayLarge('late', 1);
  assert.deepEqual(codes, ['OWNER_FULL greedy 70', 'CATALOG_FULL late 1']);
  // Withdrawing is remembered of so many.
  const fresh = catalogOf();
  for (let at = 1; at <= 600; at++) {
    const { kind, name, version } = offerOf(`s${at}`);
    step(
      fresh,
      at,
      heard('owner', { type: 'withdraw', told: { sequence: at, count: 0, hash: 0 }, id: { kind, name, version } }),
    );
  }
  assert.equal(fresh.owners.get('owner')?.kept.size, catalogLimits.ownerOffersMax);
});

test('who asks too much waits, and an answer to nothing is refused', () => {
  const state = catalogOf();
  step(state, 0, { type: 'offer', offer: offerOf('a') });
  const ask = { type: 'message', from: 'keen', message: { type: 'ask', owner: null, behind: null } } as const;
  const answers = Array.from({ length: 20 }, () =>
    step(state, 10, ask)
      .map(({ type }) => type)
      .join(),
  );
  assert.equal(answers.filter((type) => type === 'send').length, catalogLimits.answersPerPeerMax);
  assert.equal(of(step(state, 10, ask), 'refused')[0]?.code, 'ASKS_TOO_MUCH');
  assert.equal(of(step(state, 1_010, ask), 'send').length, 1);
  const unasked = {
    type: 'message',
    from: 'x',
    message: { type: 'page', owner: null, parts: [], next: null, settled: true },
  } as const;
  assert.equal(of(step(state, 1_011, unasked), 'refused')[0]?.code, 'NOT_ASKED');
  step(state, 1_012, { type: 'met', peer: 'asked', epoch: 1 });
  step(state, 2_000, { type: 'wake' });
  assert.equal(state.asked.get(null)?.to, 'asked');
  assert.equal(of(step(state, 2_001, unasked), 'refused')[0]?.code, 'NOT_ASKED', 'another was asked');
  assert.deepEqual(step(state, 2_001, { ...unasked, from: 'asked' }), []);
  assert.equal(state.hasJoined, true);
});

test('a walk that does not lead on, or leads on for ever, is given up; another is asked', () => {
  const state = catalogOf();
  step(state, 0, { type: 'met', peer: 'liar', epoch: 1 });
  let nowMs = 200;
  step(state, nowMs, { type: 'wake' });
  const answer = (owner: string): CatalogEffect[] => {
    const next = { owner, id: null };
    const message = { type: 'page', owner: null, parts: [], settled: true, next } as const;
    return of(step(state, nowMs, { type: 'message', from: 'liar', message }), 'send');
  };
  let pages = 1;
  while (answer(`x${String(pages).padStart(6, '0')}`).length > 0) pages++;
  assert.equal(pages, catalogLimits.walkPagesMax);
  assert.equal(state.hasJoined, false);
  nowMs += 10_000;
  step(state, nowMs, { type: 'wake' });
  assert.equal(answer('x').length, 1);
  assert.equal(answer('x').length, 0, 'the same place again');
  assert.equal(state.hasJoined, false);
});

test('every word and message comes through the wire as it was; damaged and invented ones are refused, never thrown', () => {
  const owner = speaker('owner');
  const offer = offerOf('deep/name.x', {
    ...{ version: '1.2.3-rc.1+b', resources: { gpus: 2, disk: 'ssd' }, capabilities: ['a b'], tags: ['ü'] },
    methods: { 'get-all': { input: { a: [1, null, true, 'x'] }, output: {}, idempotent: false } },
  });
  const words = [owner.offer(offer), owner.renew(), owner.withdraw(offer)];
  for (const word of words) assert.deepEqual(parseWord(formWord(word)), { ok: true, word });
  owner.offer(offer);
  owner.offer(offerOf('other'));
  const pageOf = of(
    step(owner.state, 1, { type: 'message', from: 'x', message: { type: 'ask', owner: null, behind: null } }),
    'send',
  );
  const messages = [
    ...[pageOf[0]!.message, { type: 'ask', owner: 'o', behind: { owner: 'o', id: 'a service 1.0.0' } } as const],
    { type: 'page', owner: null, parts: [], next: { owner: 'z', id: null }, settled: false } as const,
  ];
  for (const message of messages)
    assert.deepEqual(parseCatalogMessage(JSON.parse(JSON.stringify(formCatalogMessage(message)))), { ok: true, message });
  const damaged = fc.tuple(fc.constantFrom(...words), fc.nat(), fc.integer({ min: 0, max: 255 }));
  fc.assert(
    fc.property(damaged, ([word, at, byte]) => {
      const bytes = formWord(word).slice();
      bytes[at % bytes.length] = byte;
      parseWord(bytes);
    }),
    { numRuns: 500 },
  );
  fc.assert(
    fc.property(fc.json(), (text) => void parseWord(utf8(text))),
    { numRuns: 200 },
  );
  const forms = messages.map((message) => JSON.stringify(formCatalogMessage(message)));
  const cut = fc.tuple(fc.constantFrom(...forms), fc.nat(), fc.constantFrom('null', '-1', '"x"', '[]', '{}', '1e9', '0.5'));
  fc.assert(
    fc.property(cut, ([text, at, put]) => {
      const tokens = text.match(/"(?:[^"\\]|\\.)*"|[\d.]+|null|true|false|[[\]{},:]/g)!;
      const place = at % tokens.length;
      if (/^[[\]{},:]$/.test(tokens[place]!)) return;
      const isKey = tokens[place + 1] === ':';
      tokens[place] = isKey ? '"k"' : put;
      parseCatalogMessage(JSON.parse(tokens.join('')));
    }),
    { numRuns: 500 },
  );
  for (const bytes of [new Uint8Array(), new Uint8Array([0xff]), utf8('['.repeat(9_000)), utf8('[1,[0,0,0],["service"]]')])
    assert.equal(parseWord(bytes).ok, false);
  const whole = formCatalogMessage(pageOf[0]!.message) as [number, null, unknown[][]];
  whole[2][0]![5] = [...(whole[2][0]![5] as unknown[])].reverse();
  assert.equal(parseCatalogMessage(whole).ok, false, 'items out of order');
});
