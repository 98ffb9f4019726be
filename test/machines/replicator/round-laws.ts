// What every type with tombstones must be: collected or not, all read the same, whatever old deltas and states still arrive. The rounds
// are those of types.ts; each replica has a twin that hears the same and never forgets.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Crdt } from '../../../machines/replicator/crdt.ts';
import { Replica } from './laws.ts';

const names = ['a', 'b', 'c'] as const;

type Step<Change> =
  | { do: 'change'; at: number; change: Change; afterMs: number }
  | { do: 'deliver'; at: number; which: number }
  /** A state leaves, to arrive at any time. */
  | { do: 'copy'; at: number }
  | { do: 'join'; at: number; which: number }
  | { do: 'sync' }
  | { do: 'advance'; at: number }
  | { do: 'collect'; at: number }
  /** A replica departs for good; another begins anew in its place, with all that one of the others has. */
  | { do: 'replace'; at: number };

const stepOf = <Change>(change: fc.Arbitrary<Change>): fc.Arbitrary<Step<Change>> => {
  const at = fc.nat(2);
  const which = fc.nat(20);
  return fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant('change' as const), at, change, afterMs: fc.nat(2) }) },
    { weight: 5, arbitrary: fc.record({ do: fc.constant('deliver' as const), at, which }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('copy' as const), at }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('join' as const), at, which }) },
    { weight: 1, arbitrary: fc.constant({ do: 'sync' as const }) },
    { weight: 6, arbitrary: fc.record({ do: fc.constant('advance' as const), at }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('collect' as const), at }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('replace' as const), at }) },
  );
};

type Made = { readonly delta: unknown; readonly round: number };

class Member<State, Change, Read> {
  readonly self: Replica<State, Change, Read>;
  readonly twin: Replica<State, Change, Read>;
  readonly known = new Set<Made>();
  stable = 0;

  constructor(type: Crdt<State, Change, Read>, name: string) {
    this.self = new Replica(type, name);
    this.twin = new Replica(type, name);
  }

  hear(made: Made): void {
    const heard = this.self.hear(made.delta, this.stable);
    // A twin has at least what its replica has; whether something is missing is the same to both.
    assert.equal(this.twin.hear(made.delta) === 'gap', heard === 'gap');
    if (this.known.has(made)) assert.equal(heard, 'same', 'old news');
    if (heard !== 'gap') this.known.add(made);
  }
}

type Copy<State> = { readonly by: string; readonly self: State; readonly twin: State; readonly known: ReadonlySet<Made> };

class World<State, Change, Read> {
  readonly members: Member<State, Change, Read>[];
  made: Made[] = [];
  copies: Copy<State>[] = [];
  #replaced = 0;

  constructor(type: Crdt<State, Change, Read>) {
    this.members = names.map((name) => new Member(type, name));
  }

  /** Everything up to this round has been made, and is everywhere. */
  isEverywhere(round: number): boolean {
    const all = this.made.filter((made) => made.round <= round);
    return this.members.every(({ self, known }) => self.round > round && all.every((made) => known.has(made)));
  }

  join({ self, twin, known, stable }: Member<State, Change, Read>, copy: Copy<State>): void {
    const joined = self.type.join(self.state, self.copyOf(copy.self), stable);
    if ([...copy.known].every((made) => known.has(made))) assert.equal(joined, 'same', 'old news');
    twin.type.join(twin.state, twin.copyOf(copy.twin));
    for (const made of copy.known) known.add(made);
  }

  copy({ self, twin, known }: Member<State, Change, Read>): Copy<State> {
    const by = self.author.replica;
    return { by, self: self.copyOf(self.state), twin: twin.copyOf(twin.state), known: new Set(known) };
  }

  /** What no other has yet is lost, and still on its way it is refused: once departed, nobody is listened to. */
  replace(at: number): void {
    const [gone, elder] = [this.members[at]!, this.members[(at + 1) % names.length]!];
    const fresh = new Member(gone.self.type, `${names[at]}${++this.#replaced}`);
    this.join(fresh, this.copy(elder));
    fresh.stable = elder.stable;
    fresh.self.round = elder.self.round;
    this.members[at] = fresh;
    this.made = this.made.filter((made) => this.members.some(({ known }) => known.has(made)));
    this.copies = this.copies.filter(({ by }) => by !== gone.self.author.replica);
  }

  sync(): void {
    for (const member of this.members) for (const made of this.made) member.hear(made);
  }

  step(step: Step<Change>): void {
    if (step.do === 'sync') return this.sync();
    const member = this.members[step.at]!;
    const { self, twin } = member;
    if (step.do === 'change') {
      self.wallMs += step.afterMs;
      const delta = self.change(step.change);
      if (delta === null) return;
      const made = { delta, round: self.round };
      this.made.push(made);
      member.known.add(made);
      assert.notEqual(twin.hear(delta), 'gap');
    } else if (step.do === 'copy') {
      this.copies.push(this.copy(member));
    } else if (step.do === 'replace') {
      this.replace(step.at);
    } else if (step.do === 'advance') {
      if (this.isEverywhere(self.round - 1)) self.round += 1;
    } else if (step.do === 'collect') {
      while (this.isEverywhere(member.stable + 1)) member.stable += 1;
      self.type.collect?.(self.state, member.stable);
    } else if (step.do === 'deliver') {
      const made = this.made.at(-1 - step.which);
      if (made !== undefined) member.hear(made);
    } else {
      const copy = this.copies.at(-1 - step.which);
      if (copy !== undefined) this.join(member, copy);
    }
  }
}

export const roundLaws = <State, Change, Read>(
  type: Crdt<State, Change, Read>,
  change: fc.Arbitrary<Change>,
  { shown, runs = 300 }: { shown: (read: Read) => unknown; runs?: number },
): void => {
  test(`${type.type}: whoever forgets tombstones reads what he reads who keeps them, whatever old news still comes`, () => {
    fc.assert(
      fc.property(fc.array(stepOf(change), { maxLength: 40 }), (steps) => {
        const world = new World(type);
        for (const step of steps) world.step(step);
        const judge = (when: string): void => {
          for (const { self, twin } of world.members) {
            assert.deepEqual(shown(type.read(self.state)), shown(type.read(twin.state)), when);
            assert.deepEqual(shown(type.read(self.state)), shown(type.read(world.members[0]!.self.state)), when);
          }
        };
        world.sync();
        judge('once everything is everywhere');
        // Round by round, so that old news meets every stable round there is.
        for (let round = 0; round < 6; round++) {
          for (const at of names.keys()) world.step({ do: 'advance', at });
          for (const [at, member] of world.members.entries()) {
            world.step({ do: 'collect', at });
            for (const copy of world.copies) world.join(member, copy);
            for (const made of world.made) member.hear(made);
          }
          judge('once old news has come again');
        }
        const [form] = world.members.map(({ self }) => self.form);
        for (const { self } of world.members) assert.equal(self.form, form);
      }),
      { numRuns: runs },
    );
  });
};
