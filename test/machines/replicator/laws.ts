// What every replicated type must be, tried with drawn histories of three replicas: deltas that are lost, repeated and reordered,
// whole states that are joined, all of it packed and parsed as on the wire.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type Author, type Crdt, isUnfit } from '../../../machines/replicator/crdt.ts';
import { createHybridClock, heed, tick } from '../../../machines/versions/hybrid-clock.ts';
import { pack, unpack } from '../../../machines/wire/envelope.ts';

const names = ['a', 'b', 'c'] as const;

type Step<Change> =
  | { do: 'change'; at: number; change: Change; afterMs: number }
  /** The `which`th delta of all, from the newest, reaches this replica (again). */
  | { do: 'deliver'; at: number; which: number }
  | { do: 'join'; at: number; from: number };

const stepOf = <Change>(change: fc.Arbitrary<Change>): fc.Arbitrary<Step<Change>> => {
  const at = fc.nat(2);
  return fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('change' as const), at, change, afterMs: fc.nat(3) }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('deliver' as const), at, which: fc.nat(6) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('join' as const), at, from: fc.nat(2) }) },
  );
};

/** There and back, as plain bytes. */
const sent = (value: unknown): unknown => unpack(pack(value).slice());

export type LawOptions<State, Change, Read> = {
  /** What a reader may compare: by default what `read` answers. */
  shown?: (read: Read) => unknown;
  /** After everything has reached everybody; `changes` in the order in which they were made, with their makers. */
  judge?: (state: State, read: Read, changes: readonly { by: string; change: Change }[]) => void;
  runs?: number;
};

export class Replica<State, Change, Read> {
  readonly type: Crdt<State, Change, Read>;
  state: State;
  readonly author: Author;
  wallMs = 1_000;
  round = 1;
  readonly #clock = createHybridClock();

