// The door of the package: start a node, use its services.
export type {
  AnnounceOptions,
  CallOptions,
  GroupChange,
  GroupStatus,
  NodeStatus,
  PeerStatus,
  ReadOptions,
  WatchMessage,
  WriteOptions,
} from '../actors/api.ts';
export { StorageFault } from '../actors/ports/index.ts';
export { Entry, type Written } from '../machines/register/entry.ts';
export type {
  Fence,
  FencingToken,
  RegisterEvent,
  RegisterRead,
  RegisterResult,
  RegisterWrite,
} from '../machines/register/types.ts';
export type { NodeConfig, NodeConfigInput } from './config/index.ts';
export { type ErrorCode, PolityError } from './errors.ts';
export { type Announcement, createNode, Node, type PutOptions, Register } from './node.ts';
export {
  type AnyFields,
  type CounterChange,
  type FieldsLike,
  type FieldValues,
  type FlagChange,
  type FollowOptions,
  type MapChange,
  type OrMapChange,
  type Plain,
  type PlainLike,
  type RegisterChange,
  type RegisterOptions,
  Replica,
  type ReplicaConflict,
  ReplicaCounter,
  type ReplicaField,
  ReplicaFlag,
  ReplicaGCounter,
  ReplicaList,
  ReplicaLwwRegister,
  ReplicaMap,
  ReplicaObject,
  type ReplicaObserver,
  type ReplicaOptions,
  ReplicaOrMap,
  ReplicaRegister,
  ReplicaSet,
  type ReplicaStore,
  type ReplicaStrategy,
  type ReplicaSubscription,
  ReplicaText,
  replicaStore,
  type SequenceChange,
  type SetChange,
  type SyncPolicy,
  type WaitOptions,
} from './replica/index.ts';
export {
  defineService,
  type Handler,
  type Handlers,
  type MethodDefinition,
  type MethodDefinitions,
  type ServedService,
  type ServiceCallOptions,
  type ServiceClient,
  ServiceContext,
  type ServiceDefinition,
  ServiceError,
  type ServiceSpecification,
  ServiceStream,
  unchecked,
} from './service/index.ts';
export { TransportFault } from './transport/index.ts';
export { version } from './version.ts';
