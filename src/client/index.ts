// The door of `polity/client`: light, and without any of the parts that only members need.

export type { Graph, GraphStep, StepReport } from '../../machines/graph/index.ts';
export type {
  ListedService,
  ServiceDescription,
  ServiceEndReason,
  ServiceId,
  ServiceListing,
  ServiceOffer,
  ServiceOwner,
  ServicePage,
  ServiceQuery,
  ServiceVersion,
} from '../catalog/index.ts';
export { type ErrorCode, PolityError } from '../errors.ts';
export type {
  ConsumeOptions,
  Consumer,
  Delivery,
  GiveBackOptions,
  Handler,
  HandlerContext,
  Held,
  Letter,
  OpenQueue,
  Queue,
  QueueCallOptions,
  QueueListOptions,
  QueueOptions,
  QueueStats,
  ReceiveOptions,
  SendOptions,
} from '../queue/index.ts';
export type {
  HandlerOptions,
  PublishOptions,
  SubscribeOptions,
  Topic,
  TopicHandler,
  TopicMessage,
  TopicOptions,
  TopicSubscription,
} from '../topic/index.ts';
export type { ActorCallOptions, ActorClient, ActorDeliverOptions, ActorEnded } from './actors.ts';
export type { BreakerCommand, BreakerReport, BreakersClient } from './breakers.ts';
export type { CallsClient, ServiceCallOptions } from './calls.ts';
export {
  type CallOptions,
  type Client,
  type ClientOptions,
  createClient,
  type DeleteOptions,
  type GroupChange,
  type Guards,
  type ListOptions,
  type LockOptions,
  type PutOptions,
  type ReadOptions,
  type WriteOptions,
} from './client.ts';
export { Entry, type Fence, type FencingToken, type Written } from './entry.ts';
export type {
  FollowActorsOptions,
  InspectedEvent,
  InspectionClient,
  ListActorsOptions,
  ShownActor,
  ShownActors,
  ShownDescription,
  ShownShard,
  ShownShards,
} from './inspection.ts';
export type { Lease, Lock } from './leases.ts';
export type {
  InsideType,
  Plain,
  ReplicaCallOptions,
  ReplicaChanged,
  ReplicaClient,
  ReplicaConflicts,
  ReplicaListing,
  ReplicaName,
  ReplicaPlace,
  ReplicaReadOptions,
  ReplicaSibling,
  ReplicaTree,
  ReplicaType,
  ReplicaTypes,
  ReplicaValue,
  TreeChange,
} from './replica.ts';
export { type RunEnd, RunError, type RunOptions, type RunsClient } from './runs.ts';
export type { ServicesCallOptions, ServicesClient, WatchedService } from './services.ts';
export type { WatchEvent, WatchOptions } from './watch.ts';
