// Services without limits, bulkheads or schemas, and a catalog that everybody shares: what calls stand between, as small as can be.
import { idText } from '../../actors/call-request.ts';
import type {
  CallContext,
  CallEvents,
  CallHandle,
  CatalogApi,
  HostedMethod,
  HostedService,
  ServiceHost,
} from '../../actors/service-api.ts';
import { bulkheadDefaults } from '../../machines/bulkhead/index.ts';
import { type Entry, isInRange, type Offer, parseRange, parseVersion } from '../../machines/catalog/index.ts';
import { failure } from '../../machines/errors.ts';

export type HandMethod = {
  idempotent?: boolean;
  isStream?: boolean;
  /** Returns what is told of its caller's wishes. */
  invoke(input: unknown, context: CallContext, on: CallEvents): Partial<CallHandle> | undefined;
};

export type HandServices = {
  host: ServiceHost;
  find: CatalogApi['find'];
  /** Executions that have begun and not ended. */
  readonly running: Set<string>;
  /** Of every execution, in their order. */
  readonly begun: { method: string; requestId: string }[];
  /** While set, everything is refused so. */
  refusing: ReturnType<typeof failure> | null;
};

const offerOf = (name: string, version: string, methods: Record<string, HandMethod>): Offer => ({
  ...{ kind: 'service', name, version, resources: {}, capabilities: [], tags: [] },
  methods: Object.fromEntries(
    Object.entries(methods).map(([method, { idempotent = false }]) => [method, { input: null, output: null, idempotent }]),
  ),
});

export const createHandCatalog = () => {
  let entries: Entry[] = [];
  const found = new Map<string, { of: readonly Entry[]; entries: readonly Entry[] }>();
  const find: CatalogApi['find'] = ({ name, range = '*' }) => {
    const wanted = parseRange(range);
    if (wanted === null) return { ok: false, code: 'RANGE_INVALID', message: `no range: ${range}` };
    const key = `${name} ${range}`;
    const known = found.get(key);
    if (known?.of === entries) return { ok: true, entries: known.entries };
    const fitting = entries.filter(({ offer, version }) => offer.name === name && isInRange(wanted, version));
    found.set(key, { of: entries, entries: fitting });
    return { ok: true, entries: fitting };
  };
  return {
    find,
    offer(owner: string, offer: Offer): void {
      const version = parseVersion(offer.version)!;
      entries = [...entries, { offer, version, owner, epoch: 1, sequence: entries.length + 1 }].sort(
        (a, b) => b.version.major - a.version.major || b.version.minor - a.version.minor,
      );
    },
    withdraw(owner: string): void {
      entries = entries.filter((entry) => entry.owner !== owner);
    },
  };
};

export type HandCatalog = ReturnType<typeof createHandCatalog>;

/** What the node with this peer id offers: services by name, and their methods. */
export const createHandServices = (
  peer: string,
  catalog: HandCatalog,
  services: Record<string, Record<string, HandMethod>>,
  versions: Record<string, string> = {},
): HandServices => {
  const hosted = new Map<string, HostedService>();
  const running = new Set<string>();
  const begun: HandServices['begun'] = [];
  let executions = 0;
  for (const [name, methods] of Object.entries(services)) {
    const offer = offerOf(name, versions[name] ?? '1.0.0', methods);
    const made = Object.entries(methods).map(
      ([method, { idempotent = false, isStream = false, invoke }]): [string, HostedMethod] => [
        method,
        {
          ...{ idempotent, isStream, importance: 'normal', cost: 1 },
          invoke: (input, context, on) => ({ cancel() {}, more() {}, ...(invoke(input, context, on) ?? {}) }),
        },
      ],
    );
    hosted.set(name, { offer, methods: Object.fromEntries(made), bulkhead: bulkheadDefaults });
    catalog.offer(peer, offer);
  }
  const self: HandServices = {
    find: catalog.find,
    running,
    begun,
    refusing: null,
    host: {
      add: () => null,
      remove: () => {},
      offers(service, range) {
        const one = hosted.get(service);
        if (one === undefined) return null;
        return isInRange(parseRange(range ?? '*')!, parseVersion(one.offer.version)!) ? one : null;
      },
      execute(execution, on) {
        const { service, method: name } = execution;
        const requestId = idText(execution.requestId);
        const method = hosted.get(service)?.methods[name];
        const refuse = self.refusing ?? (method === undefined ? failure('METHOD_NOT_FOUND', `no ${service}.${name}`) : null);
        if (refuse !== null || method === undefined) {
          on.end({ ok: false, failure: refuse! });
          return { cancel() {}, more() {} };
        }
        const key = `${++executions} ${name}`;
        running.add(key);
        begun.push({ method: name, requestId });
        let isOver = false;
        const end: CallEvents['end'] = (outcome) => {
          if (isOver) return;
          isOver = true;
          running.delete(key);
          on.end(outcome);
        };
        const context = {
          ...execution,
          requestId,
          version: '1.0.0',
          chain: [...execution.chain, `${peer.slice(2)} ${service}.${name}`],
        };
        const handle = method.invoke(execution.input, context, { item: (value) => !isOver && on.item(value), end });
        return {
          more: (items) => handle.more(items),
          cancel() {
            handle.cancel();
            end({ ok: false, failure: failure('CANCELLED', 'the caller gave up') });
          },
        };
      },
      stop: (done) => done(),
      view: () => [],
      counts: () => [],
    },
  };
  return self;
};

/** A method that answers at once. */
export const answers = (answer: (input: unknown, context: CallContext) => unknown, idempotent = false): HandMethod => ({
  idempotent,
  invoke(input, context, on) {
    on.end({ ok: true, value: answer(input, context) });
    return undefined;
  },
});

/** What becomes of one call. */
export const watched = () => {
  const items: unknown[] = [];
  const ends: Parameters<CallEvents['end']>[0][] = [];
  return {
    items,
    ends,
    item: (value: unknown) => void items.push(value),
    end: (outcome: Parameters<CallEvents['end']>[0]) => {
      if (ends.length > 0) throw new Error('a call ended twice');
      ends.push(outcome);
    },
    get code(): string {
      const end = ends[0];
      return end === undefined ? 'waits' : end.ok ? 'ok' : end.failure.code;
    },
    get value(): unknown {
      const end = ends[0];
      return end?.ok === true ? end.value : undefined;
    },
    get details(): Record<string, unknown> {
      const end = ends[0];
      return end?.ok === false ? (end.failure.details ?? {}) : {};
    },
  };
};
