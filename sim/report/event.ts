// One event of a run as one object of a trace file (`--trace`): flat, with names where the run has ids and words where it has bytes.
import type { Observation } from '../../actors/observe.ts';
import type { Configuration } from '../../machines/raft/types.ts';
import type { RunEvent } from '../record.ts';
import { describeMessage } from './message.ts';

export type TraceLine = { readonly type: string; readonly atMs: number } & Readonly<Record<string, unknown>>;

const votersOf = ({ voters, outgoing, learners, members }: Configuration): Record<string, unknown> => {
  const names = (replicas: readonly string[]): string[] => replicas.map((replica) => members[replica]?.name ?? replica);
  return { voters: names(voters), outgoing: outgoing === null ? null : names(outgoing), learners: names(learners) };
};

const rangeOf = (entries: readonly { index: number; term: number }[]): Record<string, unknown> => ({
  first: entries[0]?.index ?? null,
  last: entries.at(-1)?.index ?? null,
  lastTerm: entries.at(-1)?.term ?? null,
});

const fieldsOf = (seen: Observation): Record<string, unknown> => {
  switch (seen.type) {
    case 'role': {
      const { role, term, leader, commit, configuration } = seen;
      return {
        role,
        term,
        leader: leader === null ? null : (configuration.members[leader]?.name ?? leader),
        commit,
        ...votersOf(configuration),
      };
    }
    case 'hard-state':
      return { term: seen.hardState.term, vote: seen.hardState.vote };
    case 'restored': {
      const { hardState, snapshot, applied, entries } = seen;
      return { term: hardState.term, vote: hardState.vote, snapshot: snapshot?.index ?? null, applied, ...rangeOf(entries) };
    }
    case 'logged':
    case 'applied':
      return rangeOf(seen.entries);
    case 'installed':
      return { index: seen.index, term: seen.term };
    case 'compacted':
      return { index: seen.meta.index, term: seen.meta.term };
    case 'read-asked':
      return { ref: seen.ref };
    case 'read-ended':
      return { ref: seen.ref, index: seen.index };
  }
};

/** Steps are no lines: what they come to is observed. */
export const traceLine = (event: Exclude<RunEvent, { type: 'stepped' }>): TraceLine => {
  switch (event.type) {
    case 'sent': {
      const { bytes, ...rest } = event;
      const { kind, text, group } = describeMessage(event.way, bytes);
      return { ...rest, kind, text, group, bytes: bytes.byteLength };
    }
    case 'observed': {
      const { observation: seen, atMs, node } = event;
      return { type: seen.type, atMs, node, group: seen.group, replica: seen.replica, ...fieldsOf(seen) };
    }
    case 'client': {
      const { process, type, f, key = null, value = null } = event.event;
      return { type: 'client', atMs: event.atMs, process, what: type, f, key, value };
    }
    default:
      return event;
  }
};
