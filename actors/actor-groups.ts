// What the actor of a Raft group (actors/group.ts) and the replicated actors in it know of each other.
import type { Ledger, LedgerHost } from '../machines/entity/ledger.ts';
import type { Failure } from '../machines/errors.ts';
import type { KeyspaceReader } from '../machines/register/types.ts';
import type { Propose } from './actor-replica-proposals.ts';
import type { Scope } from './supervise.ts';

/** A group of which this node has a replica that is loaded. */
export type ActorGroup = {
  readonly group: string;
  /** Of the group's actor: what fails in there is its failure, and nothing runs once it is over. */
  readonly scope: Pick<Scope, 'after' | 'soon'>;
  /** Another one after a snapshot was installed. */
  ledger(): Ledger;
  /** As of all that is applied. */
  readonly read: KeyspaceReader;
  readonly propose: Propose;
  /** Entries about actors: it takes them as soon as its members read them all, from the moment that somebody wants it. */
  want(): void;
  /** Null: it takes them. */
  whyNot(): Failure | null;
};

/** Told within the group's turn: whoever listens does little, and does not throw. */
export interface ActorGroups {
  /** What folds, and who is told of it. */
  host(group: string): LedgerHost;
  opened(group: ActorGroup): void;
  /** Entries were applied, or the state was replaced (`isReplaced`). */
  applied(group: string, isReplaced: boolean): void;
  closed(group: string): void;
}
