// What two replicas tell each other of the rounds before one compares with the other: where each is, what it has of the others, and the
// ledger to whom it is news.
import { isReplicaId } from '../versions/vector.ts';
import { formLedger, parseLedger } from './rounds-form.ts';
import { type Ledger, ledgerLimits } from './rounds-ledger.ts';
import type { Told } from './rounds-replica.ts';
import type { ReplicaId, Round } from './types.ts';

export type Greeting = {
  /** Asked for an answer, or one. */
  readonly type: 'ask' | 'answer';
  readonly replica: ReplicaId;
  /** Of the ledger that it knows; 0: none. */
  readonly version: number;
  readonly edition: number;
  readonly stable: Round;
  /** Others may hear of what it has. */
  readonly speaks: boolean;
  readonly seen: Told;
  readonly ledger: Ledger | null;
};

export const formGreeting = ({ type, replica, version, edition, stable, speaks, seen, ledger }: Greeting): unknown => [
  ...[type === 'ask' ? 0 : 1, replica, version, edition, stable, speaks, seen],
  ledger === null ? null : formLedger(ledger),
];

const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;

const isTold = (value: unknown): value is Told =>
  Array.isArray(value) &&
  value.length <= ledgerLimits.replicasMax &&
  value.every((row) => Array.isArray(row) && row.length === 2 && isReplicaId(row[0]) && isCount(row[1]));

/** Null: this is none. */
export const parseGreeting = (value: unknown): Greeting | null => {
  if (!Array.isArray(value) || value.length !== 8) return null;
  const [kind, replica, version, edition, stable, speaks, seen, form] = value as unknown[];
  if ((kind !== 0 && kind !== 1) || !isReplicaId(replica) || typeof speaks !== 'boolean' || !isTold(seen)) return null;
  if (!isCount(version) || !isCount(edition) || !isCount(stable)) return null;
  const ledger = form === null ? null : parseLedger(form);
  if (form !== null && ledger === null) return null;
  return { type: kind === 0 ? 'ask' : 'answer', replica, version, edition, stable, speaks, seen, ledger };
};
