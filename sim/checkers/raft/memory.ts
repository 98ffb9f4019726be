// What the judge remembers of a group: each replica's disk as it was reported, what is committed, who led and who voted. Old things
// are forgotten at limits, and what is forgotten is not judged.
import type { Configuration, Entry, HardState, ReplicaId, Role } from '../../../machines/raft/types.ts';
import { CommittedConfigurations } from './configurations.ts';
import { type Digest, digestAfter, emptyDigest } from './digest.ts';
import { LoggedConfigurations } from './members.ts';
import { ReadsUnderWay } from './reads.ts';

export const raftJudgeLimits = { committedMax: 1 << 20, matchedMax: 1 << 16, termsMax: 4_096, violationsMax: 100 } as const;

/** A log as it lies on a replica's disk, one digest an entry. */
export class DurableLog {
  baseIndex = 0;
  baseTerm = 0;
  #baseDigest: Digest = emptyDigest;
  #digests: Digest[] = [];
  #terms: number[] = [];

  get lastIndex(): number {
    return this.baseIndex + this.#digests.length;
  }

  digestAt(index: number): Digest | undefined {
    return index === this.baseIndex ? this.#baseDigest : this.#digests[index - this.baseIndex - 1];
  }

  termAt(index: number): number | undefined {
    return index === this.baseIndex ? this.baseTerm : this.#terms[index - this.baseIndex - 1];
  }

  reset(index: number, term: number, digest: Digest): void {
    this.baseIndex = index;
    this.baseTerm = term;
    this.#baseDigest = digest;
    this.#digests = [];
    this.#terms = [];
  }

  /** Everything from `index` on is gone. `index` is beyond the base. */
  truncateFrom(index: number): void {
    this.#digests.length = Math.min(this.#digests.length, index - this.baseIndex - 1);
    this.#terms.length = this.#digests.length;
  }

  append(entry: Entry): Digest {
    const digest = digestAfter(this.digestAt(this.lastIndex)!, entry);
    this.#digests.push(digest);
    this.#terms.push(entry.term);
    return digest;
  }

  /** Forgets digests up to `index`, as a compaction does. */
  forgetTo(index: number): void {
    const digest = this.digestAt(index);
    if (index <= this.baseIndex || digest === undefined) return;
    this.baseTerm = this.termAt(index)!;
    this.#digests = this.#digests.slice(index - this.baseIndex);
    this.#terms = this.#terms.slice(index - this.baseIndex);
    this.baseIndex = index;
    this.#baseDigest = digest;
  }
}

/** What is committed, dense from `firstIndex` on. */
export class Committed {
  #firstIndex = 1;
  #rows: { digest: Digest; term: number; by: ReplicaId; committedTerm: number }[] = [];

  get lastIndex(): number {
    return this.#firstIndex + this.#rows.length - 1;
  }

  /** `committedTerm`: no later than this term of a leader was it committed. */
  at(index: number): { digest: Digest; term: number; by: ReplicaId; committedTerm: number } | undefined {
    return this.#rows[index - this.#firstIndex];
  }

  /** The next index; after a gap, which only a judge that came late meets, what was before is forgotten. */
  add(index: number, digest: Digest, term: number, by: ReplicaId, committedTerm: number): void {
    if (index !== this.lastIndex + 1) {
      this.#firstIndex = index;
      this.#rows = [];
    }
    this.#rows.push({ digest, term, by, committedTerm });
    if (this.#rows.length <= raftJudgeLimits.committedMax) return;
    const forgotten = this.#rows.length >>> 1;
    this.#rows = this.#rows.slice(forgotten);
    this.#firstIndex += forgotten;
  }
}

export type ReplicaMemory = {
  log: DurableLog;
  /** Those of `log`. */
  configurations: LoggedConfigurations;
  hardState: HardState;
  /** Everything up to here is committed and was on this replica's disk. */
  settled: number;
  role: Role;
  /** Of this life; 0 and null until something is seen. */
  term: number;
  commit: number;
  applied: number | null;
  reads: ReadsUnderWay;
  /** Its disk was hurt beyond what a disk may do; until it is restored. */
  isDamaged: boolean;
  /** It was damaged at some time: what it once acknowledged may be gone. */
  wasDamaged: boolean;
};

/** `configurations`: those in force at the leader in this term, as seen. */
export type Leadership = { readonly leader: ReplicaId; readonly configurations: Configuration[] };

export class GroupMemory {
  readonly replicas = new Map<ReplicaId, ReplicaMemory>();
  readonly committed = new Committed();
  readonly configurations = new CommittedConfigurations();
  readonly leaderships = new Map<number, Leadership>();
  readonly votes = new Map<number, Map<ReplicaId, ReplicaId>>();
  /** Digests by index and term: log matching says that there is one for each. */
  readonly #matched = new Map<number, Map<number, { digest: Digest; by: ReplicaId }>>();

  replica(id: ReplicaId): ReplicaMemory {
    let replica = this.replicas.get(id);
    if (replica === undefined) {
      replica = {
        ...{
          log: new DurableLog(),
          configurations: new LoggedConfigurations(),
          hardState: { term: 0, vote: null },
          settled: 0,
          role: 'follower',
          term: 0,
          commit: 0,
        },
        ...{ applied: null, reads: new ReadsUnderWay(), isDamaged: false, wasDamaged: false },
      };
      this.replicas.set(id, replica);
    }
    return replica;
  }

  /** Who showed another log with the same index and term, or null. */
  match(index: number, term: number, digest: Digest, by: ReplicaId): ReplicaId | null {
    let terms = this.#matched.get(index);
    if (terms === undefined) {
      this.#matched.set(index, (terms = new Map()));
      forgetOldest(this.#matched, raftJudgeLimits.matchedMax);
    }
    const known = terms.get(term);
    if (known !== undefined) return known.digest === digest ? null : known.by;
    terms.set(term, { digest, by });
    return null;
  }

  votesOf(term: number): Map<ReplicaId, ReplicaId> {
    let votes = this.votes.get(term);
    if (votes === undefined) {
      this.votes.set(term, (votes = new Map()));
      forgetOldest(this.votes, raftJudgeLimits.termsMax);
    }
    return votes;
  }
}

/** A Map keeps the order in which keys came. */
export const forgetOldest = (map: Map<number, unknown>, sizeMax: number): void => {
  if (map.size <= sizeMax) return;
  for (const key of map.keys()) {
    map.delete(key);
    if (map.size <= sizeMax / 2) return;
  }
};
