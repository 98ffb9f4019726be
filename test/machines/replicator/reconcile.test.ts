import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { childOf, type Path, type Place, placeOf, root } from '../../../machines/replicator/places.ts';
import {
  type Answer,
  fetchObjects,
  formRepairMessage,
  onRepairMessage,
  parseRepairMessage,
  type RepairMessage,
  repairLimits,
} from '../../../machines/replicator/reconcile.ts';
import { pack, unpack } from '../../../machines/wire/envelope.ts';
import { RepairWorld, ToyStore } from './repair-world.ts';

/** Spreads keys as a hash does, for a hundredth of its price. */
const spread = (key: string): Place => {
  let high = 0x811c_9dc5;
  for (let at = 0; at < key.length; at++) high = Math.imul(high ^ key.charCodeAt(at), 0x0100_0193);
  high = Math.imul(high ^ (high >>> 16), 0x85eb_ca6b);
  high = Math.imul(high ^ (high >>> 13), 0xc2b2_ae35);
  return { high: (high ^ (high >>> 16)) >>> 0, low: Math.imul(high, 0x9e37_79b1) >>> 0 };
};

const filled = (count: number, options: ConstructorParameters<typeof ToyStore>[0] = {}): ToyStore => {
  const store = new ToyStore({ placeOf: spread, ...options });
  for (let n = 0; n < count; n++) store.add(`k${n}`, 1);
  store.trie.renew();
  return store;
};

const converged = (...stores: ToyStore[]): void => {
  const [first, ...others] = stores;
  for (const other of others) assert.deepEqual(first!.unlike(other), []);
};

/** A world of two, with so many objects on both sides. */
const pair = (count = 0): { world: RepairWorld; a: ToyStore; b: ToyStore } => {
  const [a, b] = [filled(count), filled(count)];
  return { world: new RepairWorld({ a, b }), a, b };
};

describe('what an exchange costs, of 100 000 objects of 100 bytes', () => {
  const [a, b] = [filled(100_000, { valueBytes: 96 }), filled(100_000, { valueBytes: 96 })];
  const world = new RepairWorld({ a, b });

  test('stores that are the same: two messages', () => {
    assert.deepEqual(world.exchange('a', 'b'), { outcome: 'same', bytes: 55, messages: 2 });
  });

  test('one difference, whoever has what: less than a kilobyte', () => {
    const changes: [string, () => unknown][] = [
      ['a is ahead', () => a.add('k7', 2)],
      ['b is ahead', () => b.add('k8', 2)],
      ['a alone has it', () => a.add('only-a', 2)],
      ['b alone has it', () => b.add('only-b', 2)],
      ['both went on', () => [a.add('k9', 2), b.add('k9', 4)]],
    ];
    for (const [name, change] of changes) {
      change();
      const { outcome, bytes, messages } = world.exchange('a', 'b');
      assert.equal(outcome, 'repaired', name);
      assert.ok(bytes < 1_000 && messages <= 10, `${name}: ${bytes} bytes, ${messages} messages`);
    }
    assert.equal(world.exchange('a', 'b').outcome, 'same');
  });

  test('a hundred differences: less than 40 kB', () => {
    for (let n = 0; n < 100; n++) {
      const key = `k${n * 997 + 13}`;
      if (n % 4 === 0) a.add(key, 2);
      if (n % 4 === 1) b.add(key, 4);
      if (n % 4 === 2) a.drop(key);
      if (n % 4 === 3) b.drop(key);
    }
    const before = process.cpuUsage();
    const { outcome, bytes, messages } = world.exchange('a', 'b');
    const { user, system } = process.cpuUsage(before);
    assert.equal(outcome, 'repaired');
    assert.ok(bytes > 30_000 && bytes < 40_000 && messages <= 12, `${bytes} bytes, ${messages} messages`);
    assert.ok(user + system < 1_000_000, `${user + system} µs of processor time`);
    assert.equal(world.exchange('b', 'a').outcome, 'same');
    assert.equal(a.trie.size, 100_002);
  });
});

