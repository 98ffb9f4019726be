// Members in Consul: every node registers one service with its agent and passes a TTL check; the others ask the catalog by blocking
// queries, which Consul answers when something changes. Over the documented HTTP API (v1): the package `consul` collects answers
// without a limit and is ended by an event emitter only, so that an agent that answers without end would take the node along.
import type { Announcement } from '../../actors/ports/index.ts';
import { parseCatalog, registrationOf, serviceId } from './consul-catalog.ts';
import { type Address, parseAddress, readSecret, readTls } from './endpoint.ts';
import { type Call, exchange, parseJson, type Reply, refusal, rest, within } from './exchange.ts';
import { type LeaveOut, leaveOut } from './left-out.ts';
import { type Answer, LookupFault, type Source, type SourceContext, type SourceKind, sourceLimits } from './source.ts';

export type ConsulTiming = {
  /** How long a blocking query waits for a change; Consul adds up to a sixteenth, so that not all come at once. */
  waitMs: number;
  /** Two of them do not begin closer together, whatever the agent answers. */
  gapMs: number;
  /** A check that is not passed for so long is critical: the node is there, but does not work. */
  checkTtlMs: number;
  passMs: number;
  answerMs: number;
  /** Deregistering holds up no stop. */
  farewellMs: number;
};

const defaults: ConsulTiming = {
  ...{ waitMs: 55_000, gapMs: 250, checkTtlMs: 15_000, passMs: 5_000, answerMs: 5_000, farewellMs: 1_500 },
};
const otherwise = 'http://127.0.0.1:8500';
const optionNames = ['service', 'tokenFile', 'datacenter', 'ca', 'cert', 'key'];
const wordPattern = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;
/** Consul says a member in ten times the words of a record. */
const catalogBytesMax = 8 * sourceLimits.answerBytesMax;

class ConsulSource implements Source {
  readonly #address: Address;
  readonly #service: string;
  readonly #cluster: string;
  readonly #timing: ConsulTiming;
  readonly #say: LeaveOut;

  constructor(address: Address, cluster: string, timing: ConsulTiming, say: LeaveOut) {
    this.#address = address;
    this.#service = address.options.get('service') ?? 'polity';
    this.#cluster = cluster;
    this.#timing = timing;
    this.#say = say;
  }

