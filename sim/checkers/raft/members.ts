// Changes of members as leaders make them: who may be elected at all, and when a change may follow on another. Both are asked of the
// configurations in a replica's own log, for each replica counts by its own (Raft §6).
import { decodeConfiguration, isVoter } from '../../../machines/raft/index.ts';
import type { Configuration, Entry } from '../../../machines/raft/types.ts';
import type { Scene } from '../raft.ts';
import type { GroupMemory } from './memory.ts';

/** So many configurations of a log are remembered. */
const knownMax = 64;

/** Those of one log, as it lies on the disk; the first is the one in force at its beginning. */
export class LoggedConfigurations {
  #known: { readonly index: number; readonly configuration: Configuration }[] = [];

  begin(index: number, configuration: Configuration | null): void {
    this.#known = configuration === null ? [] : [{ index, configuration }];
  }

  truncateFrom(index: number): void {
    while (this.#known.length > 0 && this.#known.at(-1)!.index >= index) this.#known.pop();
  }

  add({ index, kind, data }: Entry): void {
    if (kind !== 'configuration') return;
    this.#known.push({ index, configuration: decodeConfiguration(data) });
    if (this.#known.length > knownMax) this.#known.shift();
  }

  /** The latest but `back`. */
  latest(back: number): { readonly index: number; readonly configuration: Configuration } | undefined {
    return this.#known.at(-1 - back);
  }
}

const majorityOf = (voters: readonly string[], holds: (voter: string) => boolean): boolean =>
  voters.filter(holds).length * 2 > voters.length || voters.length === 0;

export const quorumOf = ({ voters, outgoing }: Configuration, holds: (voter: string) => boolean): boolean =>
  majorityOf(voters, holds) && (outgoing === null || majorityOf(outgoing, holds));

/** Is this entry on the disk of a voter? What was hurt beyond what a disk may do is not held against anybody. */
export const holderOf =
  ({ replicas }: GroupMemory, index: number, digest: number) =>
  (voter: string): boolean => {
    const replica = replicas.get(voter);
    return replica !== undefined && (replica.wasDamaged || replica.settled >= index || replica.log.digestAt(index) === digest);
  };

/** Before anything of its term is written, so that its log is on its disk as far as it counts. */
export const checkElected = ({ replica, id, broken }: Scene, term: number): void => {
  const [now, before] = [replica.configurations.latest(0), replica.configurations.latest(1)];
  if (now === undefined || isVoter(now.configuration, id)) return;
  if (before !== undefined && isVoter(before.configuration, id)) return;
  broken('voters-lead', `${id} leads term ${term}, but is no voter in the configuration of ${now.index}`);
};

/** `entry` is the latest configuration in the log of the leader that wrote it. */
export const checkChange = ({ group, replica, id, broken }: Scene, entry: Entry): void => {
  const { log, configurations } = replica;
  const before = configurations.latest(1);
  if (before === undefined) return;
  // Its first entry: what is committed of its own term includes this one. One that is forgotten was settled, and may be the base.
  let own = entry.index;
  while (own - 1 >= log.baseIndex && log.termAt(own - 1) === entry.term) own--;
  const index = Math.max(before.index, own);
  const digest = log.digestAt(index);
  if (index <= replica.settled || digest === undefined) return;
  if (index < entry.index && quorumOf(before.configuration, holderOf(group, index, digest))) return;
  const what = index === before.index ? `its change at ${index}` : `the first entry of its term ${entry.term}, ${index},`;
  broken('one-change-at-a-time', `${id} begins a change of members at ${entry.index} before ${what} is committed`);
};
