// What observed-remove means, said as naively as possible: every add is remembered with its event, every removal with the events that it
// saw, for ever. The types forget all that, and must show the same. (That deltas are as good as states is for laws.ts to say.)
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type OrMapChange, orMap } from '../../../machines/replicator/or-map.ts';
import { type OrSetChange, orSet } from '../../../machines/replicator/or-set.ts';
import { Replica } from './laws.ts';

/** Adds by event, and the events that were taken away. */
class Twin {
  readonly added = new Map<string, string>();
  readonly removed = new Set<string>();

  here(): string[] {
    return [...this.added.keys()].filter((event) => !this.removed.has(event));
  }

  /** The event's own name; places begin with those above them. */
  change(event: string, place: string, isAdd: boolean): void {
    for (const here of this.here()) if (this.added.get(here)!.startsWith(place)) this.removed.add(here);
    if (isAdd) this.added.set(event, place);
  }

  join(other: Twin): void {
    for (const [event, place] of other.added) this.added.set(event, place);
    for (const event of other.removed) this.removed.add(event);
  }

  read(): string[] {
    return [...new Set(this.here().map((event) => this.added.get(event)!))].sort();
  }
}

type Step = { at: number; from: number } | { at: number; place: readonly string[]; isAdd: boolean };

const names = ['a', 'b', 'c'] as const;

const steps = fc.array(
  fc.oneof(
    fc.record({ at: fc.nat(2), from: fc.nat(2) }),
    fc.record({
      at: fc.nat(2),
      place: fc.tuple(fc.constantFrom('m', 'n'), fc.constantFrom('s', 't'), fc.constantFrom('x', 'y')),
      isAdd: fc.boolean(),
    }),
    // A whole map inside, or a whole set in it, goes.
    fc.record({ at: fc.nat(2), place: fc.constantFrom(['m'], ['m', 's'], ['n', 't'], []), isAdd: fc.constant(false) }),
  ),
  { maxLength: 50 },
);

const mapChange = ([map, key, element]: readonly string[], isAdd: boolean): OrMapChange => {
  if (map === undefined) return { type: 'clear' };
  if (key === undefined) return { type: 'remove', of: 'or-map', key: map };
  const inside: OrMapChange =
    element === undefined
      ? { type: 'remove', of: 'or-set', key }
      : { type: 'update', of: 'or-set', key, change: { type: isAdd ? 'add' : 'remove', element } };
  return { type: 'update', of: 'or-map', key: map, change: inside };
};

const setChange = (place: readonly string[], isAdd: boolean): OrSetChange | null => {
  if (place.length === 0) return { type: 'clear' };
  return place.length === 3 ? { type: isAdd ? 'add' : 'remove', element: place.join('') } : null;
};

const play = (given: readonly Step[]): void => {
  const sets = names.map((name) => new Replica(orSet, name));
  const maps = names.map((name) => new Replica(orMap, name));
  const [setTwins, mapTwins] = [names.map(() => new Twin()), names.map(() => new Twin())];
  const judge = (at: number): void => {
    assert.deepEqual(orSet.read(sets[at]!.state).sorted(), setTwins[at]!.read());
    const seen: string[] = [];
    for (const [, map, inner] of orMap.read(maps[at]!.state).sorted())
      for (const [, key, set] of (inner as ReturnType<typeof orMap.read>).sorted())
        for (const element of (set as ReturnType<typeof orSet.read>).sorted()) seen.push(`${map}${key}${element}`);
    assert.deepEqual(seen.sort(), mapTwins[at]!.read());
  };
  for (const [event, step] of given.entries()) {
    const { at } = step;
    if ('from' in step) {
      for (const replicas of [sets, maps] as const)
        (replicas[at] as Replica<unknown, unknown, unknown>).join(replicas[step.from] as never);
      for (const twins of [setTwins, mapTwins]) twins[at]!.join(twins[step.from]!);
    } else {
      const { place, isAdd } = step;
      maps[at]!.change(mapChange(place, isAdd));
      mapTwins[at]!.change(`${event}`, place.join(''), isAdd);
      const change = setChange(place, isAdd);
      if (change !== null) {
        sets[at]!.change(change);
        setTwins[at]!.change(`${event}`, place.join(''), isAdd);
      }
    }
    judge(at);
  }
};

test('sets, and sets in maps in maps, show what their naive twins show', () => {
  fc.assert(fc.property(steps, play), { numRuns: 200 });
});
