// What entries make of replicated actors, and that it does not matter when a replica gets the code: the fold gives the same.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { applyItems, catchUpSome, dumpOf, marksOf, removalOf } from '../../../machines/entity/ledger.ts';
import { answerIn } from '../../../machines/entity/ledger-answers.ts';
import { persistedOf } from '../../../machines/entity/ledger-fold.ts';
import { decodeItems, encodeItems } from '../../../machines/entity/ledger-items.ts';
import { versionsOf } from '../../../machines/entity/ledger-store.ts';
import { type Divergence, type LedgerItem, ledgerLimits } from '../../../machines/entity/ledger-types.ts';
import { errorTable } from '../../../machines/errors.ts';
import { unpack } from '../../../machines/wire/envelope.ts';
import {
  type At,
  asked,
  created,
  createLedgerReplica,
  event,
  type LedgerReplica,
  packed,
  shown,
  stateOf,
} from './ledger-replica.ts';

const cart = 'cart/c1';

const story = (replica: LedgerReplica = createLedgerReplica()) => {
  const at: At = { index: 0, timeMs: 1_000 };
  return {
    replica,
    at,
    say(...items: LedgerItem[]) {
      at.index++;
      return replica.apply(items, at);
    },
    record: () => replica.look(cart)!,
    state: () => stateOf(replica.look(cart)) as { sum: number; told: string[] },
  };
};

const codeOf = (outcome: { type: string; failure?: { code: string } } | undefined): string =>
  outcome?.type === 'refused' ? outcome.failure!.code : (outcome?.type ?? 'none');

test('events of one entry are taken in order, each once for its delivery id, and a snapshot of each is told', () => {
  const { say, state, record } = story();
  assert.equal(codeOf(say(event(cart, 'add'))[0]), 'ACTOR_STOPPED');
  const outcomes = say(
    created(cart),
    event(cart, 'add', { by: 2 }, 'a'),
    event(cart, 'add', { by: 3 }, 'a'),
    event(cart, 'add'),
  );
  assert.deepEqual(outcomes.map(codeOf), ['ok', 'ok', 'again', 'ok']);
  assert.deepEqual(
    outcomes.map((one) => (one.type === 'ok' ? (one.snapshot as { sum: number } | null)?.sum : null)),
    [0, 2, null, 3],
  );
  assert.equal(state().sum, 3);
  assert.deepEqual(say(created(cart), event(cart, 'add', {}, 'a')).map(codeOf), ['ok', 'again']);
  assert.equal(record().seq, 3);
});

test('a delivery id is forgotten by log time, and by a thousand others', () => {
  const { say, at, state } = story();
  say(created(cart), event(cart, 'add', {}, 'first'));
  at.timeMs += ledgerLimits.windowMs - 1;
  assert.equal(codeOf(say(event(cart, 'add', {}, 'first'))[0]), 'again');
  at.timeMs += 1;
  assert.equal(codeOf(say(event(cart, 'add', {}, 'first'))[0]), 'ok');
  say(...Array.from({ length: ledgerLimits.windowMax - 1 }, (_, n) => event(cart, 'add', { by: 0 }, `n${n}`)));
  assert.equal(codeOf(say(event(cart, 'add', {}, 'first'))[0]), 'again');
  say(event(cart, 'add', { by: 0 }, 'one more'));
  assert.equal(codeOf(say(event(cart, 'add', {}, 'first'))[0]), 'ok');
  assert.equal(state().sum, 3);
});

test('a throw leaves the state as it was, is told again to who asks again, and ends it after too many', () => {
  const { say, at, state, record } = story();
  say(created(cart), event(cart, 'add'));
  assert.equal(codeOf(say(event(cart, 'fail', {}, 'f'))[0]), 'ACTOR_FAILED');
  assert.deepEqual(say(event(cart, 'fail', {}, 'f'))[0], { type: 'again', seq: 3, failed: 'ACTOR_FAILED' });
  assert.equal(state().sum, 1);
  at.timeMs += 2_000;
  say(event(cart, 'fail'), event(cart, 'fail'), event(cart, 'fail'));
  assert.equal(record().standing, 'active');
  assert.equal(codeOf(say(event(cart, 'fail'))[0]), 'ACTOR_FAILED');
  assert.equal(record().standing, 'failed');
  assert.equal(codeOf(say(event(cart, 'add'))[0]), 'ACTOR_FAILED');
  assert.equal(state().sum, 1);
});