  constructor(type: Crdt<State, Change, Read>, replica: string) {
    this.type = type;
    this.state = type.empty();
    const [now, clock] = [this, this.#clock];
    this.author = {
      replica,
      stamp: () => tick(clock, now.wallMs),
      get round() {
        return now.round;
      },
    };
  }

  /** The delta as it arrives elsewhere, or null. */
  change(change: Change): unknown | null {
    const delta = this.type.change(this.state, change, this.author);
    assert.ok(!isUnfit(delta), JSON.stringify(delta));
    return delta === null ? null : sent(delta);
  }

  hear(delta: unknown, stable?: number): string {
    const parsed = this.type.parseDelta(sent(delta));
    assert.notEqual(parsed, null, 'its own delta is none');
    heed(this.#clock, this.type.latest(parsed));
    return this.type.apply(this.state, parsed, stable);
  }

  join(other: Replica<State, Change, Read>, stable?: number): string {
    const parsed = this.copyOf(other.state);
    heed(this.#clock, this.type.latest(parsed));
    return this.type.join(this.state, parsed, stable);
  }

  copyOf(state: State): State {
    const copy = this.type.parse(sent(this.type.form(state)));
    assert.notEqual(copy, null, 'its own state is none');
    return copy!;
  }

  get form(): string {
    return Buffer.from(pack(this.type.form(this.state))).toString('hex');
  }
}

const run = <State, Change, Read>(type: Crdt<State, Change, Read>, steps: readonly Step<Change>[]) => {
  const replicas = names.map((name) => new Replica(type, name));
  const deltas: unknown[] = [];
  const changes: { by: string; change: Change }[] = [];
  for (const step of steps) {
    const replica = replicas[step.at]!;
    if (step.do === 'join') {
      replica.join(replicas[step.from]!);
    } else if (step.do === 'deliver') {
      const delta = deltas.at(-1 - step.which);
      if (delta === undefined) continue;
      const before = replica.form;
      const joined = replica.hear(delta);
      if (joined === 'gap' || joined === 'same') assert.equal(replica.form, before, `${joined}, and yet it changed`);
      else assert.notEqual(replica.form, before, `${joined}, and yet nothing did`);
      if (joined !== 'gap') assert.equal(replica.hear(delta), 'same', 'heard twice');
    } else {
      replica.wallMs += step.afterMs;
      const delta = replica.change(step.change);
      changes.push({ by: names[step.at]!, change: step.change });
      if (delta !== null) deltas.push(delta);
    }
  }
  return { replicas, deltas, changes };
};

export const crdtLaws = <State, Change, Read>(
  type: Crdt<State, Change, Read>,
  change: fc.Arbitrary<Change>,
  { shown = (read) => read, judge, runs = 300 }: LawOptions<State, Change, Read> = {},
): void => {
  const steps = fc.array(stepOf(change), { maxLength: 40 });
  const holds = (name: string, law: (given: ReturnType<typeof run<State, Change, Read>>) => void): void =>
    void test(name, () =>
      fc.assert(
        fc.property(steps, (given) => law(run(type, given))),
        { numRuns: runs },
      ),
    );

  describe(`${type.type} keeps the laws`, () => {
    holds('who has joined all states is like everybody else who has, in whatever order', ({ replicas, changes }) => {
      const [a, b, c] = replicas as [Replica<State, Change, Read>, Replica<State, Change, Read>, Replica<State, Change, Read>];
      const before = replicas.map(({ state }) => a.copyOf(state));
      for (const [one, ...others] of [
        [a, b, c],
        [b, c, a],
        [c, a, b],
      ] as const)
        for (const other of others) one.type.join(one.state, one.copyOf(before[names.indexOf(other.author.replica as 'a')]!));
      assert.equal(a.form, b.form);
      assert.equal(b.form, c.form);
      assert.deepEqual(shown(type.read(a.state)), shown(type.read(c.state)));
      judge?.(a.state, type.read(a.state), changes);
    });

    holds('joining is associative, and idempotent', ({ replicas: [a, b, c] }) => {
      const [left, right] = [new Replica(type, 'a'), new Replica(type, 'a')];
      left.join(a!);
      left.join(b!);
      left.join(c!);
      const bc = new Replica(type, 'b');
      bc.join(b!);
      bc.join(c!);
      right.join(a!);
      right.join(bc);
      assert.equal(left.form, right.form);
      assert.equal(left.join(bc), 'same');
      assert.equal(left.join(left), 'same');
    });

    holds('all deltas in the order of their making are as good as the states', ({ replicas, deltas }) => {
      const byDeltas = new Replica(type, 'd');
      for (const delta of deltas) assert.notEqual(byDeltas.hear(delta), 'gap');
      const byStates = new Replica(type, 'd');
      for (const replica of replicas) byStates.join(replica);
      assert.equal(byDeltas.form, byStates.form);
    });

    holds('deltas in the worst order, each tried again after a gap, are as good as the states', ({ replicas, deltas }) => {
      const byDeltas = new Replica(type, 'd');
      let waiting = deltas.toReversed();
      while (waiting.length > 0) {
        const gaps = waiting.filter((delta) => byDeltas.hear(delta) === 'gap');
        assert.ok(gaps.length < waiting.length, 'none of these can ever be applied');
        waiting = gaps;
      }
      const byStates = new Replica(type, 'd');
      for (const replica of replicas) byStates.join(replica);
      assert.equal(byDeltas.form, byStates.form);
    });

    holds('a joined state stands for every delta in it', ({ replicas, deltas }) => {
      const all = new Replica(type, 'd');
      for (const replica of replicas) all.join(replica);
      for (const delta of deltas) assert.equal(all.hear(delta), 'same');
    });

    test('rubbish is neither a delta nor a state, nor a change', () => {
      const { replicas, deltas } = run(type, fc.sample(steps, { numRuns: 1, seed: 7 })[0]!);
      const good = [...replicas.map(({ state }) => type.form(state)), ...deltas];
      const rubbish = fc.oneof(fc.anything(), fc.tuple(fc.constantFrom(...good, null), fc.nat(), fc.anything()).map(damaged));
      fc.assert(
        fc.property(rubbish, (value) => {
          for (const parse of [type.parse, type.parseDelta]) {
            const parsed = parse(value) as State | null;
            // What parses is a state or delta like any other: it can be joined, and joined again.
            if (parsed === null) continue;
            const replica = new Replica(type, 'd');
            if (parse === type.parse) type.join(replica.state, parsed);
            else type.apply(replica.state, parsed);
            type.latest(parsed);
            type.read(replica.state);
            assert.notEqual(type.parse(sent(type.form(replica.state))), null);
          }
          type.parseChange(value);
        }),
        { numRuns: runs },
      );
    });
  });
};

/** A copy in which one place, somewhere, holds something else. */
const damaged = ([good, where, what]: [unknown, number, unknown]): unknown => {
  const copy = structuredClone(good);
  const places: [unknown[], number][] = [];
  const walk = (value: unknown): void => {
    if (!Array.isArray(value)) return;
    for (const at of value.keys()) {
      places.push([value, at]);
      walk(value[at]);
    }
  };
  walk(copy);
  if (places.length === 0) return what;
  const [list, at] = places[where % places.length]!;
  list[at] = what;
  return copy;
};