describe('an exchange', () => {
  test('to an empty store brings everything, in pages, a few under way; and from it', () => {
    for (const [from, to] of [
      ['a', 'b'],
      ['b', 'a'],
    ] as const) {
      const [a, b] = [filled(3_000, { valueBytes: 100 }), filled(0, { valueBytes: 100 })];
      const world = new RepairWorld({ a, b });
      const { outcome, bytes } = world.exchange(from, to);
      assert.equal(outcome, 'repaired');
      converged(a, b);
      assert.ok(bytes < 3_000 * 180, `${bytes} bytes`);
      assert.ok(world.largest <= repairLimits.pageBytes, `${world.largest} bytes in a message`);
      assert.ok(world.messages < 150, `${world.messages} messages`);
    }
  });

  test('of which both began one at the same moment ends as one', () => {
    const { world, a, b } = pair(100);
    a.add('x', 1);
    b.add('y', 1);
    world.begin('a', 'b');
    world.begin('b', 'a');
    world.settle();
    assert.deepEqual(world.ended.map(({ at, outcome }) => [at, outcome]).sort(), [
      ['a', 'repaired'],
      ['b', 'yielded'],
    ]);
    converged(a, b);
  });

  test('is no worse for objects that change all the while: it ends, and the next one repairs', () => {
    const { world, a, b } = pair(300);
    for (let n = 0; n < 200; n++) a.add(`k${n}`, 2);
    let bit = 2;
    b.meanwhile = (key) => b.add(key, 1 << (bit = 2 + ((bit + 1) % 20)));
    a.meanwhile = (key) => a.add(key, 1 << (22 + (key.length % 4)));
    world.exchange('a', 'b');
    assert.ok(world.ended.at(-1)!.counts.asks < 100);
    [a.meanwhile, b.meanwhile] = [() => {}, () => {}];
    world.exchange('b', 'a');
    assert.equal(world.exchange('a', 'b').outcome, 'same');
    converged(a, b);
  });

  test('takes an object that is larger than a page alone, and counts one that cannot travel', () => {
    const { world, a, b } = pair();
    const small = a.padding;
    a.padding = new Uint8Array(2 * repairLimits.pageBytes);
    for (const key of ['large-1', 'large-2', 'large-3']) a.add(key, 1);
    assert.equal(world.exchange('a', 'b').outcome, 'repaired');
    assert.equal(b.objects.size, 3);
    assert.ok(world.largest < 2.1 * repairLimits.pageBytes);
    a.padding = new Uint8Array(repairLimits.formBytesMax);
    a.add('too-large', 1);
    for (const [from, to] of [
      ['a', 'b'],
      ['b', 'a'],
    ] as const)
      assert.equal(world.exchange(from, to).outcome, 'repaired');
    assert.equal(b.objects.size, 3);
    assert.ok(world.ended.some(({ counts }) => counts.oversized > 0));
    a.padding = small;
  });

  test('fetches objects by name, gives back what the peer lacks of them, and leaves the others', () => {
    const { world, a, b } = pair(500);
    b.add('k1', 2);
    b.add('k2', 2);
    a.add('k2', 4);
    b.add('new', 2);
    b.add('k3', 2);
    world.act('a', (state, turn) => assert.ok(fetchObjects(state, turn, 'b', ['k1', 'k2', 'new', 'nowhere'])));
    world.settle();
    const { outcome, counts } = world.ended.at(-1)!;
    assert.deepEqual([outcome, counts.received, counts.given, counts.unpromised], ['repaired', 3, 1, 0]);
    assert.ok(world.messages === 4 && world.bytes < 400, `${world.bytes} bytes in ${world.messages} messages`);
    assert.deepEqual(a.unlike(b), ['k3: 1, 3']);
    // Along with an exchange that waits or is under way.
    for (const begun of [0, 1]) {
      b.add(`k${begun}`, 8);
      if (begun === 0) a.add('k9', 2);
      world.begin('a', 'b');
      world.act('a', (state, turn) => assert.ok(fetchObjects(state, turn, 'b', [`k${begun}`])));
      world.settle();
      converged(a, b);
    }
    world.act('a', (state, turn) => {
      assert.equal(fetchObjects(state, turn, 'a', ['k1']), false);
      assert.equal(fetchObjects(state, turn, 'b', []), false);
      assert.equal(fetchObjects(state, turn, 'b', Array(repairLimits.fetchedMax + 1).fill('k1')), false);
      assert.equal(state.exchanges.size, 0);
    });
  });

  test('does not bring back what was removed for good, nor go on about it', () => {
    const { world, a } = pair(300);
    for (let n = 0; n < 50; n++) {
      a.drop(`k${n}`);
      a.buried.add(`k${n}`);
    }
    for (const [from, to] of [
      ['a', 'b'],
      ['b', 'a'],
    ] as const) {
      const { outcome, messages } = world.exchange(from, to);
      assert.ok(outcome === 'repaired' && messages <= 10, `${outcome} in ${messages} messages`);
      assert.equal(a.objects.size, 250);
    }
    assert.deepEqual(
      world.ended.map(({ counts }) => [counts.unwanted, counts.refused, counts.unequal]),
      [
        [50, 0, 0],
        [0, 0, 0],
      ],
    );
  });

  test('begins when digests are made, a share a turn, whoever lacks them', () => {
    const { world, a, b } = pair(2_500);
    for (const changed of [a, b]) {
      for (const key of [...changed.objects.keys()]) changed.add(key, changed === a ? 2 : 4);
      world.begin('a', 'b');
      world.settle();
      assert.equal(world.ended.at(-1)!.outcome, 'repaired');
      assert.ok(world.nowMs >= 2_000);
      world.nowMs = 0;
      converged(a, b);
    }
  });

  test('begins and finds something though everything changes at every turn, with the digests that there are', () => {
    const { world, a, b } = pair(3_000);
    for (let turn = 0; turn < 20; turn++) {
      for (const store of [a, b]) for (const key of store.objects.keys()) store.add(key, 1 << (turn + 1));
      if (turn === 0) world.begin('a', 'b');
      if (turn === 1) a.add('only-a', 1);
      world.wait(10);
      // Before anybody finds the time to make all digests.
      while (world.letters.length > 0) world.deliver(world.letters.shift()!);
    }
    assert.ok(world.ended.length > 0 && b.objects.has('only-a'));
  });
});

