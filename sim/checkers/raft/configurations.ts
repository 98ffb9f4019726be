// Who belonged to a group at which index, by its committed entries: a snapshot must carry the configuration of its own index, or
// whoever installs it, or starts from it, counts other majorities than everybody else (Raft §7; dissertation §5.1.1).
import { decodeConfiguration } from '../../../machines/raft/index.ts';
import type { Configuration, Entry } from '../../../machines/raft/types.ts';

const sorted = (ids: readonly string[] | null): string => (ids === null ? '-' : [...ids].sort().join(' '));

/** The same text for the same members in the same parts, in whatever order they are named. */
const textOf = ({ voters, outgoing, learners, learnersNext, members }: Configuration): string => {
  const named = Object.values(members).map(({ replica, name, peer }) => `${replica}=${name}@${peer}`);
  return [voters, outgoing, learners, learnersNext, named].map(sorted).join('; ');
};

export class CommittedConfigurations {
  /** In order of index. */
  #known: { readonly index: number; readonly text: string }[] = [];

  /** What a group begins with, as anybody has it. */
  begin(configuration: Configuration): void {
    if (this.#known.length === 0) this.#known.push({ index: 0, text: textOf(configuration) });
  }

  /** An entry that is committed; each once, in order. */
  add({ index, kind, data }: Entry): void {
    if (kind === 'configuration') this.#known.push({ index, text: textOf(decodeConfiguration(data)) });
  }

  /** Entries are committed that this one has not seen: what was before says nothing of what comes. */
  forget(): void {
    this.#known = [];
  }

  /**
   * What is wrong with a snapshot's label, in words, or null. Of what is not known nothing is; nor of a label that names nobody, for
   * who was added with an empty log has the entries before its own configuration, and not the genesis.
   */
  mismatch(index: number, configuration: Configuration): string | null {
    if (configuration.voters.length === 0) return null;
    const inForce = this.#known.findLast((one) => one.index <= index);
    const text = textOf(configuration);
    if (inForce === undefined || inForce.text === text) return null;
    return `the configuration of ${inForce.index} is in force at ${index} (${inForce.text}), not ${text}`;
  }
}
