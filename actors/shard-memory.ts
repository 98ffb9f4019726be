// Actors that are made again without being asked (`remember`): a key for each in the group of the actor, which its leader reads when it
// begins to lead. Written before the actor is opened for the first time, so that whoever got an answer can rely on it; a stop takes it away.
// A singleton is remembered as long as nobody has stopped it: there is nothing to ask it for first.
import { type Failure, failure } from '../machines/errors.ts';
import { rememberedPrefix } from '../machines/register/index.ts';
import type { RegisterResult, RegisterWrite } from '../machines/register/types.ts';
import { type ActorDefinition, onlyKey } from './actor-api.ts';
import type { Outcome } from './api.ts';
import type { GroupEvent } from './group.ts';

export const shardMemoryLimits = {
  /** Remembered actors of one group. */
  rememberedMax: 100_000,
  pageItems: 1_000,
} as const;

const limits = shardMemoryLimits;
const writeTimeoutMs = 5_000;
const runs = Uint8Array.of(1);
const isStopped = Uint8Array.of(0);

type Named = { readonly type: string; readonly key: string };
type Remembering = Pick<ActorDefinition, 'name' | 'remember' | 'placement'>;

const nameOf = ({ type, key }: Named): string => `${type}/${key}`;
const keyOf = (actor: Named): string => `${rememberedPrefix}${nameOf(actor)}`;

/** What is remembered of an actor; its own words are those after the prefix. */
const actorOf = (key: string): Named => {
  const name = key.slice(rememberedPrefix.length);
  const slash = name.indexOf('/');
  return { type: name.slice(0, slash), key: name.slice(slash + 1) };
};

export interface ShardMemory {
  /** This node begins to lead: reads what is remembered. `done` once, unless it was forgotten before. */
  read(group: string, done: (why: Failure | null) => void): void;
  /** It leads no more. */
  forget(group: string): void;
  isRead(group: string): boolean;
  /** Those of this type that are to live; a singleton also if nothing is known of it. */
  of(group: string, definition: Remembering): Named[];
  remember(group: string, definition: Remembering, actor: Named, done: (why: Failure | null) => void): void;
  stopped(group: string, definition: Remembering, actor: Named, done: (why: Failure | null) => void): void;
  count(group: string): number;
}

type Known = {
  /** Whether it runs, by key of a type, by type. */
  actors: Map<string, Map<string, boolean>>;
  count: number;
  isRead: boolean;
  /** What was written while it was read; null: it is not there any more. */
  meanwhile: { actor: Named; runsNow: boolean | null }[];
};

export const createShardMemory = (send: (group: string, event: GroupEvent) => void): ShardMemory => {
  const groups = new Map<string, Known>();

  const written = (group: string, actor: Named, runsNow: boolean | null): void => {
    const known = groups.get(group);
    if (known?.isRead === false) known.meanwhile.push({ actor, runsNow });
    else if (known !== undefined) note(known, actor, runsNow);
  };

  const note = (known: Known, { type, key }: Named, runsNow: boolean | null): void => {
    const of = known.actors.get(type) ?? new Map<string, boolean>();
    known.actors.set(type, of);
    const before = of.size;
    if (runsNow === null) of.delete(key);
    else of.set(key, runsNow);
    known.count += of.size - before;
  };

  const page = (group: string, known: Known, after: string | null, done: (why: Failure | null) => void): void => {
    const list = { op: 'list' as const, prefix: rememberedPrefix, limit: limits.pageItems };
    const onPage = (outcome: Outcome<RegisterResult>): void => {
      if (groups.get(group) !== known) return;
      if (!outcome.ok) return done(outcome.failure);
      if (outcome.value.op !== 'list') return done(failure('INTERNAL', 'what is remembered cannot be read'));
      const { items, more } = outcome.value;
      for (const { key, value } of items) note(known, actorOf(key), value[0] === runs[0]);
      const last = items.at(-1);
      if (more && last !== undefined && known.count < limits.rememberedMax) return page(group, known, last.key, done);
      known.isRead = true;
      for (const { actor, runsNow } of known.meanwhile.splice(0)) note(known, actor, runsNow);
      done(null);
    };
    const read = after === null ? list : { ...list, after };
    // All that was written before is applied here: this node leads.
    send(group, { type: 'read', read, options: { consistency: 'local' }, done: onPage });
  };

  const write = (group: string, request: RegisterWrite, done: (why: Failure | null) => void): void =>
    send(group, {
      ...{ type: 'write', write: request, options: { timeoutMs: writeTimeoutMs } },
      done: (outcome: Outcome<RegisterResult>) =>
        done(outcome.ok || outcome.failure.code === 'KEY_NOT_FOUND' ? null : outcome.failure),
    });

  return {
    read(group, done) {
      const known: Known = { actors: new Map(), count: 0, isRead: false, meanwhile: [] };
      groups.set(group, known);
      page(group, known, null, done);
    },
    forget: (group) => void groups.delete(group),
    isRead: (group) => groups.get(group)?.isRead === true,
    of(group, { name, placement }) {
      const known = groups.get(group)?.actors.get(name);
      if (placement === 'singleton') return known?.get(onlyKey) === false ? [] : [{ type: name, key: onlyKey }];
      return [...(known ?? [])].flatMap(([key, runsNow]) => (runsNow ? [{ type: name, key }] : []));
    },
    remember(group, { remember }, actor, done) {
      const known = groups.get(group);
      if (!remember || known?.actors.get(actor.type)?.get(actor.key) === true) return done(null);
      if (known !== undefined && known.count >= limits.rememberedMax)
        return done(failure('OVERLOADED', `'${group}' remembers ${known.count} actors, more are not possible`));
      write(group, { op: 'put', key: keyOf(actor), value: runs }, (why) => {
        if (why === null) written(group, actor, true);
        done(why);
      });
    },
    stopped(group, { remember, placement }, actor, done) {
      if (!remember) return done(null);
      const key = keyOf(actor);
      const stays = placement === 'singleton';
      write(group, stays ? { op: 'put', key, value: isStopped } : { op: 'delete', key }, (why) => {
        if (why === null) written(group, actor, stays ? false : null);
        done(why);
      });
    },
    count: (group) => groups.get(group)?.count ?? 0,
  };
};
