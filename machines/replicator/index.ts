// Data that every node may change without asking, and that becomes the same everywhere (rows G1 to G4): the types, the objects of one
// node, and how two nodes find what one of them lacks.
export { isReplicaId } from '../versions/vector.ts';
export { type Crdt, isUnfit, type Joined } from './crdt.ts';
export { replicatorLimits } from './limits.ts';
export {
  type Changed,
  change,
  createObjects,
  type DeltaRecord,
  enterRound,
  findObject,
  formOf,
  type Heard,
  hear,
  hearState,
  isKey,
  nameOf,
  type Objects,
  type ObjectTypes,
  type ReplicatedObject,
  replay,
  restore,
} from './objects.ts';
export { pnCounter } from './pn-counter.ts';
export { register } from './register.ts';
export { resolve, type Strategy, strategyNames } from './strategies.ts';
