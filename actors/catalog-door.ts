// What a node knows for its catalog actor, whatever becomes of that: what this node offers, who was thrown out, who watches; and the calls
// of those who offer and look. Looking costs no message: it reads what the actor knows.
import {
  type CatalogChange,
  type CatalogState,
  describe,
  type Entry,
  type Found,
  find,
  isWanted,
  list,
  type Offer,
  type QueryRefusal,
  type Wanted,
  wantedOf,
} from '../machines/catalog/index.ts';
import { type Failure, failure, PolityError } from '../machines/errors.ts';
import type { Change } from '../machines/membership/index.ts';
import type { GossipApi } from './api.ts';
import { type CatalogActorEvent, type CatalogArguments, type CatalogRequest, catalogTopic } from './catalog.ts';
import type { GossipDoor } from './gossip-door.ts';
import type { ClockPort, PeerId, SinkPort } from './ports/index.ts';
import type { CatalogApi } from './service-api.ts';
import type { Cell } from './supervise.ts';

export const catalogDoorLimits = {
  watchersMax: 1_024,
  /** Offers and withdrawals that wait for the actor. */
  waitingMax: 1_024,
} as const;

const limits = catalogDoorLimits;
const threwEveryMs = 1_000;

export type CatalogDoorArguments = {
  name: string;
  clock: ClockPort;
  sink: SinkPort;
  publish: GossipApi['publish'];
  listen: GossipDoor['listen'];
  isStopping: () => boolean;
  cell: () => Cell<CatalogActorEvent> | null;
};

export interface CatalogDoor {
  readonly api: CatalogApi;
  members(changes: readonly Change[]): void;
  /** What a new incarnation of the actor is given. */
  memory(): Pick<
    CatalogArguments,
    'said' | 'onSaid' | 'evicted' | 'own' | 'waiting' | 'publish' | 'listen' | 'onState' | 'onChanged'
  >;
  undelivered(event: CatalogActorEvent): void;
  /** The node is about to stop: all are told that it offers nothing any more. */
  leave(): void;
}

type Watcher = {
  readonly wanted: Wanted;
  readonly on: (revision: number, changes: readonly CatalogChange[]) => void;
  readonly ended: () => void;
};

const nothing: Found = { ok: true, entries: [] };
const invalid = ({ code, message }: { code: QueryRefusal; message: string }): Failure =>
  failure('INVALID_REQUEST', `${code}: ${message}`);
const refused = (why: Failure): { ok: false; failure: Failure } => ({ ok: false, failure: why });

