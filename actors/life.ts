// Whether a node serves, and if not, why: judged from its actors, its groups and its disk each time one of them changes.
import type { GroupStatus } from './api.ts';
import type { CellReport } from './supervise.ts';

type Facts = {
  cells: readonly CellReport[];
  groups: readonly GroupStatus[];
  /** Replicas of this node, by group. */
  hosted: ReadonlyMap<string, string>;
  storageFailed: boolean;
  identityLost: boolean;
  /** The cluster's genesis is known. */
  isFormed: boolean;
  isConnected: boolean;
};

type Impairment = 'IDENTITY_LOST' | 'BUILD_TOO_OLD' | 'NOT_READY' | 'STORAGE_FAILED' | 'NO_QUORUM';
const tooOld = 'BUILD_TOO_OLD';
type Verdict =
  | { type: 'serving' }
  | { type: 'broken'; reason: 'STORAGE_FAILED' | 'INTERNAL' }
  | { type: 'impaired'; reason: Impairment };

const impaired = (reason: Impairment): Verdict => ({ type: 'impaired', reason });

export const judgeLife = ({ cells, groups, hosted, ...facts }: Facts): Verdict => {
  if (facts.storageFailed) return { type: 'broken', reason: 'STORAGE_FAILED' };
  if (cells.some(({ state }) => state === 'failed')) return { type: 'broken', reason: 'INTERNAL' };
  if (facts.identityLost) return impaired('IDENTITY_LOST');
  if (!facts.isFormed) return impaired('NOT_READY');
  const loaded = groups.filter(({ id }) => hosted.has(id));
  // A replica that was removed from its group has nothing to wait for: this node serves through others.
  const members = loaded.filter(({ role, voters }) => role !== 'none' || voters.length === 0);
  if (loaded.length < hosted.size || members.some(({ role, halted }) => role === 'none' && halted === null))
    return impaired('NOT_READY');
  if (members.some(({ halted }) => halted === tooOld)) return impaired(tooOld);
  if (members.some(({ halted }) => halted !== null)) return impaired('STORAGE_FAILED');
  if (members.some(({ leader }) => leader === null)) return impaired('NO_QUORUM');
  if (cells.some(({ state }) => state === 'backoff')) return impaired('NOT_READY');
  if (members.length === 0 && !facts.isConnected) return impaired('NO_QUORUM');
  return { type: 'serving' };
};
