// Data that every node may change without asking, and that becomes the same everywhere (rows G1 to G4): the types, the objects of one
// node, and how two nodes find what one of them lacks.
import { disableWinsFlag, enableWinsFlag } from './flag.ts';
import { gCounter } from './g-counter.ts';
import { lwwMap } from './lww-map.ts';
import { lwwRegister } from './lww-register.ts';
import type { ObjectTypes } from './objects.ts';
import { orMap } from './or-map.ts';
import { orSet } from './or-set.ts';
import { pnCounter } from './pn-counter.ts';
import { register } from './register.ts';
import { list, text } from './sequence.ts';

export { isReplicaId } from '../versions/vector.ts';
export { type Conflict, conflictOf, standing } from './conflicts.ts';
export { type Crdt, isUnfit, type Joined } from './crdt.ts';
export { replicatorLimits } from './limits.ts';
export { type Listing, pageOf } from './listing.ts';
export {
  awaitsRound,
  beginIn,
  type Changed,
  change,
  createObjects,
  type DeltaRecord,
  dropRounded,
  emptyForm,
  enterRound,
  findObject,
  forgetEmpty,
  formOf,
  grow,
  type Heard,
  hear,
  hearState,
  isKey,
  type LogRecord,
  nameOf,
  type Objects,
  type ObjectTypes,
  packedForm,
  ReplicatedObject,
  replay,
  restore,
  savedForm,
} from './objects.ts';
export {
  createPacing,
  paceBegun,
  paceEnded,
  paceNext,
  paceOpened,
  paceSoon,
  pacingDueMs,
  pacingLimits,
} from './pacing.ts';
export {
  createParts,
  forgetParts,
  formPart,
  onPart,
  onPartAck,
  type PartSend,
  parsePart,
  partsDueMs,
  partsTurn,
  sendInParts,
} from './parts.ts';
export {
  beginExchange,
  createRepair,
  createTurn,
  fetchObjects,
  formRepairMessage,
  type Outcome,
  onPeerGone,
  onProgress,
  onRepairMessage,
  parseRepairMessage,
  patienceOf,
  prepare,
  type RepairCounts,
  type RepairMessage,
  type RepairState,
  type RepairTurn,
  repairDueMs,
  repairLimits,
  repairTurn,
} from './reconcile.ts';
export {
  addHeard,
  addOwn,
  addState,
  bytesOfBatch,
  createRecordBatch,
  emptyBatch,
  isBatchFull,
  nextRecord,
  type Piece,
  piecesOf,
  type RecordBatch,
  recordBatchLimits,
  unpackOwned,
} from './record-batch.ts';
export type { Sibling } from './register.ts';
export { formLedger, parseLedger } from './rounds-form.ts';
export {
  findListed,
  type Ledger,
  type Listed,
  ledgerLimits,
  needsRound,
  type Retired,
  register as listReplica,
  retire,
  roundsWithoutLoss,
} from './rounds-ledger.ts';
export { formGreeting, type Greeting, parseGreeting } from './rounds-messages.ts';
export {
  askPermission,
  createRounds,
  isBehind,
  judgeSender,
  learnLedger,
  learnSeen,
  maySpeak,
  missing,
  ownRound,
  type RoundsState,
  type Standing,
  standingOf,
  type Told,
  tellSeen,
} from './rounds-replica.ts';
export { resolve, type Strategy, strategyNames } from './strategies.ts';
export type { Plain } from './types.ts';
export { pnCounter, register };

/** Every type that there is. */
export const replicatedTypes: ObjectTypes = [
  ...[register, lwwRegister, gCounter, pnCounter, enableWinsFlag, disableWinsFlag, orSet, lwwMap, orMap, text, list],
];
