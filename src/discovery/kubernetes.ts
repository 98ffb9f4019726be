// Members as pods behind a service of Kubernetes: its EndpointSlices are listed, then watched from where the list ended, as every
// controller does it. Kubernetes tells of this node by itself, so nothing is announced.

import { isRecord, parseJson, RefusedFault, rest, within } from './exchange.ts';
import { type CredentialsModule, KubernetesApi, type Where } from './kubernetes-api.ts';
import { findingsOf, type Port, parseSlice, type Slice } from './kubernetes-slices.ts';
import { type LeaveOut, leaveOut } from './left-out.ts';
import { type Answer, LookupFault, type Source, type SourceContext, type SourceKind, sourceLimits } from './source.ts';

export type KubernetesTiming = {
  /** The server ends a watch after so long, and it goes on in a new one: so one that is half open is noticed. */
  watchSeconds: number;
  /** Two watches or lists do not begin closer together, whatever the server does. */
  gapMs: number;
  answerMs: number;
};

const defaults: KubernetesTiming = { watchSeconds: 30, gapMs: 1_000, answerMs: 5_000 };

const labelPattern = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
const servicePattern = new RegExp(`^(${labelPattern})/(${labelPattern})$`);
const optionNames = ['port', 'kubeconfig', 'context'];
/** Slices have up to a hundred endpoints by default: a page stays far below the limit of an answer. */
const pageSlicesMax = 10;
const slicesMax = 100;
const versionCharsMax = 256;

/** All slices of the service, and up to which version of Kubernetes' memory that is so. */
type View = { slices: Map<string, Slice>; version: string };

const versionOf = (value: unknown): string | null => {
  const version = isRecord(value) && isRecord(value.metadata) ? value.metadata.resourceVersion : null;
  return typeof version === 'string' && version !== '' && version.length <= versionCharsMax ? version : null;
};

/** 410: what was asked for is forgotten already, so everything is asked for anew. */
const isGone = (error: unknown): boolean => error instanceof RefusedFault && error.status === 410;

class KubernetesSource implements Source {
  readonly #api: KubernetesApi;
  readonly #path: string;
  readonly #selector: string;
  readonly #port: Port;
  readonly #timing: KubernetesTiming;
  readonly #say: LeaveOut;

  constructor(api: KubernetesApi, namespace: string, service: string, port: Port, timing: KubernetesTiming, say: LeaveOut) {
    this.#api = api;
    this.#path = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`;
    this.#selector = `kubernetes.io/service-name=${service}`;
    this.#port = port;
    this.#timing = timing;
    this.#say = say;
  }

  async query(signal: AbortSignal): Promise<Answer> {
    return this.#answerOf(await this.#list(signal));
  }

