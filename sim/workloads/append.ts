// Lists that grow at their end, by compare-and-set on the index that was read: whatever two readers see, one has the beginning of
// what the other has; nothing that was acknowledged is missing from what is read later, and nothing is there twice.
import type { Client, Found } from './client.ts';
import { inTurn, type Job, untilTold } from './job.ts';

/** A list that is this long is left alone, and another one begun. */
const itemsMax = 40;

/** `text`: as read, by somebody who asked after `acknowledged` items had been acknowledged. */
type Reading = { text: string; acknowledged: number };
type List = { acknowledged: string[]; unknown: Set<string>; readings: Reading[] };

const itemsOf = (value: string | null): string[] => (value === null || value === '' ? [] : value.split(' '));

/** What is wrong with a list, in words, or null. */
export const wrongList = ({ acknowledged, unknown, readings }: List): string | null => {
  const longestFirst = [...readings].sort((a, b) => b.text.length - a.text.length);
  for (const [at, { text }] of longestFirst.entries()) {
    const longer = longestFirst[at - 1]?.text ?? text;
    if (longer !== text && text !== '' && !longer.startsWith(`${text} `)) return `one read '${longer}', another '${text}'`;
  }
  const last = itemsOf(longestFirst[0]?.text ?? null);
  if (new Set(last).size !== last.length) return `an item is there twice: '${last.join(' ')}'`;
  const asked = new Set([...acknowledged, ...unknown]);
  const stranger = last.find((item) => !asked.has(item));
  if (stranger !== undefined) return `nobody appended ${stranger}, or was told that it was not`;
  for (const { text, acknowledged: count } of readings) {
    const items = new Set(itemsOf(text));
    const missing = acknowledged.slice(0, count).find((item) => !items.has(item));
    if (missing !== undefined) return `${missing} was acknowledged before somebody read '${text}'`;
  }
  return null;
};

export const append = (): Job => {
  const lists = new Map<string, List>();
  const generations = new Map<string, number>();

  const listAt = (key: string): List => {
    const known = lists.get(key) ?? { acknowledged: [], unknown: new Set<string>(), readings: [] };
    lists.set(key, known);
    return known;
  };
  const read = (client: Client, key: string, done: (found: Found | null) => void): void => {
    const list = listAt(key);
    const acknowledged = list.acknowledged.length;
    client.get(key, 'linearizable', (found) => {
      if (found !== null) list.readings.push({ text: found.value ?? '', acknowledged });
      done(found);
    });
  };

  return {
    run(client, done) {
      const name = client.keyOf('list');
      const generation = generations.get(name) ?? 0;
      const key = `${name}-${generation}`;
      const item = client.unique;
      read(client, key, (found) => {
        if (found === null || client.chance.happens(0.3)) return done();
        if (itemsOf(found.value).length >= itemsMax) {
          generations.set(name, generation + 1);
          return done();
        }
        const value = found.value === null ? item : `${found.value} ${item}`;
        const by = { index: found.record?.index ?? 0 };
        client.cas(key, found.value, value, by, client.chance.happens(0.5), ({ type }) => {
          if (type === 'ok') listAt(key).acknowledged.push(item);
          if (type === 'info') listAt(key).unknown.add(item);
          done();
        });
      });
    },
    audit(auditor, done) {
      inTurn([...lists.keys()], (key, next) => untilTold<Found>((answer) => read(auditor, key, answer), next), done);
    },
    verdict() {
      for (const [key, list] of lists) {
        const wrong = wrongList(list);
        if (wrong !== null) return `${key}: ${wrong}`;
      }
      return null;
    },
  };
};
