// What the compiler knows of replicated objects: element types are inferred, and what is no plain data is no type of theirs. It is checked
// by compiling; that it runs says that it was.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Readable } from '@xstate/store';
import {
  type Plain,
  type Replica,
  type ReplicaCounter,
  type ReplicaGCounter,
  type ReplicaOrMap,
  type ReplicaRegister,
  type ReplicaSet,
  type ReplicaText,
  replicaStore,
} from '../../src/index.ts';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_is: Same<A, B>): void => {};

interface Settings {
  theme: string;
  sizes?: readonly number[];
  icon: { bytes: Uint8Array | null };
}

const inferred = (replica: Replica): void => {
  const settings = replica.register<Settings>('settings');
  same<ReturnType<typeof settings.get>, Settings | undefined>(true);
  void settings.set({ theme: 'dark', icon: { bytes: null } });
  // @ts-expect-error no such theme
  void settings.set({ theme: 1, icon: { bytes: null } });
  const all = replica.register<number>('n', { conflicts: 'keep-all' });
  same<ReturnType<typeof all.get>, readonly number[]>(true);
  void all.set(1);
  // @ts-expect-error one value is set, not a list
  void all.set([1]);
  replica.register<number>('n', { conflicts: (values) => Math.max(...values) });
  // @ts-expect-error a strategy answers a value of its register
  replica.register<number>('n', { conflicts: (values) => String(values) });
  // @ts-expect-error there is no such strategy
  replica.register<number>('n', { conflicts: 'first-writer' });
  const untyped = replica.register('k');
  same<ReturnType<typeof untyped.get>, Plain | undefined>(true);

  const flags = replica.orSet<'on' | 'off'>('flags');
  same<ReturnType<typeof flags.get>, readonly ('on' | 'off')[]>(true);
  void flags.add('on');
  // @ts-expect-error no element
  void flags.add('maybe');
  // @ts-expect-error what is read is not to be changed
  flags.get().push('on');
  void replica.map<Settings>('m').put('k', { theme: 'x', icon: { bytes: null } });
  same<ReturnType<typeof flags.waitFor>, Promise<readonly ('on' | 'off')[]>>(true);
  void replica.list<{ id: number }>('l').push({ id: 1 }, { id: 2 });
  // @ts-expect-error no such element
  void replica.list<{ id: number }>('l').push({ id: 'x' });
  replica.counter('n', { sync: 'never' });
  replica.counter('n', { sync: { everyMs: 100 } });
  // @ts-expect-error there is no such policy
  replica.counter('n', { sync: 'sometimes' });
};

const plainOnly = (replica: Replica): void => {
  // @ts-expect-error a Date is no plain data
  replica.register<Date>('k');
  // @ts-expect-error nor inside of something
  replica.register<{ at: Date }>('k');
  // @ts-expect-error a Map is none
  replica.orSet<Map<string, string>>('k');
  // @ts-expect-error undefined is none: clear
  replica.register<string | undefined>('k');
  // @ts-expect-error nor are large whole numbers
  replica.list<bigint[]>('k');
  // @ts-expect-error who knows
  replica.register<unknown>('k');
  type Tree = { name: string; inner: readonly Tree[] };
  replica.register<Tree>('k');
  replica.register<Record<string, number>>('k');
  replica.register<[string, number]>('k');
};

type Page = {
  visits: ReplicaCounter;
  likes: ReplicaGCounter;
  tags: ReplicaSet<string>;
  title: ReplicaRegister<string>;
  author: ReplicaOrMap<{ seen: ReplicaCounter }>;
};
interface Board {
  readonly [user: string]: ReplicaCounter;
}

const maps = (replica: Replica): void => {
  const page = replica.orMap<Page>('page');
  same<ReturnType<typeof page.orSet<'tags'>>, ReplicaSet<string>>(true);
  void page.orSet('tags').add('new');
  // @ts-expect-error tags are texts
  void page.orSet('tags').add(1);
  void page.counter('visits').add();
  // @ts-expect-error there is no such key
  page.counter('visitors');
  // @ts-expect-error visits are no set
  page.orSet('visits');
  // @ts-expect-error what only rises is another type
  page.counter('likes');
  void page.gCounter('likes').add();
  void page.orMap('author').counter('seen').add();
  // @ts-expect-error there is no such key in there
  page.orMap('author').counter('unseen');
  same<
    ReturnType<typeof page.get>,
    {
      readonly visits?: number;
      readonly likes?: number;
      readonly tags?: readonly string[];
      readonly title?: string;
      readonly author?: { readonly seen?: number };
    }
  >(true);
  const board = replica.orMap<Board>('board');
  void board.counter('anna').add();
  // @ts-expect-error a board has counters
  board.orSet('anna');
  const any = replica.orMap('any');
  void any.orSet('a').add('x');
  void any.orMap('b').register('c').set({ d: 1 });
  // @ts-expect-error a text stands in no map
  replica.orMap<{ note: ReplicaText }>('k');
};

const stores = (replica: Replica): void => {
  const readable: Readable<number> = replica.counter('n');
  const list: Readable<readonly string[]> = replica.orSet<string>('s');
  void [readable, list];
  const store = replicaStore(replica.orSet<string>('s'));
  same<ReturnType<typeof store.getSnapshot>['context']['value'], readonly string[]>(true);
  store.trigger.add({ element: 'x' });
  store.trigger.clear();
  store.send({ type: 'remove', element: 'x' });
  // @ts-expect-error elements are texts
  store.trigger.add({ element: 1 });
  // @ts-expect-error there is no such change
  store.send({ type: 'put', key: 'x' });
  store.select(({ value }) => value.length);
};

test('it compiles', () => {
  assert.equal([inferred, plainOnly, maps, stores].length, 4);
});
