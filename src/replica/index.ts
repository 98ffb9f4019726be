// Data that every node may change without asking (decision 6): `node.replica.counter('visits')` and its sisters. Works before any other
// node is there and while the cluster is cut; whoever meets again agrees. An object is named by its type and its key.
import type { ReplicaApi } from '../../actors/api.ts';
import type { Strategy } from '../../machines/replicator/strategies.ts';
import type { Plain } from '../../machines/replicator/types.ts';
import { ReplicaCounter, ReplicaFlag, ReplicaList, ReplicaMap, ReplicaRegister, ReplicaSet, ReplicaText } from './types.ts';

export type { Strategy } from '../../machines/replicator/strategies.ts';
export type { Plain } from '../../machines/replicator/types.ts';
export { ReplicaObject, type WaitOptions } from './object.ts';
export { ReplicaCounter, ReplicaFlag, ReplicaList, ReplicaMap, ReplicaRegister, ReplicaSet, ReplicaText } from './types.ts';

export class Replica {
  readonly #api: ReplicaApi;

  constructor(api: ReplicaApi) {
    this.#api = api;
  }

  register<Value extends Plain>(key: string, options: { conflicts?: Strategy } = {}): ReplicaRegister<Value> {
    return new ReplicaRegister(this.#api, key, options.conflicts ?? 'last-writer');
  }

  counter(key: string): ReplicaCounter {
    return new ReplicaCounter(this.#api, key);
  }

  flag(key: string, options: { wins?: 'on' | 'off' } = {}): ReplicaFlag {
    return new ReplicaFlag(this.#api, key, options.wins ?? 'on');
  }

  orSet<Element extends Plain>(key: string): ReplicaSet<Element> {
    return new ReplicaSet(this.#api, key);
  }

  text(key: string): ReplicaText {
    return new ReplicaText(this.#api, key);
  }

  list<Value extends Plain>(key: string): ReplicaList<Value> {
    return new ReplicaList(this.#api, key);
  }

  map<Value extends Plain>(key: string): ReplicaMap<Value> {
    return new ReplicaMap(this.#api, key);
  }
}
