// What a leader knows of each other replica and how far it may run ahead of what it knows (etcd's probe, replicate, snapshot).
import type { RaftState } from './state.ts';
import type { RaftOptions, ReplicaId } from './types.ts';

export type ProgressMode =
  /** One append at a time until the logs are known to meet. */
  | 'probe'
  /** Appends flow without waiting, within the in-flight limits. */
  | 'replicate'
  /** The follower is behind the compaction point; nothing flows until its snapshot is sent. */
  | 'snapshot';

export type Progress = {
  /** Every entry up to here is durable on the follower and equal to ours. Never moves back. */
  match: number;
  /** The next entry to send; > match. */
  next: number;
  mode: ProgressMode;
  /** Last index and bytes of appends that are not acknowledged, oldest first; empty unless replicating. */
  inflight: { index: number; bytes: number }[];
  inflightBytes: number;
  /** Mode probe: the one append is under way. */
  probing: boolean;
  heardMs: number;
  /** When the probe was sent, or the oldest append under way became the oldest: silent for long since, it is taken for lost. */
  movedMs: number;
  /** Highest round acknowledged, and the round that was current when match last moved. */
  ackedRound: number;
  matchRound: number;
  /** No snapshot is sent before this time. */
  retryAtMs: number;
  /** Its log lost what it had acknowledged: its acknowledgements count for nothing (decision 12). */
  regressed: boolean;
  /** It has stopped its election timer at the leader's present proposal to be quiet. */
  quiet: boolean;
};

const createProgress = (state: RaftState, nowMs: number): Progress => ({
  ...{ match: 0, next: state.log.lastIndex + 1, mode: 'probe', inflight: [], inflightBytes: 0, probing: false },
  ...{ heardMs: nowMs, movedMs: nowMs, ackedRound: 0, matchRound: 0, retryAtMs: 0, regressed: false, quiet: false },
});

/** Every other member of the configuration gets progress; those on their way out keep theirs until they are let go. */
export const addProgress = (state: RaftState, nowMs: number): void => {
  for (const id of Object.keys(state.configuration.members))
    if (id !== state.replica && !state.progress.has(id)) state.progress.set(id, createProgress(state, nowMs));
};

/** Whatever was sent without waiting is forgotten; one append from behind `match` finds out what arrived. */
export const toProbe = (progress: Progress): void => {
  progress.mode = 'probe';
  progress.next = progress.match + 1;
  progress.probing = false;
  progress.inflight = [];
  progress.inflightBytes = 0;
};

export const toReplicate = (progress: Progress): void => {
  toProbe(progress);
  progress.mode = 'replicate';
};

export const windowIsOpen = ({ inflightMessagesMax, inflightBytesMax }: RaftOptions, progress: Progress): boolean =>
  progress.inflight.length < inflightMessagesMax && progress.inflightBytes < inflightBytesMax;

/** Room in the window again for everything up to `index`: nothing acknowledged stays in flight. */
export const freeInflight = (progress: Progress, index: number, nowMs: number): void => {
  while (progress.inflight.length > 0 && progress.inflight[0]!.index <= index) {
    progress.inflightBytes -= progress.inflight.shift()!.bytes;
    progress.movedMs = nowMs;
  }
};

/** What `replica` counts for in a quorum: its own value for the leader, nothing for who lost what it acknowledged. */
export const counted =
  (state: RaftState, own: number, of: (progress: Progress) => number) =>
  (replica: ReplicaId): number => {
    if (replica === state.replica) return own;
    const progress = state.progress.get(replica);
    return progress === undefined || progress.regressed ? 0 : of(progress);
  };
