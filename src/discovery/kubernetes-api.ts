// Asking the API server of Kubernetes. Who may ask, and how that is proved (service accounts, client certificates, OpenID, programs
// that a kubeconfig names), is known by Kubernetes' own client; the asking is ours, because its lists and watches have no limits.
import { dirname } from 'node:path';
import { readSecret } from './endpoint.ts';
import { type Call, exchange, isRecord, jsonOf, lines, RefusedFault, type Reply, refusal } from './exchange.ts';
import { LookupFault, sourceLimits } from './source.ts';

const configBytesMax = sourceLimits.answerBytesMax;
/** A slice has a hundred endpoints, or a thousand where somebody set that. */
const answerBytesMax = 4 * sourceLimits.answerBytesMax;

/** What is used of the client's KubeConfig; its own types are there only where it is installed. */
export type Credentials = {
  loadFromString(text: string): void;
  makePathsAbsolute(directory: string): void;
  loadFromCluster(root?: string): void;
  setCurrentContext(name: string): void;
  getContextObject(name: string): unknown;
  getCurrentCluster(): { server: string; proxyUrl?: string } | null;
  applyToHTTPSOptions(options: Record<string, unknown>): Promise<void>;
};

export type CredentialsModule = { KubeConfig: new () => Credentials };

export type Where = {
  /** Null: that of the pod that this runs in. */
  kubeconfig: string | null;
  context: string | null;
  /** Before the paths of a pod's service account. */
  root: string;
};

const unavailable = (message: string): LookupFault => new LookupFault('SOURCE_UNAVAILABLE', message);

/** No message of the client's is passed on: those of its parser quote the file. */
const loadConfig = (file: string, context: string | null, made: Credentials): void => {
  const text = readSecret(file, configBytesMax);
  try {
    made.loadFromString(text);
    made.makePathsAbsolute(dirname(file));
  } catch {
    throw unavailable(`'${file}' is no kubeconfig`);
  }
  if (context === null) return;
  if (made.getContextObject(context) === null) throw unavailable(`'${file}' has no context '${context}'`);
  made.setCurrentContext(context);
};

const loadCluster = (root: string, made: Credentials): void => {
  if (!process.env.KUBERNETES_SERVICE_HOST || !process.env.KUBERNETES_SERVICE_PORT)
    throw unavailable('this is no pod of Kubernetes (KUBERNETES_SERVICE_HOST and _PORT are not set): name a kubeconfig');
  made.loadFromCluster(root);
};

/** Rejects when the signal aborts: programs that give credentials know no signal. */
const unless = <Result>(signal: AbortSignal, host: string, work: Promise<Result>): Promise<Result> =>
  new Promise((resolve, reject) => {
    const end = (): void => reject(new LookupFault('SOURCE_TIMED_OUT', `no credentials for ${host} in time`));
    signal.addEventListener('abort', end, { once: true });
    if (signal.aborted) end();
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', end));
  });

/** Errors are objects of kind Status, whose message says who may not do what; a proxy's page says it by its status. */
const reasonIn = (text: string): string => {
  const status = jsonOf(text);
  return isRecord(status) && typeof status.message === 'string' ? status.message : '';
};

type Applied = Record<string, unknown> & { headers?: Record<string, string>; auth?: string };

/** All words that prove who we are: a token or `user:password`, as they are and as they are sent. */
const secretsIn = (authorization: string, auth: string): string[] =>
  [authorization, authorization.replace(/^\S+ /, ''), auth.replace(/^[^:]*:/, ''), btoa(auth)].filter((one) => one !== '');

export class KubernetesApi {
  readonly #module: CredentialsModule;
  readonly #where: Where;
  #credentials: Credentials | null = null;

  constructor(module: CredentialsModule, where: Where) {
    this.#module = module;
    this.#where = where;
  }

  /** Where a token or certificate was refused it may have been rotated meanwhile: the files are read anew, once. */
  async get(path: string, query: URLSearchParams, signal: AbortSignal): Promise<Reply> {
    const wasKept = this.#credentials !== null;
    let call = await this.#call(path, query, signal);
    let reply = await exchange(call);
    if (reply.status === 401) {
      this.forget();
      if (wasKept) {
        call = await this.#call(path, query, signal);
        reply = await exchange(call);
      }
    }
    if (reply.status !== 200) throw refusal(call, reply);
    return reply;
  }

  async *watch(path: string, query: URLSearchParams, signal: AbortSignal): AsyncGenerator<string[], void, undefined> {
    const call = await this.#call(path, query, signal);
    try {
      yield* lines(call);
    } catch (error) {
      if (error instanceof RefusedFault && error.status === 401) this.forget();
      throw error;
    }
  }

  get host(): string {
    return this.#server().host;
  }

  /** Files are read anew at the next call. */
  forget(): void {
    this.#credentials = null;
  }

  #loaded(): Credentials {
    if (this.#credentials !== null) return this.#credentials;
    const { kubeconfig, context, root } = this.#where;
    const made = new this.#module.KubeConfig();
    if (kubeconfig === null) loadCluster(root, made);
    else loadConfig(kubeconfig, context, made);
    return (this.#credentials = made);
  }

  #server(): URL {
    const server = this.#loaded().getCurrentCluster()?.server;
    const from = this.#where.kubeconfig ?? 'the environment';
    if (server === undefined) throw unavailable(`'${from}' names no cluster to ask (no current-context?)`);
    if (!URL.canParse(server)) throw unavailable(`'${from}' has a server that is no URL`);
    const url = new URL(server);
    if (url.protocol !== 'https:') throw unavailable(`'${from}' has a server without TLS, which Kubernetes' client refuses`);
    if (url.username !== '' || url.password !== '')
      throw unavailable(`'${from}' has a user or password inside its server's URL`);
    return url;
  }

  async #call(path: string, query: URLSearchParams, signal: AbortSignal): Promise<Call> {
    const url = this.#server();
    url.pathname = `${url.pathname.replace(/\/$/, '')}${path}`;
    url.search = String(query);
    const credentials = this.#loaded();
    const options: Applied = {};
    try {
      await unless(signal, url.host, credentials.applyToHTTPSOptions(options));
    } catch (error) {
      this.forget();
      if (error instanceof LookupFault) throw error;
      const code = (error as NodeJS.ErrnoException).code;
      throw unavailable(
        `no credentials for ${url.host}: a file or program of theirs failed${code === undefined ? '' : ` (${code})`}`,
      );
    }
    const { headers = {}, agent, ...tls } = options;
    const sent = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value.trim()]));
    const secrets = secretsIn(sent.Authorization ?? '', options.auth ?? '');
    // Its agent keeps the certificates that it was made with; only a proxy needs it.
    const proxied = credentials.getCurrentCluster()?.proxyUrl === undefined ? {} : { agent };
    return {
      url,
      method: 'GET',
      headers: sent,
      tls: { ...tls, ...proxied } as NonNullable<Call['tls']>,
      signal,
      secrets,
      reasonIn,
      bytesMax: answerBytesMax,
    };
  }
}