test('effects wait until they are done, timers ring once, answers count for the very thing that was invoked', () => {
  const { say, at, state, record } = story();
  say(created(cart), event(cart, 'act', { name: 'mail' }), event(cart, 'later', { name: 't', by: 50 }));
  const [effect] = [...record().outbox.values()];
  assert.deepEqual([effect?.index, record().timers.get('t')?.dueMs], [1, 1_050]);
  assert.equal(record().timers.get('t')?.set, 3);
  assert.equal(codeOf(say({ kind: 'timer', actor: cart, id: 't', set: 2 })[0]), 'ignored');
  const ring: LedgerItem = { kind: 'timer', actor: cart, id: 't', set: 3 };
  // The clock of who proposed it went back before it was in the log.
  at.timeMs = 1_049;
  assert.equal(codeOf(say(ring)[0]), 'ignored');
  at.timeMs = 1_050;
  assert.deepEqual(say(ring, ring).map(codeOf), ['ok', 'ignored']);
  assert.deepEqual(state().told, ['act', 'later', 'fired t']);
  say({ kind: 'done', actor: cart, effects: [effect!] });
  assert.equal(record().outbox.size, 0);

  say(event(cart, 'invoke', { name: 'pay' }));
  const of = { ...record().invoked.get('pay')! };
  say(event(cart, 'cancel', { name: 'pay' }), event(cart, 'invoke', { name: 'pay' }));
  const answer: LedgerItem = { kind: 'answer', actor: cart, path: 'pay', of, answer: packed({ type: 'done', output: 1 }) };
  assert.equal(codeOf(say(answer)[0]), 'ignored');
  const now = record().invoked.get('pay')!;
  assert.deepEqual(say({ ...answer, of: now }, { ...answer, of: now }).map(codeOf), ['ok', 'ignored']);
  assert.equal(record().invoked.size, 0);
});

test('what was read of a state stays as it was, whatever comes next', () => {
  const { say, record } = story();
  // As long as the next: it goes to the same place.
  say(created(cart), ...Array.from({ length: 5 }, () => event(cart, 'keep', { by: 1 })));
  const before = persistedOf(record()) as { spare: Uint8Array };
  say(event(cart, 'keep', { by: 2 }));
  assert.deepEqual([...before.spare], Array(8).fill(1));
  say(event(cart, 'fail'), event(cart, 'add'));
  const after = persistedOf(record()) as { spare: Uint8Array; sum: number };
  assert.deepEqual([after.sum, ...after.spare], [1, ...Array(8).fill(2)]);
});

test('what was under way under a lost leader fails, or the actor is asked, once', () => {
  const { say, state, record } = story();
  say(created(cart), event(cart, 'invoke', { name: 'a' }), event(cart, 'invoke', { name: 'b' }));
  const [a, b] = [record().invoked.get('a')!, record().invoked.get('b')!];
  say({ kind: 'interrupt', actor: cart, path: 'a', of: a, how: 'fail' });
  const ask: LedgerItem = { kind: 'interrupt', actor: cart, path: 'b', of: b, how: 'ask' };
  assert.deepEqual(say(ask, ask).map(codeOf), ['ok', 'ignored']);
  assert.deepEqual(state().told.slice(2), ['error a', 'polity.interrupted']);
  assert.deepEqual([...record().invoked.keys()], ['b']);
});

test('it has limits, and whoever goes beyond them is told by name', () => {
  const { say, state } = story();
  say(created(cart), event(cart, 'add'));
  const [outcome] = say(event(cart, 'fill', { size: ledgerLimits.bytesMax }));
  assert.equal(codeOf(outcome), 'TOO_LARGE');
  assert.match(outcome?.type === 'refused' ? outcome.failure.message : '', /bytes of the actor: \d+, at most/);
  const acts = Array.from({ length: ledgerLimits.outboxMax + 1 }, () => event(cart, 'act'));
  assert.deepEqual(
    say(...acts)
      .map(codeOf)
      .slice(-2),
    ['ok', 'TOO_LARGE'],
  );
  // Under the same id there is no other answer, so whoever is told should not try again.
  assert.equal(errorTable.TOO_LARGE.retryable, false);
  assert.equal(state().sum, 1);
  assert.equal(decodeItems(Uint8Array.of(9)), null);
});

