// The ledger of rounds (rounds-ledger.ts) as plain data: one value of the register service, and in messages between members.
import { isReplicaId } from '../versions/vector.ts';
import { isWellFormed } from '../wire/octets.ts';
import { type Ledger, type Listed, ledgerLimits, type Retired } from './rounds-ledger.ts';
import type { ReplicaId, Round } from './types.ts';

const ledgerFormat = 1;

/** Format, version, edition, highest, stable, those listed, those retired. */
export const formLedger = ({ version, edition, highest, stable, listed, retired }: Ledger): unknown => [
  ...[ledgerFormat, version, edition, highest, stable],
  listed.map(({ id, peer, name, begin, round }) => [id, peer, name, begin, round]),
  retired.map(({ id, peer, name, at }) => [id, peer, name, at]),
];

const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;

const isText = (value: unknown, charsMax: number): value is string =>
  typeof value === 'string' && value.length <= charsMax && isWellFormed(value);

/** Id, peer and name, which begin every row. */
const isWho = (row: unknown, fields: number): row is [ReplicaId, string, string, ...unknown[]] => {
  if (!Array.isArray(row) || row.length !== fields) return false;
  const [id, peer, name] = row as unknown[];
  return isReplicaId(id) && isText(peer, ledgerLimits.peerCharsMax) && isText(name, ledgerLimits.nameCharsMax);
};

const listedOf = (row: unknown, highest: Round): Listed | null => {
  if (!isWho(row, 5)) return null;
  const [id, peer, name, begin, round] = row;
  if (!isCount(begin) || begin < 1 || begin > highest || !isCount(round) || round > highest) return null;
  return round > 0 && round < begin ? null : { id, peer, name, begin, round };
};

const retiredOf = (row: unknown, highest: Round): Retired | null => {
  if (!isWho(row, 4)) return null;
  const [id, peer, name, at] = row;
  return isCount(at) && at <= highest ? { id, peer, name, at } : null;
};

const rowsOf = <Row>(value: unknown, countMax: number, rowOf: (row: unknown) => Row | null): Row[] | null => {
  if (!Array.isArray(value) || value.length > countMax) return null;
  const rows = (value as unknown[]).map(rowOf);
  return rows.every((row) => row !== null) ? (rows as Row[]) : null;
};

/** Null: this is no ledger. */
export const parseLedger = (value: unknown): Ledger | null => {
  if (!Array.isArray(value) || value.length !== 7) return null;
  const [format, version, edition, highest, stable, listedRows, retiredRows] = value as unknown[];
  if (format !== ledgerFormat || !isCount(version) || !isCount(edition) || !isCount(highest) || !isCount(stable)) return null;
  if (version < 1 || edition < 1 || highest < 1 || stable > highest) return null;
  const listed = rowsOf(listedRows, ledgerLimits.replicasMax, (row) => listedOf(row, highest));
  const retired = rowsOf(retiredRows, ledgerLimits.retiredMax + ledgerLimits.replicasMax, (row) => retiredOf(row, highest));
  if (listed === null || retired === null) return null;
  const ids = [...listed, ...retired].map(({ id }) => id);
  return new Set(ids).size === ids.length ? { version, edition, highest, stable, listed, retired } : null;
};
