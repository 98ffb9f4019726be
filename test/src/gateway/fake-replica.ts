// Replicated objects of a node for tests of the doors: the real types in memory, no disk and no others, unless a test plays one.
import type { ListedReplica, ReplicaApi } from '../../../actors/api.ts';
import { type Failure, failure } from '../../../machines/errors.ts';
import {
  change,
  createObjects,
  hear,
  nameOf,
  packedForm,
  pageOf,
  replicatedTypes,
} from '../../../machines/replicator/index.ts';

const wallMs = 1_700_000_000_000;

export class FakeReplica {
  #objects = createObjects('replica-b', replicatedTypes);
  #followers = new Map<string, Set<() => void>>();
  followed = 0;
  /** Its disk is not read yet. */
  isClosed = false;
  /** Answers a change in place of the objects: a failure, 'silent' for no answer, null to go on. */
  intercept: () => Failure | 'silent' | null = () => null;

  /** Others make this change knowing nothing of what is here. `by`: a replica id; its own side of things is forgotten at once. */
  hears(by: string, type: string, key: string, given: unknown): void {
    const others = createObjects(by, replicatedTypes);
    const changed = change(others, wallMs + 1, type, key, given);
    if (!changed.ok || changed.record === null) throw new Error('this is no change');
    hear(this.#objects, wallMs + 1, changed.record, 0);
    this.#tell(nameOf(type, key));
  }

  #tell(name: string): void {
    for (const hear of [...(this.#followers.get(name) ?? [])]) hear();
  }

  readonly listed: ListedReplica[] = [{ replica: 'r1', peerId: 'p1', name: 'n1', round: 1, standing: 'member' }];

  readonly api: ReplicaApi = {
    change: (type, key, given, done) => {
      const why = this.isClosed ? failure('NOT_READY', 'being read') : this.intercept();
      if (why === 'silent') return;
      if (why !== null) return done({ ok: false, failure: why });
      const changed = change(this.#objects, wallMs, type, key, given);
      if (changed.ok) this.#tell(nameOf(type, key));
      setImmediate(() => done(changed.ok ? { ok: true, value: null } : changed));
    },
    read: (type, key) => {
      const object = this.#objects.all.get(nameOf(type, key));
      return object?.type.read(object.state);
    },
    version: (type, key) => this.#objects.all.get(nameOf(type, key))?.version ?? -1,
    form: (type, key) => packedForm(this.#objects.all, nameOf(type, key))?.slice(),
    onConflict: () => () => {},
    opened: (done) => done({ ok: true, value: null }),
    follow: (type, key, on) => {
      const name = nameOf(type, key);
      const all = this.#followers.get(name) ?? new Set();
      this.#followers.set(name, all.add(on));
      this.followed++;
      return () => {
        if (all.delete(on)) this.followed--;
      };
    },
    replicas: () => ({ replica: 'r1', standing: 'member', round: 1, stable: 0, replicas: this.listed }),
    retire: (named, done) => {
      const found = this.listed.find(({ replica, name }) => replica === named || name === named);
      if (found === undefined)
        return done({ ok: false, failure: failure('NOT_FOUND', `no replica is listed under '${named}'`) });
      done({ ok: true, value: { replica: found.replica, name: found.name } });
    },
    list: ({ limit = 1_000, ...wanted }) =>
      pageOf(this.#objects.all, { ...wanted, limit }).map(({ type, key }) => ({ type: type.type, key })),
    summary: () => ({
      ...{ replica: this.isClosed ? null : 'replica-b', objects: this.#objects.all.size, conflicts: 0, logBytes: 0 },
    }),
  };
}
