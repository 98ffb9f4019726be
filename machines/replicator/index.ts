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
  type Changed,
  change,
  createObjects,
  type DeltaRecord,
  enterRound,
  findObject,
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
} from './objects.ts';
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
  onPeerGone,
  onProgress,
  onRepairMessage,
  parseRepairMessage,
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
export { resolve, type Strategy, strategyNames } from './strategies.ts';
export type { Plain } from './types.ts';
export { pnCounter, register };

/** Every type that there is. */
export const replicatedTypes: ObjectTypes = [
  ...[register, lwwRegister, gCounter, pnCounter, enableWinsFlag, disableWinsFlag, orSet, lwwMap, orMap, text, list],
];
