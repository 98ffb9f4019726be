// What places actors of the cluster, to whoever opens them (the door), stops the node or looks on.
import type { ActorAddress } from '../machines/entity/address.ts';
import type { Hosted, Kind } from '../machines/entity/hosted.ts';
import type { Failure } from '../machines/errors.ts';
import type { FencingToken } from '../machines/register/types.ts';
import type { ActorDefinition, Leadership, LiveActor, Placing } from './actor-api.ts';

/** What opens actors at this node. */
export type ShardHost = {
  definitions(): readonly ActorDefinition[];
  /** Brings it to life here as a message that makes it would, if it does not live already. */
  open(definition: ActorDefinition, address: ActorAddress, done: (why: Failure | null) => void): void;
  /** Another node hosts these. */
  learn?(kinds: readonly Kind[]): void;
  /** The versions of each type of which the group holds state. */
  persisted?(group: string): Hosted;
};

/**
 * Whether a voter of a group may lead it: it is not there, it is there and not ready, or it lacks a type that another hosts, or a version
 * that the group's state needs.
 */
export type VoterStanding = 'able' | 'away' | 'not-ready' | 'lacking';

/** A group that holds actors, as this node knows it. */
export type ShardView = {
  readonly group: string;
  /** Node names, or null where nobody is known. */
  readonly leader: string | null;
  readonly preferred: string | null;
  /** Who may lead it, and why others may not; empty where this node has no replica of it, or nobody hosts actors of the cluster. */
  readonly voters: readonly { readonly node: string; readonly standing: VoterStanding }[];
  readonly token: FencingToken | null;
  /** Those of this node. */
  readonly actors: number;
  readonly remembered: number;
};

/** Where an actor is to be found, and by which group; `failure`: why it is not, or would not be. */
export type ShardPlace = { readonly group: string | null; readonly node: string | null; readonly failure: Failure | null };

export interface Shards extends Placing {
  /** In place of whoever was served before; before anything is hosted. */
  serve(host: ShardHost): void;
  /** Types that this node hosts have changed. */
  hosted(): void;
  /** Asked before an actor is opened for a message that makes it: one that is to be remembered is, first. At once if it is already. */
  opening(definition: ActorDefinition, address: ActorAddress, done: (why: Failure | null) => void): void;
  /** It lives here now, under this token; it is released if that is lost already. Nothing to do for those of a node. */
  opened(actor: LiveActor, token: FencingToken | null): void;
  /** It does not live here any more, whatever the reason. */
  gone(actor: LiveActor): void;
  /** It was stopped for good: it is not remembered any more. */
  stopped(definition: ActorDefinition, address: ActorAddress, done: (why: Failure | null) => void): void;
  /** Null before the cluster is known. */
  groupOf(address: Pick<ActorAddress, 'type' | 'key'>): string | null;
  leadership(group: string): Leadership;
  view(): readonly ShardView[];
  /** As `locate`, for a person: nothing is kept awake by it. */
  find(address: ActorAddress): ShardPlace;
}
