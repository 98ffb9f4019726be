// Actors in a world that loses connections, processes, places and frames' uniqueness: whatever happens in whatever order, a request has one
// effect at most, one if it was answered and none if it surely failed; it ends once and in time; what is sent is handled in its order, at
// most once; a watcher is told one end and a subscriber nothing old; and in the end nothing is left.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { EventObject } from 'xstate';
import { postTypes } from '../../machines/entity/post-messages.ts';
import { errorTable } from '../../machines/errors.ts';
import { envelopeOf } from './hand-cluster.ts';
import { createHandDoors, ledgerOf, tallyAt } from './hand-doors.ts';

const names = ['n1', 'n2', 'n3'];

type Made = {
  kind: 'ask' | 'deliver';
  from: string;
  epoch: number;
  deadlineMs: number;
  outcome: string | null;
  endedMs: number;
  /** Of a tally in a process that was lost nobody knows what it did. */
  number: number;
};
type Sent = { from: string; to: string };
type Watched = { from: string; epoch: number; ends: string[] };
type Followed = { from: string; epoch: number; shown: number[]; ends: number };

const createWorld = () => {
  const doors = createHandDoors(names);
  doors.move('k', 'n2');
  const made: Made[] = [];
  const sent: Sent[] = [];
  const watched: Watched[] = [];
  const followed: Followed[] = [];
  const addressOf = (to: string) => (to === 'k' ? ledgerOf('k') : tallyAt(to));
  return {
    ...{ doors, made, sent, watched, followed },
    ask(from: string, to: string, kind: 'ask' | 'deliver', timeoutMs: number): void {
      const { clock, epochs } = doors;
      const number = made.length;
      const one: Made = {
        ...{ kind, from, epoch: epochs.get(from)!, deadlineMs: clock.nowMs() + timeoutMs, outcome: null, endedMs: 0, number },
      };
      made.push(one);
      doors.api(from)[kind](addressOf(to), { type: 'add', number } as EventObject, { timeoutMs }, (outcome) => {
        assert.equal(one.outcome, null, 'a request ends once');
        one.outcome = outcome.ok ? 'ok' : outcome.failure.code;
        one.endedMs = clock.nowMs();
      });
      clock.settle();
    },
    send(from: string, to: string): void {
      const sequence = sent.push({ from, to }) - 1;
      doors.api(from).send(addressOf(to), { type: 'add', sequence } as EventObject);
      doors.clock.settle();
    },
    watch(from: string, to: string): void {
      const one: Watched = { from, epoch: doors.epochs.get(from)!, ends: [] };
      watched.push(one);
      doors.api(from).watch(addressOf(to), ({ reason }) => one.ends.push(reason));
      doors.clock.settle();
    },
    follow(from: string): void {
      const one: Followed = { from, epoch: doors.epochs.get(from)!, shown: [], ends: 0 };
      followed.push(one);
      const on = (value: unknown): void => void one.shown.push(value as number);
      doors.api(from).subscribe(ledgerOf('k'), 'context.count', on, () => one.ends++);
      doors.clock.settle();
    },
    /** A frame that came twice, of what may come twice. */
    repeat(which: number): void {
      const { letters } = doors.network;
      if (letters.length === 0) return;
      const at = which % letters.length;
      const first = letters.findIndex(({ from, to }) => from === letters[at]!.from && to === letters[at]!.to);
      if (envelopeOf(letters[first]!).type !== postTypes.send) doors.network.repeat(first);
      doors.clock.settle();
    },
  };
};
type World = ReturnType<typeof createWorld>;

const node = fc.constantFrom(...names);
const target = fc.constantFrom('n2', 'n3', 'k', 'k');
const pair = fc.constantFrom<[string, string][]>(['n1', 'n2'], ['n1', 'n3'], ['n2', 'n3']);
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant('deliver' as const), which: fc.nat(40), count: fc.integer({ min: 1, max: 6 }) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      ...{ do: fc.constant('ask' as const), from: node, to: target, kind: fc.constantFrom('ask' as const, 'deliver' as const) },
      timeoutMs: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 300, max: 20_000 })),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('send' as const), from: node, to: target }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('work' as const), from: node, isLost: fc.boolean() }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.oneof(fc.integer({ min: 1, max: 60 }), fc.nat(2_000)) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('cut' as const, 'join' as const, 'blink' as const), pair }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('move' as const), to: fc.constantFrom(null, ...names) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('crash' as const), from: node }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('repeat' as const), which: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('watch' as const), from: node, to: target }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('follow' as const), from: node }) },
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