test('removed, it is made anew; its delivery ids are remembered until their time is over, then nothing is left', () => {
  const { say, at, replica } = story();
  say(created(cart), event(cart, 'add', {}, 'a'), removalOf(cart, null));
  assert.equal(replica.look(cart), null);
  assert.deepEqual(say(event(cart, 'add'), created(cart), event(cart, 'add', {}, 'a')).map(codeOf), [
    ...['ACTOR_STOPPED', 'ok', 'again'],
  ]);
  say(removalOf(cart, replica.look(cart)));
  replica.flush();
  at.timeMs += ledgerLimits.windowMs;
  say(event('cart/other', 'add'));
  replica.flush();
  assert.equal(replica.ledger.store.actors, 0);
  assert.equal(replica.ledger.store.versions.size, 0);
  assert.deepEqual(replica.keyspace.records(), []);
  say(created(cart), event(cart, 'add', {}, 'a'));
  assert.equal(replica.look(cart)?.seq, 2);
});

test('removed and made anew, what was delivered before is told what came of it, and is not done again', () => {
  const { say, state, record } = story();
  say(created(cart), asked(cart, 'add', {}, 'done'), event(cart, 'fail', {}, 'failed'));
  // Who removes it has not heard of the last one.
  const removal = removalOf(cart, record());
  say(event(cart, 'fail', {}, 'late'), removal);
  const before = ['done', 'failed', 'late'].map((id) => asked(cart, 'add', {}, id));
  assert.deepEqual(say(created(cart), ...before).slice(1), [
    { type: 'again', seq: 0, failed: null },
    { type: 'again', seq: 0, failed: 'ACTOR_FAILED' },
    { type: 'again', seq: 0, failed: 'OUTCOME_UNKNOWN' },
  ]);
  assert.equal(state().sum, 0);
  // Of another life still, whatever is made, dumped or removed since.
  const { seq, dump } = dumpOf(record())!;
  say({ kind: 'state', actor: cart, why: 'reset', seq, version: 1, dump }, removalOf(cart, record()), created(cart));
  assert.deepEqual(say(...before), [
    { type: 'again', seq: 0, failed: null },
    { type: 'again', seq: 0, failed: 'ACTOR_FAILED' },
    { type: 'again', seq: 0, failed: 'OUTCOME_UNKNOWN' },
  ]);
});

test('a command of an earlier build that removes is one still', () => {
  const { say, replica, at } = story();
  say(created(cart), event(cart, 'fail', {}, 'f'));
  const bytes = encodeItems([{ kind: 'remove', actor: cart, seq: 0, failed: [] }]);
  // Without the two numbers at its end, and with the kind that it was.
  const before = bytes.subarray(0, -2).slice();
  before[before.byteLength - 1] = 7;
  assert.deepEqual(decodeItems(before), [{ kind: 'remove', actor: cart, seq: Number.MAX_SAFE_INTEGER, failed: [] }]);
  const entry = { index: ++at.index, timeMs: at.timeMs, read: replica.keyspace.read };
  assert.deepEqual(applyItems(replica.ledger, before, entry)?.map(codeOf), ['ok']);
  assert.deepEqual(say(created(cart), event(cart, 'add', {}, 'f'))[1], { type: 'again', seq: 0, failed: null });
});

