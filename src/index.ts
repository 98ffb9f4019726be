// The door of the package: start a node, use its services.
export type {
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
export type { RegisterEvent, RegisterRead, RegisterResult, RegisterWrite } from '../machines/register/types.ts';
export { Entry, type Fence, type FencingToken, type Written } from './client/entry.ts';
export type { NodeConfig, NodeConfigInput } from './config/index.ts';
export { type ErrorCode, PolityError } from './errors.ts';
export { createNode, Node, type PutOptions, Register } from './node.ts';
export { TransportFault } from './transport/index.ts';
export { version } from './version.ts';