describe('stores converge', () => {
  const changes = fc.array(fc.record({ at: fc.nat(2), key: fc.nat(400), bit: fc.nat(5), drop: fc.nat(9) }), {
    maxLength: 300,
    size: 'max',
  });
  const crowded = (key: string): Place => {
    const { high, low } = placeOf(key);
    return { high: (high & 0x0001_0003) >>> 0, low: low & 1 };
  };

  for (const [name, place] of [
    ['spread places', spread],
    ['places that several keys share', crowded],
  ] as const)
    test(`three of them, though messages are lost, repeated, reordered, and nodes restart: ${name}`, () => {
      fc.assert(
        fc.property(changes, fc.nat(150), fc.integer(), (steps, shared, seed) => {
          const stores = {
            a: filled(shared, { placeOf: place }),
            b: filled(shared, { placeOf: place }),
            c: filled(0, { placeOf: place }),
          };
          const world = new RepairWorld(stores, seed);
          for (const { at, key, bit, drop } of steps) {
            const store = Object.values(stores)[at]!;
            if (drop === 0) store.drop(`k${key}`);
            else store.add(`k${key}`, 1 << bit);
          }
          [world.lost, world.repeated, world.reorders] = [15, 20, true];
          for (let round = 0; round < 6; round++) {
            for (const [from, to] of [
              ['a', 'b'],
              ['b', 'c'],
              ['c', 'a'],
              ['b', 'a'],
            ] as const)
              world.begin(from, to);
            world.settle(round === 2 ? 5 : undefined, false);
            if (round === 2) world.join('b', stores.b);
          }
          [world.lost, world.repeated] = [0, 0];
          world.settle();
          for (const [from, to] of [
            ['a', 'b'],
            ['b', 'c'],
            ['c', 'a'],
            ['a', 'b'],
          ] as const)
            assert.match(world.exchange(from, to).outcome, /same|repaired/);
          converged(stores.a, stores.b, stores.c);
          for (const [from, to] of [
            ['b', 'a'],
            ['c', 'b'],
          ] as const)
            assert.equal(world.exchange(from, to).outcome, 'same');
        }),
        { numRuns: 8 },
      );
    });

  test('with bytes that follow the differences, and the logarithm of the data', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_500 }), fc.integer({ min: 1, max: 60 }), (count, differences) => {
        const { world, a, b } = pair(count);
        for (let n = 0; n < differences; n++) (n % 2 === 0 ? a : b).add(n % 3 === 0 ? `k${n % count}` : `new${n}`, 2);
        const { outcome, bytes } = world.exchange('a', 'b');
        assert.equal(outcome, 'repaired');
        converged(a, b);
        const levels = 1 + Math.log(count) / Math.log(16);
        assert.ok(bytes < 400 + differences * (60 + 150 * levels), `${bytes} bytes: ${differences} of ${count}`);
      }),
      { numRuns: 20 },
    );
  });
});

