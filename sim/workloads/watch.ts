// Watchers on any node: each sees every change of its prefix from its index on, once, in order, and the same as all others, or is told
// that it cannot: COMPACTED only of what is gone. What nobody may miss is the union of what all of them saw.
import type { WatchMessage } from '../../actors/api.ts';
import type { RegisterEvent } from '../../machines/register/types.ts';
import { readUtf8 } from '../../machines/wire/octets.ts';
import type { Client } from './client.ts';
import type { Job } from './job.ts';

/** Every event of the prefix with an index from `from` to `to` was told. */
type Watched = { node: string; prefix: string; from: number; to: number; seen: number };

const prefixes = ['', 'k', 'counter'] as const;
const lastsMs: readonly [number, number] = [50, 5_000];
/** Of a run that goes on for long, the first ones are judged. */
const watchedMax = 300;
const eventsMax = 50_000;

type Seen = { index: number; key: string; text: string };

export const watch = (): Job => {
  const watched: Watched[] = [];
  /** By index, key and type. */
  const events = new Map<string, Seen>();
  let wrong: string | null = null;
  let lastTo = 0;

  const note = (node: string, { type, key, value, index }: RegisterEvent): void => {
    // An entry that puts a key may be the one whose time ends what was there.
    const name = `${index} ${key} ${type}`;
    const text = value === null ? type : `${type} ${readUtf8(value, 0, Math.min(64, value.byteLength))}`;
    const known = events.get(name);
    if (known === undefined) events.set(name, { index, key, text });
    else if (known.text !== text) wrong ??= `${node} tells '${text}' of ${key} at ${index}, another told '${known.text}'`;
  };

  const onEvents = (one: Watched, told: readonly RegisterEvent[], index: number): void => {
    let last = one.to;
    for (const event of told) {
      if (!event.key.startsWith(one.prefix)) wrong ??= `${one.node} tells of ${event.key} to whoever watches '${one.prefix}'`;
      if (event.index < one.from || event.index <= one.to || event.index < last || event.index > index)
        wrong ??= `${one.node} tells of ${event.key} at ${event.index} to whoever asked from ${one.from} and knows all up to ${last}`;
      last = Math.max(last, event.index);
      note(one.node, event);
    }
    one.seen += told.length;
    one.to = Math.max(one.to, index);
  };

  const onMessage = (one: Watched, message: WatchMessage): void => {
    if (message.type === 'events') return onEvents(one, message.events, message.index);
    if (message.type === 'progress') {
      // From now on means: from what is applied when it is asked.
      if (one.from === 0) one.from = message.index + 1;
      if (message.index < one.to) wrong ??= `${one.node} told all up to ${one.to} and goes on from ${message.index}`;
      one.to = Math.max(one.to, message.index);
      return;
    }
    const { code, details } = message.failure;
    const gone = Number(details?.index ?? 0);
    if (code === 'COMPACTED' && gone < Math.max(one.from, one.to))
      wrong ??= `${one.node} says that events up to ${gone} are gone to whoever needs those after ${Math.max(one.from - 1, one.to)}`;
  };

  const begin = (client: Client): { end(): void } => {
    const { chance, group } = client;
    const node = client.pickNode();
    const prefix = chance.pick(prefixes);
    const from = chance.happens(0.5) ? 0 : Math.max(0, lastTo - chance.between(0, 100));
    const one: Watched = { node: node.name, prefix, from, to: 0, seen: 0 };
    let cancel: (() => void) | null = null;
    let isOver = false;
    node.enter('watch', (api) => {
      cancel = api.watch({ group, prefix, from }, (message) => {
        if (!isOver) onMessage(one, message);
      });
    });
    return {
      end() {
        isOver = true;
        node.enter('unwatch', () => cancel?.());
        lastTo = Math.max(lastTo, one.to);
        if (one.from > 0) watched.push(one);
      },
    };
  };

  return {
    run(client, done) {
      if (watched.length >= watchedMax || events.size >= eventsMax) return client.after(lastsMs[1], done);
      const { end } = begin(client);
      client.after(client.chance.tail(...lastsMs), () => {
        end();
        done();
      });
    },
    audit: (_auditor, done) => done(),
    verdict() {
      const all = [...events.values()];
      for (const { node, prefix, from, to, seen } of watched) {
        const there = all.filter(({ index, key }) => index >= from && index <= to && key.startsWith(prefix)).length;
        if (there !== seen) wrong ??= `${node} told ${seen} of ${there} events of '${prefix}' from ${from} to ${to}`;
      }
      return wrong;
    },
  };
};