test('what was answered under a delivery id is kept, the last so many and no more bytes than that', () => {
  const { say, record, replica } = story();
  const kept = (): unknown[] => (shown(record()) as { answers: [number, unknown][] }).answers.map(([, value]) => value);
  say(created(cart), event(cart, 'add', {}, 'unasked'), asked(cart, 'act', {}, 'unanswered'), asked(cart, 'fail', {}, 'x'));
  assert.deepEqual(kept(), []);
  for (let n = 0; n < ledgerLimits.answersMax + 5; n++) say(asked(cart, 'add', {}, `n${n}`));
  assert.deepEqual([kept().length, kept()[0], kept().at(-1)], [ledgerLimits.answersMax, 7, ledgerLimits.answersMax + 6]);
  const [again] = say(asked(cart, 'add', {}, 'n36'));
  const seq = again?.type === 'again' ? again.seq : 0;
  assert.equal(unpack(answerIn(record().answers, seq)!), 38);
  say(asked(cart, 'add', { size: ledgerLimits.answersBytesMax - 100 }, 'large'));
  const [large] = kept().slice(-1) as string[];
  assert.ok(large!.length > 3_000 && kept().length < 101, `${kept().length} beside one of ${large!.length} bytes`);
  say(asked(cart, 'add', { size: ledgerLimits.answersBytesMax + 1 }, 'too large'));
  assert.equal(kept().at(-1), large);
  const before = kept();
  replica.restart();
  assert.deepEqual(kept(), before);
  say(removalOf(cart, record()));
  replica.flush();
  assert.equal(replica.keyspace.records().filter(([key]) => Buffer.from(key).toString().endsWith('\0a')).length, 0);
});

test('made anew by the very entry that forgets what was left of it, it is as if there had been nothing', () => {
  const [often, once] = [story(), story()];
  for (const { say, at, replica } of [often, once]) {
    say(created(cart), ...Array.from({ length: 40 }, (_, n) => event(cart, 'add', {}, `id-${n}`)));
    say({ kind: 'remove', actor: cart, seq: 0, failed: [] });
    at.timeMs += ledgerLimits.windowMs;
    if (replica === often.replica) replica.flush();
    say(created(cart), event(cart, 'add', {}, 'id-1'), event(cart, 'add', {}, 'id-1'));
    replica.flush();
    replica.restart();
    assert.deepEqual(say(event(cart, 'add', {}, 'id-1'), event(cart, 'add', {}, 'id-2')).map(codeOf), ['again', 'ok']);
    replica.flush();
  }
  assert.deepEqual(hexOf(once.replica), hexOf(often.replica));
  assert.equal(once.replica.keyspace.records().length, 3);
});

test('halted, nothing happens to it until it is reset; an upgrade is refused once it has gone on', () => {
  const { say, record, state } = story();
  say(created(cart), event(cart, 'add'));
  const { seq, dump } = dumpOf(record())!;
  say({ kind: 'halt', actor: cart, index: 7, event: 'add', digests: [1, 2] });
  const [outcome] = say(event(cart, 'add'));
  assert.equal(codeOf(outcome), 'ACTOR_DIVERGED');
  assert.match(outcome?.type === 'refused' ? outcome.failure.message : '', /'add' at 7/);
  say({ kind: 'state', actor: cart, why: 'reset', seq, version: 1, dump }, event(cart, 'add'));
  assert.equal(state().sum, 2);
  const old = dumpOf(record())!;
  say(event(cart, 'add'));
  assert.equal(codeOf(say({ kind: 'state', actor: cart, why: 'upgrade', version: 2, ...old })[0]), 'NOT_READY');
  const now = dumpOf(record())!;
  assert.equal(codeOf(say({ kind: 'state', actor: cart, why: 'upgrade', version: 2, ...now })[0]), 'ok');
  assert.equal(codeOf(say(event(cart, 'add'))[0]), 'ACTOR_VERSION');
  assert.equal(codeOf(say({ ...event(cart, 'add'), version: 2 } as LedgerItem)[0]), 'ok');
});