describe('a peer that lies', () => {
  /** Begins from a, and lets a test write the answers of b. */
  const answering = (count: number, write: (answer: Answer, ask: RepairMessage) => Partial<Answer>): RepairWorld => {
    const { world, a } = pair(count);
    a.add('x', 2);
    world.begin('a', 'b');
    for (let step = 0; step < 200 && world.letters.length > 0; step++) {
      const letter = world.letters.shift()!;
      const message = parseRepairMessage(unpack(letter.bytes))!;
      if (message.type !== 'ask') {
        world.deliver(letter);
        continue;
      }
      const empty = { exchange: message.exchange, ask: message.ask, statementsDone: message.statements.length };
      const answer: Answer = {
        type: 'answer',
        ...empty,
        statements: [],
        wantsDone: message.wants.length,
        states: [],
        held: [],
      };
      world.post('b', 'a', { ...answer, ...write(answer, message) });
    }
    return world;
  };
  const outcomeOf = (world: RepairWorld): string | undefined => world.ended.at(-1)?.outcome;
  const far = childOf(childOf(root, 3), 3);

  test('says what was not asked, too much or nothing, and is heard no further', () => {
    const lies: Partial<Answer>[] = [
      { statementsDone: 0 },
      { statementsDone: 2 },
      { wantsDone: 1 },
      { held: [new Uint8Array(6)] },
      { states: [['never-wanted', new Uint8Array(12)]] },
      { statements: [{ type: 'items', path: far, items: [] }] },
      {
        statements: [
          { type: 'items', path: root, items: [] },
          { type: 'items', path: root, items: [] },
        ],
      },
    ];
    for (const lie of lies) {
      const world = answering(50, () => lie);
      assert.equal(outcomeOf(world), 'refused', JSON.stringify(lie));
      assert.equal(world.stores.get('a')!.objects.has('never-wanted'), false);
    }
  });

  test('has no end of branches, and costs a bounded number of asks', () => {
    const everything = Array.from({ length: 16 }, (_, index) => new Uint8Array(6).fill(index + 1));
    const world = answering(50, (_, ask) => {
      const paths = (ask.type === 'ask' ? ask.statements : []).map((said): Path => (said.type === 'whole' ? root : said.path));
      const taken = paths.filter(({ depth }) => depth < 16).slice(0, 500);
      const statements = taken.map((path) => ({ type: 'inner', path, shorts: everything }) as const);
      return { statements, statementsDone: Math.min(paths.length, Math.max(taken.length, 1)) };
    });
    assert.equal(outcomeOf(world), 'cut');
  });

  test('answers an exchange that is over, or another one: nobody listens', () => {
    const { world, a } = pair(10);
    a.add('x', 1);
    world.exchange('a', 'b');
    const answer: Answer = {
      type: 'answer',
      exchange: 1,
      ask: 0,
      statementsDone: 1,
      statements: [],
      wantsDone: 0,
      states: [],
      held: [],
    };
    for (const message of [answer, { type: 'busy', exchange: 1 } as const]) {
      world.act('a', (state, turn) => onRepairMessage(state, turn, 'b', message));
      world.begin('a', 'b');
      world.act('a', (state, turn) => onRepairMessage(state, turn, 'b', message));
      assert.equal(world.side('a').exchanges.size, 1);
      world.settle();
      assert.equal(outcomeOf(world), 'same');
    }
  });

  test('promises one state and sends another: what is here stands for what is here, and the next exchange finds the rest', () => {
    const { world, a, b } = pair(50);
    b.add('k7', 6);
    world.begin('a', 'b');
    while (world.letters.length > 0) {
      const letter = world.letters.shift()!;
      const message = parseRepairMessage(unpack(letter.bytes))!;
      if (message.type === 'answer' && message.states.length > 0) {
        const older = a.formOf('k7')!;
        world.post('b', 'a', { ...message, states: [['k7', older]] });
        world.letters.splice(0, world.letters.length - 1);
        world.deliver(world.letters.shift()!);
      } else world.deliver(letter);
    }
    assert.deepEqual([outcomeOf(world), world.ended.at(-1)!.counts.unpromised], ['repaired', 1]);
    assert.equal(a.objects.get('k7')!.bits, 1);
    assert.equal(world.exchange('a', 'b').outcome, 'repaired');
    converged(a, b);
  });

  test('sends states that are none, or refuses ours: counted, and the others are repaired', () => {
    for (const [from, to] of [
      ['a', 'b'],
      ['b', 'a'],
    ] as const) {
      const { world, a, b } = pair(50);
      for (let n = 0; n < 200; n++) b.add(`new${n}`, 1);
      a.refuses = (key) => key.startsWith('new') && Number(key.slice(3)) < 90;
      assert.equal(world.exchange(from, to).outcome, 'repaired');
      assert.equal(world.ended.at(-1)!.counts.refused, 90);
      assert.equal(a.objects.size, 160);
      a.refuses = () => false;
      assert.equal(world.exchange('b', 'a').outcome, 'repaired');
      converged(a, b);
    }
  });

  test('falls silent: the exchange ends in time', () => {
    const { world, a } = pair(50);
    a.add('x', 1);
    world.lost = 100;
    world.begin('a', 'b');
    world.wait(repairLimits.exchangeTimeoutMs - 1);
    assert.equal(world.side('a').exchanges.size, 1);
    world.wait(1);
    assert.equal(outcomeOf(world), 'silent');
  });

  test('is one of too many: the others wait until somebody made room', () => {
    const store = filled(10);
    const world = new RepairWorld({ hub: store });
    for (let n = 0; n <= repairLimits.servedMax; n++) world.join(`p${n}`, filled(10));
    for (let n = 0; n < repairLimits.servedMax; n++) assert.equal(world.exchange(`p${n}`, 'hub').outcome, 'same');
    const last = `p${repairLimits.servedMax}`;
    assert.equal(world.exchange(last, 'hub').outcome, 'busy');
    world.wait(repairLimits.servedIdleMs);
    assert.equal(world.exchange(last, 'hub').outcome, 'same');
    for (let n = 0; n < 10; n++) world.begin('hub', `p${n}`);
    assert.equal(world.side('hub').exchanges.size, repairLimits.exchangesMax);
  });
});

