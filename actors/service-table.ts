// The services of a node by name and version. A call names a range and gets the highest version that is in it, which is asked for again
// with each call: so what was found is kept until something of that name is added or removed.
import { type Bulkhead, createBulkhead } from '../machines/bulkhead/index.ts';
import { compareVersions, isInRange, parseRange, parseVersion, type Version } from '../machines/catalog/index.ts';
import type { Alarm } from './alarm.ts';
import type { HostedMethod, HostedService } from './service-api.ts';
import type { Counts } from './service-counts.ts';

/** One service in one version, at work. */
export type Hosted = {
  readonly service: HostedService;
  readonly version: Version;
  readonly methods: ReadonlyMap<string, HostedMethod>;
  readonly bulkhead: Bulkhead;
  readonly alarm: Alarm;
  readonly counts: Counts;
  /** It is offered no longer; what runs, runs until it has ended. */
  isRemoved: boolean;
};

type Named = {
  /** The highest version first. */
  readonly versions: Hosted[];
  /** By the text of the range. Null: none is in it. */
  readonly found: Map<string, Hosted | null>;
};

/** Texts of ranges that are kept for one name: whoever calls says them. */
const rangesMax = 64;

export interface ServiceTable {
  readonly size: number;
  all(): Iterable<Hosted>;
  /** Null: no such service, no version in the range, or no range. Without one: the highest release. */
  find(name: string, range: string | null): Hosted | null;
  /** This very version. */
  at(name: string, version: string): Hosted | null;
  versionsOf(name: string): string[];
  add(hosted: Hosted): void;
  remove(hosted: Hosted): void;
}

export const hostedOf = (
  service: HostedService,
  { nowMs, alarm, counts }: { nowMs: number; alarm: (ring: () => void) => Alarm; counts: Counts },
  ring: (hosted: Hosted) => void,
): Hosted => {
  const hosted: Hosted = {
    ...{ service, version: parseVersion(service.offer.version)!, methods: new Map(Object.entries(service.methods)) },
    bulkhead: createBulkhead({ options: service.bulkhead, nowMs }),
    alarm: alarm(() => ring(hosted)),
    ...{ counts, isRemoved: false },
  };
  return hosted;
};

export const createServiceTable = (): ServiceTable => {
  const names = new Map<string, Named>();
  let size = 0;
  const look = ({ versions }: Named, text: string): Hosted | null => {
    const range = parseRange(text);
    return range === null ? null : (versions.find(({ version }) => isInRange(range, version)) ?? null);
  };
  return {
    get size() {
      return size;
    },
    *all() {
      for (const { versions } of names.values()) yield* versions;
    },
    find(name, range) {
      const named = names.get(name);
      if (named === undefined) return null;
      const text = range ?? '*';
      const known = named.found.get(text);
      if (known !== undefined) return known;
      const found = look(named, text);
      if (named.found.size >= rangesMax) named.found.clear();
      named.found.set(text, found);
      return found;
    },
    at: (name, version) => names.get(name)?.versions.find(({ service }) => service.offer.version === version) ?? null,
    versionsOf: (name) => names.get(name)?.versions.map(({ service }) => service.offer.version) ?? [],
    add(hosted) {
      const { name } = hosted.service.offer;
      const named: Named = names.get(name) ?? { versions: [], found: new Map() };
      names.set(name, named);
      named.versions.push(hosted);
      named.versions.sort((a, b) => compareVersions(b.version, a.version));
      named.found.clear();
      size++;
    },
    remove(hosted) {
      const { name } = hosted.service.offer;
      const named = names.get(name);
      const at = named?.versions.indexOf(hosted) ?? -1;
      if (named === undefined || at < 0) return;
      named.versions.splice(at, 1);
      named.found.clear();
      if (named.versions.length === 0) names.delete(name);
      size--;
    },
  };
};
