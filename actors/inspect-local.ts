// What lives at this node, for those who look on: actors that users wrote and the runtime's own, found by address or listed in pages.
import { type ActorAddress, addressText, runtimeType } from '../machines/entity/address.ts';
import type { ActorsApi, ActorView } from './actor-api.ts';
import type { ActorDescription, ListedActor } from './inspect-api.ts';
import type { RuntimeSubjects } from './inspect-runtime.ts';
import { childCharts, listed, type Subject, shownChildren, shownSnapshot, subjectOf } from './inspect-subject.ts';
import type { Watches } from './inspect-watch.ts';
import type { CheckedQuery, LocalPage } from './inspect-wire.ts';

/** What is needed of the door of actors. */
export type InspectedActors = Pick<ActorsApi, 'list' | 'find' | 'onOpened'>;

export interface LocalActors {
  find(address: ActorAddress): Subject | null;
  ofType(type: string, limit: number): Subject[];
  /** Told of each actor of users that comes to life here, before its first event. */
  onOpened(listener: (subject: Subject) => void): () => void;
  page(query: CheckedQuery): LocalPage;
  describe(subject: Subject, watches: Watches): ActorDescription;
}

/** By code units: the same order everywhere. */
export const byAddress = (a: ListedActor, b: ListedActor): number => {
  if (a.address !== b.address) return a.address < b.address ? -1 : 1;
  return a.node < b.node ? -1 : a.node > b.node ? 1 : 0;
};

export const createLocalActors = (node: string, actors: InspectedActors, runtime: RuntimeSubjects): LocalActors => {
  const userSubject = (address: ActorAddress): Subject | null => {
    const live = actors.find(address);
    return live === null ? null : subjectOf(live);
  };
  const isUsers = ({ address }: ActorView): boolean => address.type !== runtimeType;

  const listedUsers = ({ type, prefix, after, limit }: CheckedQuery): ListedActor[] =>
    actors
      .list({
        ...(type === null ? {} : { type }),
        ...(prefix === '' ? {} : { prefix }),
        ...(after === null ? {} : { after }),
        limit: limit + 1,
      })
      .filter(isUsers)
      .flatMap(({ address }) => {
        const subject = userSubject(address);
        return subject === null ? [] : [listed(subject, node)];
      });

  const listedOwn = ({ type, prefix, after, limit }: CheckedQuery): ListedActor[] => {
    if (type !== null && type !== runtimeType) return [];
    return runtime
      .all()
      .filter(({ address }) => address.key.startsWith(prefix) && (after === null || addressText(address) > after))
      .sort((a, b) => (addressText(a.address) < addressText(b.address) ? -1 : 1))
      .slice(0, limit + 1)
      .map((subject) => listed(subject, node));
  };

  return {
    find: (address) => {
      if (address.node !== null && address.node !== node) return null;
      return address.type === runtimeType ? runtime.find(address.key) : userSubject(address);
    },
    ofType(type, limit) {
      if (type === runtimeType) return runtime.all().slice(0, limit);
      return actors
        .list({ type, limit })
        .filter(isUsers)
        .flatMap(({ address }) => userSubject(address) ?? []);
    },
    onOpened: (listener) => actors.onOpened((actor) => listener(subjectOf(actor))),
    page(query) {
      const users = query.type === runtimeType ? [] : listedUsers(query);
      const found = [...users, ...listedOwn(query)].sort(byAddress);
      return { actors: found.slice(0, query.limit), more: found.length > query.limit };
    },
    describe(subject, watches) {
      const redact = new Set(subject.redact);
      return {
        view: listed(subject, node),
        definition: subject.chart(),
        snapshot: shownSnapshot(subject.snapshot(), redact),
        children: shownChildren(subject, redact),
        charts: childCharts(subject),
        recent: watches.recent(subject),
      };
    },
  };
};
