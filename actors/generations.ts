// Generations of a group's keyspace: a snapshot that arrives fills a new one beside the current one, and what became of no use
// (the keyspace it replaced, a transfer that broke off) is deleted afterwards, page by page, in nobody's way.
import { type GroupKeys, generationOf, keyAfter, prefixEnd } from './keyspace.ts';
import type { StorageFailure } from './ports/index.ts';
import type { Writer } from './writer.ts';

const pageEntries = 512;
const pageBytes = 1 << 20;

type Sweep = {
  writer: Writer;
  keys: GroupKeys;
  /** Generations from here on are left alone: they began after the sweep did. */
  below: number;
  /** Asked anew for each page; null when it cannot be told, which ends the sweep. */
  current: () => number | null;
  done: () => void;
};

/** Deletes the records of every generation under `below` but the current one. Ends early when the disk fails. */
export const sweepGenerations = ({ writer, keys, below, current, done }: Sweep): void => {
  const lt = keys.generation(below);
  const next = (gte: Uint8Array): void => {
    const view = writer.view();
    view.read({ gte, lt, limit: pageEntries, limitBytes: pageBytes }, (why, page) => {
      view.close();
      const first = page[0];
      const kept = current();
      if (why !== null || first === undefined || kept === null) return done();
      const generation = generationOf(keys, first[0]);
      if (generation === kept) return next(prefixEnd(keys.generation(generation)));
      const dead = page.filter(([key]) => generationOf(keys, key) !== kept);
      const operations = dead.map(([key]) => ({ key, value: null }));
      writer.write(operations, { durable: false }, (failed) => (failed === null ? next(keyAfter(page.at(-1)![0])) : done()));
    });
  };
  next(keys.everyGeneration.gte);
};

/** The highest generation that has any record, or 0. */
export const highestGeneration = (
  writer: Writer,
  keys: GroupKeys,
  done: (highest: number, why: StorageFailure | null) => void,
): void => {
  const view = writer.view();
  view.read({ ...keys.everyGeneration, limit: 1, reverse: true }, (why, [last]) => {
    view.close();
    done(last === undefined ? 0 : generationOf(keys, last[0]), why);
  });
};