  async follow(on: (answer: Answer) => void, signal: AbortSignal): Promise<void> {
    const told = (view: View): void => {
      if (!signal.aborted) on(this.#answerOf(view));
    };
    let view: View | null = null;
    try {
      while (!signal.aborted) {
        const gap = rest(this.#timing.gapMs, signal);
        view ??= await within(signal, this.#timing.answerMs, (limited) => this.#list(limited));
        // Also after a watch in which nothing changed: what is known has been confirmed.
        told(view);
        if (!(await this.#watch(view, told, signal))) view = null;
        await gap;
      }
    } catch (error) {
      if (signal.aborted) return;
      // A certificate or an authority may have been rotated.
      this.#api.forget();
      throw error;
    }
  }

  /** Page by page, all of one version; begun anew where that version was forgotten between two pages. */
  async #list(signal: AbortSignal): Promise<View> {
    for (;;)
      try {
        const view: View = { slices: new Map(), version: '' };
        let next = '';
        do next = await this.#page(view, next, signal);
        while (next !== '' && view.slices.size < slicesMax);
        if (next !== '') this.#say(this.#selector, `has more than ${slicesMax} EndpointSlices; what is beyond`);
        return view;
      } catch (error) {
        if (!isGone(error)) throw error;
        await rest(this.#timing.gapMs, signal);
      }
  }

  /** Adds a page to the view; what to ask for the next one with, or nothing. */
  async #page(view: View, from: string, signal: AbortSignal): Promise<string> {
    const query = new URLSearchParams({ labelSelector: this.#selector, limit: String(pageSlicesMax) });
    if (from !== '') query.set('continue', from);
    const { text } = await this.#api.get(this.#path, query, signal);
    const list = parseJson(text, this.#api.host);
    const version = versionOf(list);
    if (!isRecord(list) || version === null || !(Array.isArray(list.items) || list.items === null))
      throw new LookupFault('SOURCE_MALFORMED', `${this.#api.host} answered no list of EndpointSlices`);
    for (const item of list.items ?? []) this.#keep(view, item);
    view.version = version;
    const next = isRecord(list.metadata) ? (list.metadata.continue ?? '') : '';
    return typeof next === 'string' ? next : '';
  }

  #keep({ slices }: View, value: unknown): void {
    const slice = parseSlice(value, this.#port, this.#say);
    if (slice === null) throw new LookupFault('SOURCE_MALFORMED', `${this.#api.host} told of an EndpointSlice without a name`);
    if (slices.size < slicesMax || slices.has(slice.name)) slices.set(slice.name, slice);
  }

  /** Until the server ends it. False: what is known has gaps. */
  async #watch(view: View, told: (view: View) => void, signal: AbortSignal): Promise<boolean> {
    const { watchSeconds, answerMs } = this.#timing;
    const query = new URLSearchParams({
      ...{ labelSelector: this.#selector, watch: 'true', allowWatchBookmarks: 'true' },
      ...{ resourceVersion: view.version, timeoutSeconds: String(watchSeconds) },
    });
    return within(signal, watchSeconds * 1_000 + answerMs, async (limited) => {
      try {
        for await (const texts of this.#api.watch(this.#path, query, limited)) {
          const changes = texts.map((text) => this.#apply(view, parseJson(text, this.#api.host)));
          if (changes.includes(true)) told(view);
        }
        return true;
      } catch (error) {
        if (isGone(error)) return false;
        throw error;
      }
    });
  }

  /** True: something changed. */
  #apply(view: View, event: unknown): boolean {
    const { type, object } = isRecord(event) ? event : {};
    if (type === 'ERROR') throw this.#errorOf(object);
    const version = versionOf(object);
    if (version === null) throw new LookupFault('SOURCE_MALFORMED', `${this.#api.host} told a change without its version`);
    view.version = version;
    if (type === 'BOOKMARK') return false;
    if (type === 'ADDED' || type === 'MODIFIED') this.#keep(view, object);
    else if (type === 'DELETED') return view.slices.delete(parseSlice(object, this.#port, () => undefined)?.name ?? '');
    else throw new LookupFault('SOURCE_MALFORMED', `${this.#api.host} told a change of a kind that is not known`);
    return true;
  }

  #errorOf(status: unknown): RefusedFault {
    const code = isRecord(status) && Number.isInteger(status.code) ? Number(status.code) : 0;
    return new RefusedFault(code, `${this.#api.host} ended the watch with an error (${code})`);
  }

  #answerOf({ slices }: View): Answer {
    const ttlMs = 2_000 * this.#timing.watchSeconds;
    return { findings: findingsOf(slices.values(), ttlMs, this.#say), emptyTtlMs: sourceLimits.emptyTtlDefaultMs };
  }
}

const loadClient = (): Promise<CredentialsModule> => import('@kubernetes/client-node') as Promise<CredentialsModule>;

/** It is large, so it is the user's to install. */
const loaded = async (load: () => Promise<CredentialsModule>): Promise<CredentialsModule> => {
  try {
    return await load();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === 'ERR_MODULE_NOT_FOUND' ? 'is not installed' : `cannot be loaded (${code ?? 'it threw'})`;
    throw new LookupFault(
      'SOURCE_UNAVAILABLE',
      `Kubernetes' own client ${why}: npm install @kubernetes/client-node (and not --omit=peer)`,
    );
  }
};

/** A number, a name as Kubernetes knows them (RFC 6335), or none. */
const parsePort = (text: string | undefined): Port | { problem: string } => {
  if (text === undefined) return null;
  if (!/^\d+$/.test(text))
    return /^[a-z0-9-]{1,63}$/.test(text) ? text : { problem: 'has a port that is neither a number nor a name' };
  const port = Number(text);
  return port >= 1 && port <= 65_535 ? port : { problem: 'has a port that is not 1 to 65535' };
};

const parseOptions = (query: string): Map<string, string> | { problem: string } => {
  const options = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(query)) {
    if (!optionNames.includes(name)) return { problem: `has an option that is none of ${optionNames.join(', ')}` };
    if (options.has(name)) return { problem: `names ${name} twice` };
    if (value === '') return { problem: `has nothing after ${name}=` };
    options.set(name, value);
  }
  return options;
};

/** With other times, another client and another root of the file system, for tests. */
export const kubernetesWithin = (timing: KubernetesTiming, load = loadClient, root = ''): SourceKind => ({
  scheme: 'kubernetes',
  form: 'kubernetes:NAMESPACE/SERVICE[?port=NAME_OR_NUMBER&kubeconfig=F&context=C]',
  parse(text) {
    const at = text.indexOf('?');
    const [, namespace, service] = servicePattern.exec(at < 0 ? text : text.slice(0, at)) ?? [];
    if (namespace === undefined || service === undefined) return { problem: 'is not NAMESPACE/SERVICE, as default/polity' };
    const options = parseOptions(at < 0 ? '' : text.slice(at + 1));
    if ('problem' in options) return options;
    const port = parsePort(options.get('port'));
    if (typeof port === 'object' && port !== null) return port;
    const where: Where = { kubeconfig: options.get('kubeconfig') ?? null, context: options.get('context') ?? null, root };
    if (where.context !== null && where.kubeconfig === null) return { problem: 'names a context without a kubeconfig' };
    const name = `kubernetes:${text}`;
    return {
      name,
      open: async ({ sink }: SourceContext) => {
        const api = new KubernetesApi(await loaded(load), where);
        return new KubernetesSource(api, namespace, service, port, timing, leaveOut(sink, name));
      },
    };
  },
});

export const kubernetes: SourceKind = kubernetesWithin(defaults);