export const createCatalogDoor = (args: CatalogDoorArguments): CatalogDoor => {
  const { name, clock, sink, publish, isStopping, cell } = args;
  let state: CatalogState | null = null;
  /** Revisions of the incarnations before; those of the machine begin anew with each. */
  let earlier = 0;
  let said = 0;
  let own: readonly Offer[] = [];
  const waiting: CatalogRequest[] = [];
  const thrownOut = new Set<PeerId>();
  const watchers = new Set<Watcher>();
  let toldAtMs = Number.NEGATIVE_INFINITY;

  const stopping = (): { ok: false; failure: Failure } => refused(failure('STOPPING', `${name} is stopping`));
  const revision = (): number => earlier + (state?.revision ?? 0);

  const safely = (run: () => void): void => {
    try {
      run();
    } catch (error) {
      if (clock.nowMs() - toldAtMs < threwEveryMs) return;
      toldAtMs = clock.nowMs();
      sink.log('error', 'WATCHER_THREW', error instanceof Error ? error.message : String(error), { of: 'catalog' });
    }
  };

  const tell = (changes: readonly CatalogChange[]): void => {
    const now = revision();
    for (const watcher of [...watchers]) {
      const wanted = changes.filter(
        ({ before, after }) =>
          (before !== null && isWanted(watcher.wanted, before)) || (after !== null && isWanted(watcher.wanted, after)),
      );
      // It may have ended while another was told.
      if (wanted.length > 0 && watchers.has(watcher)) safely(() => watcher.on(now, wanted));
    }
  };

  /** A new incarnation knows nothing yet: for who watches, everything ends and is said again. */
  const begin = (now: CatalogState): void => {
    const before: Entry[] = state === null ? [] : [...state.names.values()].flatMap(({ entries }) => entries);
    earlier = revision() + 1;
    state = now;
    if (before.length > 0) tell(before.map((entry) => ({ before: entry, after: null, why: 'ended' })));
  };

  let deafen = (): void => {};

  /** Sent to the actor, or kept until there is one. */
  const request = (asked: CatalogRequest): void => {
    if (isStopping()) return asked.done(stopping());
    const actor = cell();
    if (actor === null) keep(asked);
    else actor.send(asked);
  };
  const remembered =
    (done: CatalogRequest['done']): CatalogRequest['done'] =>
    (outcome) => {
      if (outcome.ok) own = [...state!.own.kept.values()].flatMap(({ entry }) => (entry === null ? [] : [entry.offer]));
      done(outcome);
    };
  const keep = (asked: CatalogRequest): void => {
    if (isStopping()) return asked.done(stopping());
    if (waiting.length < limits.waitingMax) return void waiting.push(asked);
    asked.done(refused(failure('OVERLOADED', `${waiting.length} offers wait for the catalog of ${name} already`)));
  };

  const watch: CatalogApi['watch'] = (query, on, ended = () => {}) => {
    const wanted = wantedOf(query);
    if (!wanted.ok) throw new PolityError(invalid(wanted));
    if (isStopping()) throw new PolityError(stopping().failure);
    if (watchers.size >= limits.watchersMax)
      throw new PolityError(
        failure('OVERLOADED', `${watchers.size} watch the catalog of ${name}, at most ${limits.watchersMax}`),
      );
    const watcher: Watcher = { wanted, on, ended };
    watchers.add(watcher);
    return () => void watchers.delete(watcher);
  };

  return {
    api: {
      offer: (offer, done) => request({ type: 'offer', offer, done: remembered(done) }),
      withdraw: (id, done) => request({ type: 'withdraw', id, done: remembered(done) }),
      find: (lookup) => (state === null ? nothing : find(state, clock.nowMs(), lookup)),
      list(query, { limit, cursor = null }) {
        if (state === null) return { ok: true, value: { ok: true, items: [], cursor: null, revision: revision() } };
        const page = list(state, clock.nowMs(), query, { limit, cursor });
        return page.ok ? { ok: true, value: { ...page, revision: revision() } } : refused(invalid(page));
      },
      describe(wanted) {
        if (state === null) return { ok: true, value: null };
        const described = describe(state, clock.nowMs(), wanted);
        return described === null || described.ok ? { ok: true, value: described } : refused(invalid(described));
      },
      ...{ watch, revision },
      summary: () => ({
        ...{ offers: state?.offers ?? 0, bytes: state?.bytes ?? 0, own: own.length, owners: state?.owners.size ?? 0 },
        ...{ differing: state?.differing.size ?? 0, revision: revision() },
      }),
    },
    members(changes) {
      for (const { peer, before, after } of changes) {
        const isBack = before === 'left' && (after === 'alive' || after === 'suspect');
        if (after === 'evicted') thrownOut.add(peer);
        else if (thrownOut.delete(peer) || isBack) cell()?.send({ type: 'readmitted', peer });
        // Who only seems to have failed keeps its offers until they end.
        if (after === 'evicted' || after === 'left') cell()?.send({ type: after, peer });
      }
    },
    memory: () => ({
      ...{ said: () => said, evicted: [...thrownOut], own, waiting: waiting.splice(0) },
      onSaid(now) {
        said = now;
      },
      publish,
      listen() {
        deafen();
        deafen = args.listen(catalogTopic, (announced) => cell()?.send({ type: 'announced', announced }));
      },
      onState: begin,
      onChanged: ({ changes }) => tell(changes),
    }),
    undelivered(event) {
      if (event.type === 'offer' || event.type === 'withdraw') keep(event);
    },
    leave() {
      cell()?.send({ type: 'leave' });
      own = [];
      for (const { done } of waiting.splice(0)) done(stopping());
      const all = [...watchers];
      watchers.clear();
      for (const { ended } of all) safely(ended);
    },
  };
};