test('chance in a transition is found out at the first event that differed', () => {
  const [leader, follower] = [createLedgerReplica(), createLedgerReplica()];
  follower.standIn.chance = () => 0;
  const both = (index: number, ...items: LedgerItem[]): void => {
    for (const replica of [leader, follower]) replica.apply(items, { index, timeMs: 1_000 });
  };
  both(1, created(cart), event(cart, 'add'), event(cart, 'later'));
  follower.standIn.chance = () => 0.5;
  both(2, event(cart, 'add', {}, 'culprit'));
  follower.standIn.chance = () => 0;
  both(3, event(cart, 'later'));
  assert.deepEqual(follower.divergences, []);
  const { seq, digest } = leader.look(cart)!;
  both(4, { kind: 'digest', actor: cart, seq, digest });
  assert.deepEqual(leader.divergences, []);
  const own = new Map(marksOf(leader.look(cart)!).map((one) => [one.seq, one.digest]));
  const [divergence] = follower.divergences as Divergence[];
  const first = divergence?.marks.find((one) => own.get(one.seq) !== one.digest);
  assert.deepEqual([first?.index, first?.event], [2, 'add']);
});

test('who cannot follow takes a checkpoint and goes on from it', () => {
  const [leader, follower] = [createLedgerReplica(), createLedgerReplica({ has: false })];
  const both = (index: number, ...items: LedgerItem[]): void => {
    for (const replica of [leader, follower]) replica.apply(items, { index, timeMs: 1_000 });
  };
  both(1, created(cart), event(cart, 'add'), event(cart, 'later', { by: 10 }));
  const state = dumpOf(leader.look(cart)!)!;
  both(2, event(cart, 'add', {}, 'x'), event(cart, 'act'));
  both(3, { kind: 'state', actor: cart, why: 'checkpoint', version: 1, ...state });
  follower.restart();
  assert.equal(follower.look(cart)?.backlog.length, 2);
  assert.equal(follower.ledger.store.due.heap.length, 1);
  follower.standIn.has = true;
  assert.equal(catchUpSome(follower.ledger, follower.keyspace.read, 1), true);
  assert.equal(catchUpSome(follower.ledger, follower.keyspace.read, 10), false);
  assert.deepEqual(shown(follower.look(cart)), shown(leader.look(cart)));
  assert.deepEqual(follower.divergences, []);
});

// ---------------------------------------------------------------- any history, any time at which the code comes

const actors = ['cart/a', 'cart/b'];
const someActor = fc.constantFrom(...actors);
const some = (max: number) => fc.integer({ min: 0, max });
const someEvent = fc.record({
  actor: someActor,
  type: fc.constantFrom('add', 'add', 'act', 'later', 'never', 'invoke', 'cancel', 'fail', 'end'),
  name: fc.constantFrom('x', 'y'),
  id: fc.constantFrom('', '', 'i1', 'i2', 'i3'),
  isAsked: fc.boolean(),
});

type ActorMove =
  | { do: 'event'; actor: string; type: string; name: string; id: string; isAsked: boolean }
  | { do: 'create' | 'remove' | 'timer' | 'answer' | 'done' | 'ask' | 'checkpoint' | 'upgrade'; actor: string };
type Move = ActorMove | { do: 'toggle' | 'restart' | 'flush' };

const someMove: fc.Arbitrary<Move> = fc.oneof(
  { weight: 8, arbitrary: someEvent.map((one) => ({ do: 'event' as const, ...one })) },
  { weight: 2, arbitrary: someActor.map((actor) => ({ do: 'create' as const, actor })) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('timer' as const, 'answer', 'done', 'ask', 'checkpoint', 'upgrade', 'remove'),
      actor: someActor,
    }),
  },
  { weight: 2, arbitrary: fc.constantFrom('toggle' as const, 'restart', 'flush').map((what) => ({ do: what })) },
);

/** What a leader that has folded everything would propose. */
const itemOf = (leader: LedgerReplica, move: ActorMove): LedgerItem | null => {
  const { actor } = move;
  const record = leader.look(actor);
  switch (move.do) {
    case 'event': {
      const item = event(actor, move.type, { name: move.name }, move.id) as Extract<LedgerItem, { kind: 'event' }>;
      return { ...item, isAsked: move.isAsked, version: record?.version ?? 1 };
    }
    case 'create':
      return created(actor);
    case 'remove':
      return removalOf(actor, record);
    case 'timer': {
      const [first] = record?.timers ?? [];
      return first === undefined ? null : { kind: 'timer', actor, id: first[0], set: first[1].set };
    }
    case 'answer':
    case 'ask': {
      const [first] = record?.invoked ?? [];
      if (first === undefined) return null;
      const at = { actor, path: first[0], of: { index: first[1].index, n: first[1].n } };
      return move.do === 'ask'
        ? { kind: 'interrupt', ...at, how: 'ask' }
        : { kind: 'answer', ...at, answer: packed({ type: 'done', output: 1 }) };
    }
    case 'done': {
      const [first] = record?.outbox.values() ?? [];
      return first === undefined ? null : { kind: 'done', actor, effects: [{ index: first.index, n: first.n }] };
    }
    default: {
      const state = record === null ? null : dumpOf(record);
      if (record === null || state === null || record.version === 2) return null;
      return { kind: 'state', actor, why: move.do, version: move.do === 'upgrade' ? 2 : record.version, ...state };
    }
  }
};