  async query(signal: AbortSignal): Promise<Answer> {
    return (await this.#catalog(null, signal)).answer;
  }

  async follow(on: (answer: Answer) => void, signal: AbortSignal): Promise<void> {
    let index: bigint | null = null;
    try {
      while (!signal.aborted) {
        const gap = rest(this.#timing.gapMs, signal);
        const asked: { answer: Answer; index: bigint } = await this.#catalog(index, signal);
        if (!signal.aborted) on(asked.answer);
        // An index that goes backwards belongs to another life of the servers: begin anew, without one.
        index = index !== null && asked.index < index ? null : asked.index;
        await gap;
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async announce(self: Announcement, signal: AbortSignal): Promise<void> {
    let registered = false;
    let told = false;
    try {
      while (!signal.aborted) {
        if (!registered) {
          told = true;
          await this.#register(self, signal);
        }
        await rest(this.#timing.passMs, signal);
        registered = signal.aborted || (await this.#pass(self, signal));
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    if (told) await this.#deregister(self);
  }

  #call(method: 'GET' | 'PUT', path: string, query: Record<string, string>, signal: AbortSignal, body?: unknown): Call {
    const { endpoints, options } = this.#address;
    const url = new URL(path, endpoints[0]);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    const tokenFile = options.get('tokenFile');
    const token = tokenFile === undefined ? null : readSecret(tokenFile);
    return {
      ...{ url, method, signal, bytesMax: catalogBytesMax, tls: readTls(options) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(token === null ? {} : { headers: { 'x-consul-token': token }, secrets: [token] }),
    };
  }

  /** Everybody, also those whose checks fail: they are found as not working. With an index: when something has changed since. */
  async #catalog(index: bigint | null, signal: AbortSignal): Promise<{ answer: Answer; index: bigint }> {
    const { waitMs, answerMs } = this.#timing;
    const datacenter = this.#address.options.get('datacenter');
    const query = {
      ...(datacenter === undefined ? {} : { dc: datacenter }),
      ...(index === null ? {} : { index: String(index), wait: `${waitMs}ms` }),
    };
    // A connection that is half open never answers, and Consul must have answered by then.
    const limitMs = index === null ? answerMs : waitMs + waitMs / 16 + answerMs;
    return within(signal, limitMs, async (limited) => {
      const call = this.#call('GET', `/v1/health/service/${this.#service}`, query, limited);
      const reply = await exchange(call);
      if (reply.status !== 200) throw refusal(call, reply);
      return { answer: this.#answerOf(call, reply), index: this.#indexOf(call, reply) };
    });
  }

  #answerOf({ url }: Call, { text, headers }: Reply): Answer {
    const findings = parseCatalog(parseJson(text, url.host), this.#cluster, 2 * this.#timing.waitMs, this.#say);
    if (findings === null) throw new LookupFault('SOURCE_MALFORMED', `${url.host} answered no list of services`);
    if (headers['x-consul-results-filtered-by-acls'] === 'true')
      this.#say(url.host, "shows not every service to this node's token; what it hides");
    return { findings, emptyTtlMs: sourceLimits.emptyTtlDefaultMs };
  }

  /** Less than 1 would not block, says its documentation. */
  #indexOf({ url }: Call, { headers }: Reply): bigint {
    const text = headers['x-consul-index'];
    if (typeof text !== 'string' || !/^\d{1,20}$/.test(text))
      throw new LookupFault('SOURCE_MALFORMED', `${url.host} answered without X-Consul-Index: is it Consul?`);
    return BigInt(text) || 1n;
  }

  #put(path: string, query: Record<string, string>, signal: AbortSignal, body?: unknown): Promise<[Call, Reply]> {
    return within(signal, this.#timing.answerMs, async (limited) => {
      const call = this.#call('PUT', `/v1/agent/${path}`, query, limited, body);
      return [call, await exchange(call)];
    });
  }

  async #register(self: Announcement, signal: AbortSignal): Promise<void> {
    const registration = registrationOf(self, this.#service, this.#timing.checkTtlMs);
    const [call, reply] = await this.#put('service/register', { 'replace-existing-checks': 'true' }, signal, registration);
    if (reply.status !== 200) throw refusal(call, reply);
  }

  /** False: the agent knows nothing of it any more, as after a restart without its data (404; 500 before Consul 1.11). */
  async #pass(self: Announcement, signal: AbortSignal): Promise<boolean> {
    const path = `check/update/${encodeURIComponent(`service:${serviceId(self)}`)}`;
    const [call, reply] = await this.#put(path, {}, signal, { Status: 'passing', Output: `polity ${self.version}` });
    if (reply.status === 200) return true;
    if (reply.status === 404 || reply.status === 500) return false;
    throw refusal(call, reply);
  }

  /** Whom nobody deregisters, Consul throws out itself after a while, but somebody should know; 404 is what was wanted. */
  async #deregister(self: Announcement): Promise<void> {
    const path = `service/deregister/${encodeURIComponent(serviceId(self))}`;
    const alone = new AbortController().signal;
    const [call, reply] = await within(alone, this.#timing.farewellMs, (limited) => this.#put(path, {}, limited));
    if (reply.status !== 200 && reply.status !== 404) throw refusal(call, reply);
  }
}

/** With other times, for tests. */
export const consulWithin = (timing: ConsulTiming): SourceKind => ({
  scheme: 'consul',
  form: 'consul:URL[?service=polity&tokenFile=F&datacenter=DC&ca=F&cert=F&key=F]',
  parse(text) {
    const address = parseAddress(text, otherwise, optionNames, ['tokenFile']);
    if ('problem' in address) return address;
    if (address.endpoints.length > 1) return { problem: 'has more than one URL: it is that of the agent of this machine' };
    for (const name of ['service', 'datacenter'])
      if (!wordPattern.test(address.options.get(name) ?? 'x'))
        return { problem: `has a ${name} that is not 1 to 63 letters, digits, '.', '_' or '-'` };
    const name = `consul:${text}`;
    return {
      name,
      open: async ({ cluster, sink }: SourceContext) => new ConsulSource(address, cluster, timing, leaveOut(sink, name)),
    };
  },
});

export const consul: SourceKind = consulWithin(defaults);
