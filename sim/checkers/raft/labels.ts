// Snapshots by their labels: index, term and configuration must be those of what was committed, wherever a log begins after one.
import type { SnapshotMeta } from '../../../machines/raft/types.ts';
import type { Of, Scene } from '../raft.ts';
import { digestOfBase } from './digest.ts';

export const onInstalled = ({ group, replica, id, broken }: Scene, { index, term, configuration }: Of<'installed'>): void => {
  const known = group.committed.at(index);
  if (known === undefined ? index > group.committed.lastIndex : known.term !== term)
    broken('state-machine-safety', `${id} installs a snapshot up to ${index} of term ${term}, which nobody has applied`);
  const other = group.configurations.mismatch(index, configuration);
  if (other !== null) broken('configuration-kept', `${id} installs a snapshot up to ${index}, but ${other}`);
  if (replica.applied !== null && index <= replica.applied)
    broken('applied-in-order', `${id} installs a snapshot up to ${index} after it applied ${replica.applied}`);
  replica.log.reset(index, term, known?.digest ?? digestOfBase(index, term));
  replica.configurations.begin(index, configuration);
  replica.applied = index;
  replica.commit = Math.max(replica.commit, index);
  replica.settled = Math.max(replica.settled, index);
};

/** Its own label is what it starts from one day. */
export const onCompacted = ({ group, id, broken }: Scene, { index, term, configuration }: SnapshotMeta): void => {
  const known = group.committed.at(index);
  if (known !== undefined && known.term !== term)
    broken('state-machine-safety', `${id} drops its log up to ${index} of term ${term}, which was committed in ${known.term}`);
  const other = group.configurations.mismatch(index, configuration);
  if (other !== null) broken('configuration-kept', `${id} drops its log up to ${index}, but ${other}`);
};

/** The log of a group begins under the configuration of its genesis; later ones begin after a snapshot. */
export const checkLabel = ({ group, id, broken }: Scene, { index, configuration }: SnapshotMeta): void => {
  if (index === 0) group.configurations.begin(configuration);
  const other = group.configurations.mismatch(index, configuration);
  if (other !== null) broken('configuration-kept', `${id} starts after a snapshot up to ${index}, but ${other}`);
};
