// The API server of Kubernetes as it is documented, as far as the source uses it: lists of EndpointSlices in pages, watches from a
// version with bookmarks and an end, a memory that is compacted (410), and bearer tokens. Over TLS, which its client demands.
import type { ServerResponse } from 'node:http';
import type { KubernetesTiming } from '../../../src/discovery/kubernetes.ts';
import type { Issued } from './certificates.ts';
import { type Asked, FakeHttp, json } from './fake-http.ts';

/** Short, for tests; Kubernetes takes whole seconds only. */
export const kubernetesTiming: KubernetesTiming = { watchSeconds: 0.4, gapMs: 20, answerMs: 2_000 };

export const slicesPath = '/apis/discovery.k8s.io/v1/namespaces/prod/endpointslices';
const selector = 'kubernetes.io/service-name=polity';

type Metadata = { name: string; namespace: string; resourceVersion: string; labels: Record<string, string> };
type Stored = { metadata: Metadata } & Record<string, unknown>;
type Change = { version: number; type: 'ADDED' | 'MODIFIED' | 'DELETED'; object: Stored };

/** A pod as an endpoint names it; conditions that are absent are not told. */
export const pod = (name: string, address: string, conditions: Record<string, boolean | null> = { ready: true }) => ({
  ...{ addresses: [address], conditions, nodeName: 'worker-1', zone: 'a' },
  targetRef: { kind: 'Pod', namespace: 'prod', name, uid: `uid-${name}` },
});

const status = (code: number, reason: string, message: string) => ({
  ...{ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code },
});

export class FakeKubernetes implements AsyncDisposable {
  token = 'token-one';
  /** Answers instead, while it is there. */
  instead: ((asked: Asked, response: ServerResponse) => void) | null = null;
  readonly http: FakeHttp;
  readonly #slices = new Map<string, Stored>();
  readonly #watches = new Set<(change: Change) => void>();
  #changes: Change[] = [];
  #version = 1_000;
  #compacted = 0;

  private constructor(http: FakeHttp) {
    this.http = http;
  }

  static async start(issued: Issued, port = 0): Promise<FakeKubernetes> {
    const http = await FakeHttp.start((asked, response) => (fake.instead ?? fake.answer)(asked, response), {
      port,
      tls: issued,
    });
    const fake: FakeKubernetes = new FakeKubernetes(http);
    return fake;
  }

  get watches(): Asked[] {
    return this.http.asked.filter(({ query }) => query.get('watch') === 'true');
  }

  get lists(): Asked[] {
    return this.http.asked.filter(({ query }) => query.get('watch') === null);
  }

  put(name: string, slice: Record<string, unknown>): void {
    const version = ++this.#version;
    const labels = { 'kubernetes.io/service-name': 'polity' };
    const object: Stored = {
      ...{ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', addressType: 'IPv4' },
      metadata: { name, namespace: 'prod', resourceVersion: String(version), labels },
      ports: [{ name: 'mesh', port: 7_400, protocol: 'TCP' }],
      ...slice,
    };
    const type = this.#slices.has(name) ? 'MODIFIED' : 'ADDED';
    this.#slices.set(name, object);
    this.#tell({ version, type, object });
  }

  delete(name: string): void {
    const object = this.#slices.get(name)!;
    const version = ++this.#version;
    this.#slices.delete(name);
    this.#tell({
      version,
      type: 'DELETED',
      object: { ...object, metadata: { ...object.metadata, resourceVersion: String(version) } },
    });
  }

  /** Everything before now is forgotten: who watches from there is told so. */
  compact(): void {
    this.#compacted = ++this.#version;
    this.#changes = [];
  }

  #tell(change: Change): void {
    this.#changes.push(change);
    for (const watch of this.#watches) watch(change);
  }

  /** As documented. */
  readonly answer = (asked: Asked, response: ServerResponse): void => {
    if (asked.headers.authorization !== `Bearer ${this.token}`)
      return json(response, status(401, 'Unauthorized', 'Unauthorized'), 401);
    if (asked.path !== slicesPath)
      return json(response, status(403, 'Forbidden', 'endpointslices is forbidden: User "polity" cannot list here'), 403);
    if (asked.query.get('labelSelector') !== selector) return json(response, status(400, 'BadRequest', 'no selector'), 400);
    if (asked.query.get('watch') === 'true') this.#watch(asked.query, response);
    else this.#list(asked.query, response);
  };

  #list(query: URLSearchParams, response: ServerResponse): void {
    const from = query.get('continue') ?? '';
    const [version, at] = from === '' ? [this.#version, 0] : from.split('-').map(Number);
    if (version! < this.#compacted)
      return json(response, status(410, 'Expired', 'The provided continue parameter is too old'), 410);
    const end = at! + Number(query.get('limit') ?? 500);
    const items = [...this.#slices.values()];
    const next = end < items.length ? { continue: `${version}-${end}`, remainingItemCount: items.length - end } : {};
    const metadata = { resourceVersion: String(version), ...next };
    json(response, { kind: 'EndpointSliceList', apiVersion: 'discovery.k8s.io/v1', metadata, items: items.slice(at, end) });
  }

  #watch(query: URLSearchParams, response: ServerResponse): void {
    const since = Number(query.get('resourceVersion'));
    const write = (type: string, object: unknown): void => void response.write(`${JSON.stringify({ type, object })}\n`);
    response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
    if (since < this.#compacted) {
      write('ERROR', status(410, 'Expired', `too old resource version: ${since} (${this.#compacted})`));
      return void response.end();
    }
    const tell = ({ type, object }: Change): void => write(type, object);
    for (const change of this.#changes) if (change.version > since) tell(change);
    this.#watches.add(tell);
    const lastMs = 1_000 * Number(query.get('timeoutSeconds'));
    const bookmark = (): void =>
      write('BOOKMARK', {
        kind: 'EndpointSlice',
        apiVersion: 'discovery.k8s.io/v1',
        metadata: { resourceVersion: `${this.#version}` },
      });
    const timers = [setTimeout(bookmark, 0.8 * lastMs), setTimeout(() => response.end(), lastMs)];
    response.once('close', () => {
      this.#watches.delete(tell);
      for (const timer of timers) clearTimeout(timer);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.http.stop();
  }
}