const doStep = (world: World, one: Step): void => {
  const { doors } = world;
  switch (one.do) {
    case 'deliver':
      for (let count = 0; count < one.count; count++) doors.deliver(one.which);
      return;
    case 'ask':
      return world.ask(one.from, one.to, one.kind, one.timeoutMs);
    case 'send':
      return world.send(one.from, one.to);
    case 'work':
      doors.doors.get(one.from)!.replicas.work(one.isLost);
      return doors.clock.settle();
    case 'pass':
      return doors.clock.pass(one.ms);
    case 'cut':
    case 'join':
      return doors[one.do](...one.pair);
    case 'blink':
      doors.cut(...one.pair);
      return doors.join(...one.pair);
    case 'move':
      return doors.move('k', one.to);
    case 'crash':
      return doors.crash(one.from);
    case 'repeat':
      return world.repeat(one.which);
    case 'watch':
      return world.watch(one.from, one.to);
    case 'follow':
      return world.follow(one.from);
  }
};

/** Everybody is there, all time passes, and at last all actors are stopped. */
const epilogue = ({ doors }: World): void => {
  for (const a of names) for (const b of names) if (a < b) doors.join(a, b);
  doors.move('k', 'n1');
  for (let round = 0; round < 24; round++) {
    doors.clock.pass(900);
    doors.pass(100);
  }
  for (const address of [ledgerOf('k'), ...names.map(tallyAt)]) doors.api('n1').stop(address, {}, () => {});
  doors.pass(2_000);
};

/** The bound of `deadlines`. */
const lateMsMax = 51;

const judgeRequests = ({ doors, made }: World): void => {
  const { effects, epochs } = doors;
  for (const one of made) {
    const count = effects.filter(({ event }) => (event as unknown as Made).number === one.number).length;
    assert.ok(count <= 1, `${one.kind} ${one.number} had ${count} effects`);
    // A process that is gone tells nobody anything.
    if (epochs.get(one.from) !== one.epoch) continue;
    const { outcome } = one;
    assert.ok(outcome !== null, `${one.kind} ${one.number} of ${one.from} never ended`);
    assert.ok(one.endedMs <= one.deadlineMs + lateMsMax, `it ended ${one.endedMs - one.deadlineMs} ms late`);
    if (outcome === 'ok') assert.equal(count, 1, 'it says that it happened');
    else if (errorTable[outcome as keyof typeof errorTable].definite)
      assert.equal(count, 0, `${outcome} says that nothing happened`);
  }
};

const judgeSends = ({ doors, sent }: World): void => {
  const last = new Map<string, number>();
  const seen = new Set<number>();
  for (const { event, address } of doors.effects) {
    const { sequence } = event as unknown as { sequence?: number };
    if (sequence === undefined) continue;
    assert.ok(!seen.has(sequence), 'what is sent is handled once at most');
    seen.add(sequence);
    const { from, to } = sent[sequence]!;
    // One that moves may be overtaken by what was sent after it, over another node.
    if (address.type !== 'tally') continue;
    assert.ok((last.get(`${from} ${to}`) ?? -1) < sequence, 'what is sent is handled in its order');
    last.set(`${from} ${to}`, sequence);
  }
};

const judge = (world: World): void => {
  const { doors, watched, followed } = world;
  judgeRequests(world);
  judgeSends(world);
  for (const { from, epoch, ends } of watched)
    if (doors.epochs.get(from) === epoch) assert.equal(ends.length, 1, `a watcher was told ${ends.join(', ')}`);
  const total = doors.effects.filter(({ address }) => address.type === 'ledger').length;
  for (const { from, epoch, shown, ends } of followed) {
    assert.ok(
      shown.every((value, at) => at === 0 || value > shown[at - 1]!),
      `shown ${shown}: nothing old`,
    );
    if (doors.epochs.get(from) !== epoch) continue;
    assert.equal(shown.at(-1), total, 'the latest in the end');
    assert.equal(ends, 1);
  }
  for (const [name, { cell, room }] of doors.doors) {
    assert.equal(cell.report().restarts, 0, `${name} failed: ${cell.report().reason}`);
    for (const other of names) assert.ok(!room.isBusy(`p-${other}`), `${name} is at rest`);
  }
};

test('one effect at most, exactly one if answered, none if refused; each end once; nothing is left', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 100 }), (steps) => {
      const world = createWorld();
      for (const one of steps) doStep(world, one);
      epilogue(world);
      judge(world);
    }),
    { numRuns: 120 },
  );
});
