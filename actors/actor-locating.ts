// Where the actor of an address is, and what this node knows of its type: hosted here, or learnt from what other nodes answered.
import { type ActorAddress, addressText } from '../machines/entity/address.ts';
import { type Failure, failure } from '../machines/errors.ts';
import type { ActorDefinition, Placing } from './actor-api.ts';
import type { Directory } from './actor-directory.ts';
import type { Found } from './actor-here.ts';
import { isFailure } from './actor-values.ts';
import type { PeerId } from './ports/index.ts';

export type Located =
  | { readonly type: 'here'; readonly found: Found }
  | { readonly type: 'at'; readonly peer: PeerId }
  | { readonly type: 'nowhere'; readonly failure: Failure; readonly againMs: number };

export interface Locating {
  locate(address: ActorAddress): Located;
  /** Ids are kept with the state of actors of this type; false while it is not known. */
  isKept(type: string): boolean;
  /** Another node says whether they are. Who says that they are not is believed before who says that they are. */
  learn(type: string, isKept: boolean): void;
}

type Kind = Pick<ActorDefinition, 'placement' | 'durability'>;

const typesLearntMax = 1_024;
/** Nothing is known of it but its address. */
const ofNode: Kind = { placement: 'node', durability: 'none' };
const ofCluster: Kind = { placement: 'sharded', durability: 'none' };

const never = (why: Failure): Located => ({ type: 'nowhere', failure: why, againMs: 0 });

export const createLocating = (name: string, directory: Directory, placing: () => Placing): Locating => {
  const learnt = new Map<string, boolean>();

  return {
    locate(address) {
      const definition = directory.definition(address.type);
      const canonical = definition === undefined ? address : directory.canonical(definition, address);
      if (isFailure(canonical)) return never(canonical);
      const kind = definition ?? (address.node === null ? ofCluster : ofNode);
      const whereabouts = placing().locate(kind, canonical);
      if (whereabouts.where === 'at') return { type: 'at', peer: whereabouts.peer };
      if (whereabouts.where === 'nowhere')
        return { type: 'nowhere', failure: whereabouts.failure, againMs: whereabouts.againMs };
      if (definition !== undefined)
        return { type: 'here', found: { definition, address: canonical, token: whereabouts.token } };
      const text = addressText(address);
      return never(failure('ACTOR_NOT_FOUND', `${name} hosts no actors of type '${address.type}'`, { address: text }));
    },

    isKept(type) {
      const definition = directory.definition(type);
      return definition === undefined ? learnt.get(type) === true : definition.durability !== 'none';
    },

    learn(type, isKept) {
      if (directory.definition(type) !== undefined || learnt.get(type) === false) return;
      if (learnt.size >= typesLearntMax && !learnt.has(type)) learnt.clear();
      learnt.set(type, isKept);
    },
  };
};
