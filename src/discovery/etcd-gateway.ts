// etcd over its JSON gateway (v3, since etcd 3.4): the same messages as over gRPC, in JSON over HTTP, so that no gRPC client is
// needed. Knows the endpoints, of which the next is asked when one fails, and the token that a user gets for his password.
import { type Call, exchange, isRecord, jsonOf, lines, parseJson, type Reply, refusal, within } from './exchange.ts';
import { LookupFault, sourceLimits } from './source.ts';

export type GatewayPlan = {
  endpoints: readonly URL[];
  user: string | null;
  readPassword(): string;
  readTls(): Pick<Call, 'tls'>['tls'];
  /** Longer no endpoint is waited for. */
  answerMs: number;
};

type Body = Readonly<Record<string, unknown>>;

/** gRPC's UNAUTHENTICATED. */
const unauthenticated = 16;

/** Its errors are `{error, code}`, in a stream `{error: {message, grpc_code}}`. */
const reasonOf = (value: unknown): { words: string; code: unknown } => {
  const { error, message, code, grpc_code } = isRecord(value) ? value : {};
  if (isRecord(error)) return reasonOf({ ...error, code: error.grpc_code ?? error.code });
  return { words: [message, error].find((one) => typeof one === 'string') ?? '', code: code ?? grpc_code };
};

/** etcd forgets tokens at a restart and after a while; it says so with UNAUTHENTICATED, or when its users have changed meanwhile. */
const asksForToken = ({ status, text }: Reply): boolean => {
  const { words, code } = reasonOf(jsonOf(text));
  return status === 401 || code === unauthenticated || words.includes('revision in header is old');
};

export class EtcdGateway {
  readonly #plan: GatewayPlan;
  #at = 0;
  #token: string | null = null;

  constructor(plan: GatewayPlan) {
    this.#plan = plan;
  }

  /** Asks one endpoint after the other until one answers. */
  async ask(path: string, body: Body, signal: AbortSignal): Promise<Record<string, unknown>> {
    const { endpoints, answerMs } = this.#plan;
    // Where there are others, nobody waits long for one that hangs.
    const limitMs = endpoints.length > 1 ? answerMs / 2 : answerMs;
    let last: unknown;
    for (let tried = 0; tried < endpoints.length; tried++) {
      try {
        return await within(signal, limitMs, (limited) => this.#authorized(path, body, limited));
      } catch (error) {
        last = error;
        this.next();
        if (signal.aborted) break;
      }
    }
    throw last;
  }

  /** The messages of a stream, as they come together. Its first must come soon; it stays at one endpoint and ends where that ends it. */
  async *stream(path: string, body: Body, signal: AbortSignal): AsyncGenerator<Record<string, unknown>[], void, undefined> {
    const silent = new AbortController();
    const end = (): void => silent.abort();
    const timer = setTimeout(end, this.#plan.answerMs);
    signal.addEventListener('abort', end, { once: true });
    if (signal.aborted) end();
    try {
      const call = this.#call(path, body, await this.#tokenFor(silent.signal), silent.signal);
      for await (const texts of lines(call)) {
        clearTimeout(timer);
        yield texts.map((text) => this.#messageOf(text, call));
      }
    } catch (error) {
      if (error instanceof LookupFault && error.code === 'SOURCE_REFUSED') this.#token = null;
      throw error;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
    }
  }

  /** The endpoint that was asked is not to be asked next. */
  next(): void {
    this.#at = (this.#at + 1) % this.#plan.endpoints.length;
  }

  #call(path: string, body: Body, token: string | null, signal: AbortSignal): Call {
    const tls = this.#plan.readTls();
    return {
      ...{ url: new URL(path, this.#plan.endpoints[this.#at]!), method: 'POST', body: JSON.stringify(body), signal },
      ...(token === null ? {} : { headers: { authorization: token }, secrets: [token] }),
      ...(tls === undefined ? {} : { tls }),
      bytesMax: sourceLimits.answerBytesMax,
      reasonIn: (text) => reasonOf(jsonOf(text)).words,
    };
  }

  /** A token that is not taken any more is asked for anew, once. */
  async #authorized(path: string, body: Body, signal: AbortSignal): Promise<Record<string, unknown>> {
    const hadToken = this.#token !== null;
    let call = this.#call(path, body, await this.#tokenFor(signal), signal);
    let reply = await exchange(call);
    if (this.#plan.user !== null && asksForToken(reply)) {
      this.#token = null;
      if (hadToken) {
        call = this.#call(path, body, await this.#tokenFor(signal), signal);
        reply = await exchange(call);
      }
    }
    return this.#answerOf(call, reply);
  }

  async #tokenFor(signal: AbortSignal): Promise<string | null> {
    const { user } = this.#plan;
    if (user === null || this.#token !== null) return this.#token;
    const password = this.#plan.readPassword();
    const bare = this.#call('/v3/auth/authenticate', { name: user, password }, null, signal);
    const call = { ...bare, secrets: [password] };
    const { token } = this.#answerOf(call, await exchange(call));
    if (typeof token !== 'string' || !/^[\x21-\x7e]{1,4096}$/.test(token))
      throw new LookupFault('SOURCE_MALFORMED', `${call.url.host} gave no token for user '${user}'`);
    return (this.#token = token);
  }

  #answerOf(call: Call, reply: Reply): Record<string, unknown> {
    if (reply.status !== 200) {
      if (reply.status === 404 && !reply.text.startsWith('{'))
        throw new LookupFault('SOURCE_REFUSED', `${call.url.host} has no ${call.url.pathname}: is it etcd 3.4 or later?`);
      throw refusal(call, reply);
    }
    const answer = parseJson(reply.text, call.url.host);
    if (!isRecord(answer)) throw new LookupFault('SOURCE_MALFORMED', `${call.url.host} answered what is no object`);
    return answer;
  }

  #messageOf(text: string, call: Call): Record<string, unknown> {
    const message = parseJson(text, call.url.host);
    if (isRecord(message) && isRecord(message.result)) return message.result;
    const status = isRecord(message) && isRecord(message.error) ? Number(message.error.http_code ?? 500) : 0;
    if (status === 0) throw new LookupFault('SOURCE_MALFORMED', `${call.url.host} sent a message without a result`);
    throw refusal(call, { status, headers: {}, text });
  }
}