const hexOf = (replica: LedgerReplica): string[] =>
  replica.keyspace.records().map((record) => record.map((bytes) => Buffer.from(bytes).toString('hex')).join(' '));

test('whenever a replica gets the code, and however often it starts again, it becomes what the leader is', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(someMove, some(60)), { minLength: 5, maxLength: 80 }), (moves) => {
      const leader = createLedgerReplica();
      const follower = createLedgerReplica({ has: false, residentsMax: 1 });
      const at: At = { index: 0, timeMs: 1_000 };
      for (const [move, passed] of moves) {
        at.timeMs += passed;
        if (move.do === 'toggle') follower.standIn.has = !follower.standIn.has;
        else if (move.do === 'restart') follower.restart();
        else if (!('actor' in move)) for (const one of [leader, follower]) one.flush();
        else {
          const item = itemOf(leader, move);
          at.index++;
          if (item !== null) for (const one of [leader, follower]) one.apply([item], at);
          const record = leader.look(move.actor);
          if (record === null) continue;
          const seen: LedgerItem = { kind: 'digest', actor: move.actor, seq: record.seq, digest: record.digest };
          at.index++;
          for (const one of [leader, follower]) one.apply([seen], at);
        }
      }
      follower.standIn.has = true;
      catchUpSome(follower.ledger, follower.keyspace.read, 10_000);
      for (const name of actors) assert.deepEqual(shown(follower.look(name)), shown(leader.look(name)));
      assert.deepEqual([...leader.divergences, ...follower.divergences], []);
      for (const one of [leader, follower]) one.flush();
      assert.deepEqual(hexOf(follower), hexOf(leader));
      const versions = versionsOf(leader.ledger.store);
      assert.deepEqual(versionsOf(follower.ledger.store), versions);
      leader.restart();
      assert.deepEqual(versionsOf(leader.ledger.store), versions);
      for (const name of actors) assert.deepEqual(shown(leader.look(name)), shown(follower.look(name)));
    }),
    { numRuns: 150 },
  );
});

test('every item is itself again after it was bytes; what was cut off or added to is none', () => {
  const of = { index: 1, n: 2 };
  const items: LedgerItem[] = [
    created(cart, { a: 1 }),
    event('cart/ü', 'x', {}, 'id'),
    asked('cart/ü', 'x', {}, 'other'),
    { kind: 'done', actor: cart, effects: [of, { index: 3, n: 0 }] },
    { kind: 'timer', actor: cart, id: 't', set: 4 },
    { kind: 'answer', actor: cart, path: 'a/b', of, answer: packed(null) },
    { kind: 'interrupt', actor: cart, path: 'a', of, how: 'fail' },
    { kind: 'halt', actor: cart, index: 5, event: 'e', digests: [6, 7] },
    { kind: 'remove', actor: cart, seq: 6, failed: [['id', 'ACTOR_FAILED']] },
    { kind: 'state', actor: cart, why: 'reset', seq: 8, version: 2, dump: packed('d') },
    { kind: 'digest', actor: cart, seq: 9, digest: 2 ** 32 - 1 },
  ];
  const bytes = encodeItems(items);
  assert.deepEqual(JSON.stringify(decodeItems(bytes)), JSON.stringify(items));
  for (let cut = 0; cut < bytes.byteLength; cut++) assert.equal(decodeItems(bytes.subarray(0, cut)), null);
  assert.equal(decodeItems(Uint8Array.of(...bytes, 0)), null);
});
