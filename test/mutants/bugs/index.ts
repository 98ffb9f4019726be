// All mutants, in the order in which they are told.
import type { Mutant } from '../mutant.ts';
import { actors } from './actors.ts';
import { calls } from './calls.ts';
import { catalog } from './catalog.ts';
import { disk } from './disk.ts';
import { gossip } from './gossip.ts';
import { graphs } from './graphs.ts';
import { history } from './history.ts';
import { members } from './members.ts';
import { queues } from './queues.ts';
import { reads } from './reads.ts';
import { replicas } from './replicas.ts';
import { replication } from './replication.ts';
import { requests } from './requests.ts';
import { rounds } from './rounds.ts';
import { snapshots } from './snapshots.ts';
import { topics } from './topics.ts';
import { versions } from './versions.ts';
import { votes } from './votes.ts';

export const mutants: readonly Mutant[] = [
  ...votes,
  ...replication,
  ...disk,
  ...reads,
  ...members,
  ...snapshots,
  ...requests,
  ...gossip,
  ...catalog,
  ...replicas,
  ...rounds,
  ...queues,
  ...topics,
  ...graphs,
  ...calls,
  ...actors,
  ...versions,
  ...history,
];