describe('messages', () => {
  const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });
  const path: fc.Arbitrary<Path> = fc
    .array(fc.nat(15), { maxLength: 15 })
    .map((nibbles) => nibbles.reduce((at, index) => childOf(at, index), root));
  const statement = fc.oneof(
    fc.record({
      type: fc.constant('inner' as const),
      path,
      shorts: fc.array(fc.option(bytes(6)), { minLength: 16, maxLength: 16 }),
    }),
    fc
      .record({ type: fc.constant('items' as const), path, shorts: fc.array(bytes(6), { maxLength: 5 }) })
      .map(({ type, path, shorts }) => ({
        type,
        path,
        items: shorts.map((short) => ({ place: { high: path.high, low: path.low }, short })),
      })),
  );
  const statements = fc.array(statement, { maxLength: 6 });
  const states = fc.array(fc.tuple(fc.string({ minLength: 1, maxLength: 9 }), fc.uint8Array({ maxLength: 9 })), {
    maxLength: 4,
  });
  const count = fc.nat(2 ** 31);
  const place = fc.record({ high: fc.nat(0xffff_ffff), low: fc.nat(0xffff_ffff) });
  const whole = fc.record({ type: fc.constant('whole' as const), digest: bytes(16) });
  const message: fc.Arbitrary<RepairMessage> = fc.oneof(
    fc.record({
      ...{ type: fc.constant('ask' as const), exchange: count, ask: fc.constant(0), salt: bytes(8) },
      ...{ statements: fc.tuple(whole), wants: fc.constant([]), states: fc.constant([]) },
    }),
    fc.record({
      ...{ type: fc.constant('ask' as const), exchange: count, ask: fc.integer({ min: 1, max: 9_999 }), salt: bytes(8) },
      ...{ statements, wants: fc.array(place, { maxLength: 5 }), states },
    }),
    fc.record({
      ...{ type: fc.constant('answer' as const), exchange: count, ask: count, statementsDone: count, wantsDone: count },
      ...{ statements, states, held: fc.array(bytes(6), { maxLength: 5 }) },
    }),
    fc.record({ type: fc.constant('busy' as const), exchange: count }),
  );
  const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

  test('arrive as they were sent', () => {
    fc.assert(
      fc.property(message, (sent) => {
        assert.deepEqual(plain(parseRepairMessage(unpack(pack(formRepairMessage(sent)).slice()))), plain(sent));
      }),
      { numRuns: 200 },
    );
  });

  test('that are damaged are none, or still messages within their limits; nothing is thrown', () => {
    const damage = fc.record({ at: fc.nat(400), to: fc.nat(255) });
    fc.assert(
      fc.property(message, fc.array(damage, { minLength: 1, maxLength: 4 }), (sent, damages) => {
        const form = formRepairMessage(sent) as unknown[];
        for (const { at, to } of damages) {
          const field = form[at % form.length];
          if (field instanceof Uint8Array && field.byteLength > 0) field[at % field.byteLength] = to;
          else form[at % form.length] = to % 3 === 0 ? -to : to % 3 === 1 ? 'x' : [to];
        }
        const { world } = pair(20);
        const parsed = parseRepairMessage(form);
        if (parsed !== null) world.act('a', (state, turn) => onRepairMessage(state, turn, 'b', parsed));
        assert.ok(world.letters.length <= 1);
      }),
      { numRuns: 100 },
    );
    for (const value of [null, 7, 'ask', [], [3, 1], [2, -1], [2, 1.5], [0, 1, 2], { length: 7 }])
      assert.equal(parseRepairMessage(value), null);
  });

  test('are refused beyond their limits', () => {
    const fit = (wants: number, key: string): unknown => [
      0,
      1,
      1,
      new Uint8Array(8),
      new Uint8Array(),
      new Uint8Array(8 * wants),
      [[key, new Uint8Array()]],
    ];
    assert.notEqual(parseRepairMessage(fit(repairLimits.wantsPerAskMax, 'k')), null);
    assert.equal(parseRepairMessage(fit(repairLimits.wantsPerAskMax + 1, 'k')), null);
    assert.equal(parseRepairMessage(fit(0, '')), null);
    assert.equal(parseRepairMessage(fit(0, 'k'.repeat(repairLimits.nameBytesMax + 1))), null);
  });
});
