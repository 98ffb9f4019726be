// A replicated actor is brought to life at its leader: made by an entry if there is none, and made one of the definition's version by an
// entry if it is of an older one. Until then nothing is told to it.
import { dumpOf, removalOf } from '../machines/entity/ledger.ts';
import { dropBody, persistedOf } from '../machines/entity/ledger-fold.ts';
import { encodeDump } from '../machines/entity/ledger-records.ts';
import type { ActorName, ActorRecord, FoldDefinition, LedgerItem } from '../machines/entity/ledger-types.ts';
import { migrate } from '../machines/entity/versions.ts';
import { type Failure, failure, reasonOf } from '../machines/errors.ts';
import { pack } from '../machines/wire/envelope.ts';
import type { ActorDefinition } from './actor-api.ts';
import type { PersistedBody } from './actor-body-api.ts';
import type { ItemEnd } from './actor-replica-proposals.ts';
import { plainOf } from './actor-values.ts';

export type OpeningPlace = {
  propose(item: LedgerItem, done: (end: ItemEnd) => void): void;
  record(name: ActorName): ActorRecord | null;
  find(type: string, version: number): FoldDefinition | null;
  /** This replica has not followed it: another is asked for its state. False: nobody there knows it. */
  ask(name: ActorName): boolean;
};

type Done = (why: Failure | null) => void;

/** How often its state may change while it is being migrated. */
const migrationsMax = 8;

const failureOf = (end: ItemEnd): Failure | null => {
  if (end.type === 'not-taken') return end.failure;
  if (end.type === 'unknown') return failure('NOT_READY', 'the leader of its group was lost while the actor was opened');
  return end.outcome.type === 'refused' ? end.outcome.failure : null;
};

const inputOf = (definition: ActorDefinition, key: string): Uint8Array | Failure => {
  try {
    const plain = plainOf(definition.input(key) ?? null, 'input');
    return plain.ok ? pack(plain.value) : plain.failure;
  } catch (error) {
    return failure('ACTOR_FAILED', `what makes the input of ${definition.name} threw ${reasonOf(error)}`);
  }
};

/** Null: it lives, in the version of the definition, and this replica has folded it. */
export const openReplica = (
  place: OpeningPlace,
  definition: ActorDefinition,
  name: ActorName,
  onlyIfMade: boolean,
  done: Done,
): void => {
  const record = place.record(name);
  if (record !== null) return upgrade(place, definition, name, done);
  if (onlyIfMade) return done(failure('ACTOR_STOPPED', `there is no actor '${name}'`));
  const input = inputOf(definition, name.slice(definition.name.length + 1));
  if (!(input instanceof Uint8Array)) return done(input);
  place.propose({ kind: 'create', actor: name, version: definition.version, input }, (end) => {
    const why = failureOf(end);
    if (why === null) return upgrade(place, definition, name, done);
    // Stillborn: it is tried anew by the next message.
    if (why.code === 'ACTOR_FAILED') place.propose(removalOf(name, place.record(name)), () => done(why));
    else done(why);
  });
};

/** Made one of the definition's version, if it is not. */
export const upgrade = (place: OpeningPlace, definition: ActorDefinition, name: ActorName, done: Done, tries = 0): void => {
  const record = place.record(name);
  if (record === null) return done(failure('NOT_READY', `actor '${name}' was removed while it was opened`));
  if (record.version === definition.version || record.presence === 'halted')
    return done(record.backlog.length === 0 ? null : behind(place, record));
  const item = migratedItem(place, definition, record);
  if ('code' in item) return done(item);
  place.propose(item, (end) => {
    const why = failureOf(end);
    if (why === null || (why.code === 'NOT_READY' && tries < migrationsMax)) upgrade(place, definition, name, done, tries + 1);
    else done(why);
  });
};

/** As long as somebody may know, whoever asks waits. */
const behind = (place: OpeningPlace, { name, version, backlog }: ActorRecord): Failure => {
  const what = `this replica lacks what came of the last ${backlog.length} events of '${name}', which are of version ${version}`;
  return place.ask(name)
    ? failure('NOT_READY', `${what}: it asks the others`, { persisted: version })
    : failure('ACTOR_VERSION', `${what}, and so do the others: host that version at one of them`, { persisted: version });
};

/** Its state as the definition's version has it. */
const migratedItem = (place: OpeningPlace, definition: ActorDefinition, record: ActorRecord): LedgerItem | Failure => {
  const { name, version } = record;
  const dumped = dumpOf(record);
  if (dumped === null || record.state === null) return behind(place, record);
  const persisted = persistedOf(record) as PersistedBody;
  const migrated = migrate(definition, version, persisted.snapshot);
  if (!migrated.ok) return migrated.failure;
  const plain = plainOf(migrated.snapshot, 'snapshot');
  if (!plain.ok) return plain.failure;
  const next = { ...persisted, snapshot: plain.value };
  const why = whyNotOpened(place, definition, name, next, record);
  if (why !== null) return why;
  const dump = encodeDump({ ...record, state: pack(next) });
  return { kind: 'state', actor: name, why: 'upgrade', seq: dumped.seq, version: definition.version, dump };
};

/** Found out before it is in the log, where it could not be taken back. */
const whyNotOpened = (
  place: OpeningPlace,
  { name: type, version }: ActorDefinition,
  name: ActorName,
  persisted: unknown,
  record: ActorRecord,
): Failure | null => {
  try {
    const body = place.find(type, version)?.open(name, { persisted, timers: new Set(record.timers.keys()) }) ?? null;
    dropBody({ ...record, body });
    return body === null ? failure('ACTOR_VERSION', `version ${version} of '${type}' is not hosted here`) : null;
  } catch (error) {
    const message = `what the migration to version ${version} made of '${name}' cannot be opened: ${reasonOf(error)}`;
    return failure('ACTOR_VERSION', message, { persisted: record.version, version });
  }
};
