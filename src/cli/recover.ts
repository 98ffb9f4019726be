// `polity recover`: after a majority of a group is lost for good, tells a surviving replica, offline, who votes from now on. Without
// --accept-data-loss it only says what would be given up.
import { readHosted } from '../../actors/identity.ts';
import type { SinkPort, StoragePort } from '../../actors/ports/index.ts';
import { type LoadedGroup, loadGroup } from '../../actors/raft-store.ts';
import { forceConfiguration, type Recovery } from '../../actors/recovery.ts';
import { createWriter, type Writer } from '../../actors/writer.ts';
import type { Member } from '../../machines/raft/types.ts';
import { realClock } from '../clock.ts';
import { databaseIn, holdsDatabase } from '../storage/directory.ts';
import { openLevelStorage } from '../storage/level.ts';
import { CommandError, UsageError } from './exit.ts';
import { print, printJson } from './output.ts';

export type RecoverOptions = { data?: string; group?: string; voters?: string[]; acceptDataLoss?: boolean; json?: boolean };

const sink: SinkPort = {
  log: (level, code, message) => {
    if (level === 'error' || level === 'warn') console.error(`polity: ${code}: ${message}`);
  },
  count: () => {},
};

const hostedReplica = (storage: StoragePort, group: string): string => {
  const replica = readHosted(storage, group);
  if (replica === null) throw new CommandError(`this directory holds no replica of group '${group}'`);
  return replica;
};

const load = (writer: Writer, group: string): Promise<Extract<LoadedGroup, { ok: true }>> =>
  new Promise((resolve, reject) => {
    loadGroup(writer, group, (loaded) => {
      if (loaded.ok) resolve(loaded);
      else reject(new CommandError(`${loaded.halted}: ${loaded.message}; recover from another replica`));
    });
  });

/** Names of nodes, as people know them, to replicas, as the log does. */
const replicasOf = (names: readonly string[], self: string, members: readonly Member[]): string[] => {
  if (names.length === 0) return [self];
  return names.map((name) => {
    const found = members.find((member) => member.name === name);
    if (found === undefined)
      throw new UsageError(
        `--voters: this replica knows no '${name}' (it knows ${members.map((member) => member.name).join(', ')})`,
      );
    return found.replica;
  });
};

const write = (writer: Writer, { operations }: Extract<Recovery, { ok: true }>): Promise<void> =>
  new Promise((resolve, reject) => {
    writer.write(operations, { durable: true }, (why) => {
      if (why === null) resolve();
      else reject(new CommandError(`${why.code}: ${why.message}; nothing was changed`));
    });
  });

const stopped = (closing: { stop(done: () => void): void }): Promise<void> => new Promise((resolve) => closing.stop(resolve));

export const recover = async (options: RecoverOptions): Promise<void> => {
  const { data, group = 'kv', voters = [] } = options;
  if (data === undefined) throw new UsageError('--data DIR is needed: the directory of a node that is stopped');
  // Opening would make one.
  if (!holdsDatabase(data)) throw new CommandError(`${data} is not the data directory of a node`);
  const storage = await openLevelStorage(databaseIn(data)).catch((error: unknown) => {
    throw new CommandError((error as Error).message);
  });
  const writer = createWriter({ storage, clock: realClock, sink });
  try {
    const self = hostedReplica(storage, group);
    const { store, restored } = await load(writer, group);
    // The one that keeps only itself is possible whenever there is a configuration at all; its report names everybody.
    const alone = forceConfiguration(store, restored, self, [self]);
    if (!alone.ok) throw new CommandError(alone.message);
    const known = [...alone.report.voters, ...alone.report.removed];
    const wanted = replicasOf(voters, self, known);
    const recovery = voters.length === 0 ? alone : forceConfiguration(store, restored, self, wanted);
    if (!recovery.ok) throw new UsageError(recovery.message);
    if (options.acceptDataLoss === true) await write(writer, recovery);
    tell(recovery.report, options);
  } finally {
    await stopped(writer);
    await stopped(storage);
  }
};

const tell = (report: Extract<Recovery, { ok: true }>['report'], options: RecoverOptions): void => {
  const done = options.acceptDataLoss === true;
  if (options.json === true) return printJson({ done, ...report });
  const names = report.voters.map((member) => member.name).join(', ');
  print(
    `Applied up to ${report.appliedIndex}, the log ends at ${report.lastIndex}. Voters from now on: ${names} (term ${report.term}).`,
  );
  for (const sentence of report.givenUp) print(`- ${sentence}`);
  if (done) print('Done. Start this node; then bring others back with empty directories and `polity group add`.');
  else throw new CommandError('nothing was changed; say --accept-data-loss if this is what you want', 'usage');
};
