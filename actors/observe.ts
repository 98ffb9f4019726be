// The tap through which a simulator or an inspector sees what replicas do, as plain data, after it is done. Nothing answers.
import type { Configuration, Entry, HardState, RaftEffect, RaftEvent, Role, SnapshotMeta } from '../machines/raft/types.ts';

export type Observation =
  /** A life of this replica begins with what its disk gave back: log entries from `snapshot.index` + 1 on. */
  | {
      type: 'restored';
      group: string;
      replica: string;
      hardState: HardState;
      snapshot: SnapshotMeta | null;
      entries: Entry[];
      /** The state machine's keyspace holds everything up to here. */
      applied: number;
    }
  | {
      type: 'role';
      group: string;
      replica: string;
      role: Role;
      term: number;
      leader: string | null;
      commit: number;
      configuration: Configuration;
    }
  /** Durable from now on. */
  | { type: 'hard-state'; group: string; replica: string; hardState: HardState }
  /** Entries that became durable: the log holds them from `entries[0].index` on, nothing beyond the last. */
  | { type: 'logged'; group: string; replica: string; entries: Entry[] }
  | { type: 'applied'; group: string; replica: string; entries: Entry[] }
  | { type: 'installed'; group: string; replica: string; index: number; term: number; configuration: Configuration }
  /** The log begins after this from now on. */
  | { type: 'compacted'; group: string; replica: string; meta: SnapshotMeta }
  /** A read that is to be answered without a log entry; `ref` is a number of this life. */
  | { type: 'read-asked'; group: string; replica: string; ref: number }
  /** Confirmed: a state applied up to `index` may answer it; null: refused. */
  | { type: 'read-ended'; group: string; replica: string; ref: number; index: number | null };

export type Observe = (observation: Observation) => void;

/** One step of a replica's machine, for whoever holds it against a model (sim/tla.ts): what it was told, wants, and is after it. */
export type Step = {
  group: string;
  replica: string;
  event: RaftEvent;
  effects: readonly RaftEffect[];
  role: Role;
  term: number;
  vote: string | null;
  commit: number;
  lastIndex: number;
  durable: number;
  configuration: Configuration;
};

export type ObserveStep = (step: Step) => void;
