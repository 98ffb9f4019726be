// Members in etcd: every node keeps one key alive by a lease, and watches the keys of the others. What is under
// PREFIX/CLUSTER/PEERID is one record (record.ts) a key; a node that dies takes its key along when its lease ends.
import type { Announcement, Finding } from '../../actors/ports/index.ts';
import { parseAddress, readSecret, readTls } from './endpoint.ts';
import { EtcdGateway } from './etcd-gateway.ts';
import { isRecord, RefusedFault, rest, within } from './exchange.ts';
import { cut, type LeaveOut, leaveOut } from './left-out.ts';
import { formRecord, parseRecord } from './record.ts';
import { type Answer, LookupFault, type Source, type SourceContext, type SourceKind, sourceLimits } from './source.ts';

export type EtcdTiming = {
  /** How long a node that died without a word stays in etcd. */
  leaseSeconds: number;
  renewMs: number;
  /** A watch that is silent may be broken: what it told is compared with what is there. */
  compareMs: number;
  answerMs: number;
  /** Taking back the lease holds up no stop. */
  farewellMs: number;
};

const defaults: EtcdTiming = { leaseSeconds: 15, renewMs: 5_000, compareMs: 10_000, answerMs: 4_000, farewellMs: 1_500 };
const otherwise = 'http://127.0.0.1:2379';
const optionNames = ['prefix', 'user', 'passwordFile', 'ca', 'cert', 'key', 'endpoint'];
const prefixPattern = /^(?:\/[A-Za-z0-9._-]{1,64}){1,8}$/;
/** Between two lists, when etcd makes us begin anew: nobody asks it in a loop. */
const anewMs = 250;

const encode = (text: string): string => Buffer.from(text).toString('base64');
const decode = (base64: string): string => Buffer.from(base64, 'base64').toString('utf8');
/** The first key after all that begin so: the last byte is one more. */
const endOf = (prefix: string): string =>
  `${prefix.slice(0, -1)}${String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1)}`;

/** int64 is text in JSON. */
const revisionOf = (value: unknown): bigint | null =>
  typeof value === 'string' && /^\d{1,19}$/.test(value) ? BigInt(value) : null;

type Entry = { key: string; value: string; revision: bigint };
/** What is under the prefix, by key, and the revision of the whole at which that is so. */
type View = { entries: Map<string, Entry>; revision: bigint };

const parseEntry = (kv: unknown): Entry | null => {
  const { key, value = '', mod_revision } = isRecord(kv) ? kv : {};
  const revision = revisionOf(mod_revision);
  return typeof key === 'string' && typeof value === 'string' && revision !== null
    ? { key: decode(key), value, revision }
    : null;
};

const isSame = (one: View, other: View): boolean =>
  one.entries.size === other.entries.size &&
  [...one.entries].every(([key, { revision }]) => other.entries.get(key)?.revision === revision);

class EtcdSource implements Source {
  readonly #gateway: EtcdGateway;
  readonly #prefix: string;
  readonly #cluster: string;
  readonly #timing: EtcdTiming;
  readonly #say: LeaveOut;

  constructor(gateway: EtcdGateway, prefix: string, cluster: string, timing: EtcdTiming, say: LeaveOut) {
    this.#gateway = gateway;
    this.#prefix = `${prefix}/${cluster}/`;
    this.#cluster = cluster;
    this.#timing = timing;
    this.#say = say;
  }

  async query(signal: AbortSignal): Promise<Answer> {
    return this.#answerOf(await this.#range(signal));
  }

  async follow(on: (answer: Answer) => void, signal: AbortSignal): Promise<void> {
    try {
      while (!signal.aborted) {
        const view = await this.#range(signal);
        on(this.#answerOf(view));
        await this.#watch(view, (changed) => signal.aborted || on(this.#answerOf(changed)), signal);
        await rest(anewMs, signal);
      }
    } catch (error) {
      if (signal.aborted) return;
      this.#gateway.next();
      throw error;
    }
  }

  async announce(self: Announcement, signal: AbortSignal): Promise<void> {
    let lease: string | null = null;
    try {
      while (!signal.aborted) {
        if (lease === null) {
          lease = await this.#grant(signal);
          await this.#put(self, lease, signal);
        }
        await rest(this.#timing.renewMs, signal);
        if (!signal.aborted && !(await this.#renew(lease, signal))) lease = null;
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    if (lease !== null) await this.#revoke(lease);
  }

  async #grant(signal: AbortSignal): Promise<string> {
    const { ID } = await this.#gateway.ask('/v3/lease/grant', { TTL: String(this.#timing.leaseSeconds) }, signal);
    if (typeof ID !== 'string' || !/^\d{1,20}$/.test(ID)) throw new LookupFault('SOURCE_MALFORMED', 'etcd granted no lease');
    return ID;
  }

  async #put(self: Announcement, lease: string, signal: AbortSignal): Promise<void> {
    const value = JSON.stringify(formRecord(self));
    await this.#gateway.ask('/v3/kv/put', { key: encode(`${this.#prefix}${self.peer}`), value: encode(value), lease }, signal);
  }

  /** False: the lease has ended. A lease that lives is answered with its time to live. */
  async #renew(lease: string, signal: AbortSignal): Promise<boolean> {
    const { result } = await this.#gateway.ask('/v3/lease/keepalive', { ID: lease }, signal);
    return isRecord(result) && Number(result.TTL ?? 0) > 0;
  }

  /** What cannot be taken back ends by itself, but somebody should know; a lease that ended already is what was wanted. */
  async #revoke(lease: string): Promise<void> {
    const alone = new AbortController().signal;
    await within(alone, this.#timing.farewellMs, async (limited) => {
      await this.#gateway.ask('/v3/lease/revoke', { ID: lease }, limited).catch((error: unknown) => {
        if (!(error instanceof RefusedFault && error.status === 404)) throw error;
      });
    });
  }

  async #range(signal: AbortSignal): Promise<View> {
    const bounds = { key: encode(this.#prefix), range_end: encode(endOf(this.#prefix)) };
    const answer = await this.#gateway.ask('/v3/kv/range', { ...bounds, limit: String(sourceLimits.findingsMax + 1) }, signal);
    const revision = revisionOf(isRecord(answer.header) ? answer.header.revision : null);
    const kvs = answer.kvs ?? [];
    if (revision === null || !Array.isArray(kvs)) throw new LookupFault('SOURCE_MALFORMED', 'etcd answered no range of keys');
    const view: View = { entries: new Map(), revision };
    for (const kv of kvs.slice(0, sourceLimits.findingsMax + 1)) {
      const entry = parseEntry(kv);
      if (entry === null) throw new LookupFault('SOURCE_MALFORMED', 'etcd answered a key without a value or revision');
      view.entries.set(entry.key, entry);
    }
    return view;
  }

  /** Until what is known can have gaps: then everything is asked for anew. Both ends at once, or the first fault. */
  async #watch(view: View, told: (view: View) => void, signal: AbortSignal): Promise<void> {
    const both = new AbortController();
    const end = (): void => both.abort();
    signal.addEventListener('abort', end, { once: true });
    if (signal.aborted) end();
    const ways = [this.#listen(view, told, both.signal), this.#compare(view, told, both.signal)];
    try {
      await Promise.race(ways);
    } finally {
      both.abort();
      await Promise.allSettled(ways);
      signal.removeEventListener('abort', end);
    }
  }

  async #listen(view: View, told: (view: View) => void, signal: AbortSignal): Promise<void> {
    const bounds = { key: encode(this.#prefix), range_end: encode(endOf(this.#prefix)) };
    const request = { create_request: { ...bounds, start_revision: String(view.revision + 1n) } };
    for await (const messages of this.#gateway.stream('/v3/watch', request, signal)) {
      let changed = false;
      for (const { canceled, compact_revision, events } of messages) {
        // What was to be told first has been compacted away, which is no failure.
        if (canceled === true && revisionOf(compact_revision) !== null) return;
        if (canceled === true) throw new LookupFault('SOURCE_REFUSED', 'etcd ended the watch');
        if (Array.isArray(events)) for (const event of events) changed = this.#apply(view, event) || changed;
      }
      if (changed) told(view);
    }
    if (!signal.aborted) throw new LookupFault('SOURCE_UNREACHABLE', 'etcd closed the watch');
  }

  #apply({ entries }: View, event: unknown): boolean {
    const { type, kv } = isRecord(event) ? event : {};
    const entry = parseEntry(kv);
    if (entry === null) throw new LookupFault('SOURCE_MALFORMED', 'etcd told a change without a key or revision');
    if (!entry.key.startsWith(this.#prefix)) return false;
    if (type === 'DELETE') return entries.delete(entry.key);
    if (entries.size > sourceLimits.findingsMax && !entries.has(entry.key)) return false;
    entries.set(entry.key, entry);
    return true;
  }

  /** A connection that is half open says nothing for ever; progress notifications of etcd come only every ten minutes. */
  async #compare(view: View, told: (view: View) => void, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await rest(this.#timing.compareMs, signal);
      if (signal.aborted) return;
      if (!isSame(await this.#range(signal), view)) return;
      told(view);
    }
  }

  #answerOf({ entries }: View): Answer {
    const findings: Finding[] = [];
    for (const [key, { value }] of entries) {
      const finding = this.#findingOf(key, value);
      if (finding === null) continue;
      if ('problem' in finding) this.#say(key, finding.problem);
      else findings.push(finding);
    }
    return {
      findings: cut(findings, this.#say, this.#prefix),
      emptyTtlMs: sourceLimits.emptyTtlDefaultMs,
    };
  }

  #findingOf(key: string, value: string): Finding | { problem: string } | null {
    let record: unknown;
    try {
      record = JSON.parse(decode(value));
    } catch {
      return { problem: 'is no JSON' };
    }
    const finding = parseRecord(record, this.#cluster, sourceLimits.ttlDefaultMs);
    if (finding === null || 'problem' in finding) return finding;
    return finding.peer === key.slice(this.#prefix.length) ? finding : { problem: 'speaks of another peer than its key' };
  }
}

/** With other times, for tests. */
export const etcdWithin = (timing: EtcdTiming): SourceKind => ({
  scheme: 'etcd',
  form: 'etcd:URL[,URL…][?prefix=/polity&user=U&passwordFile=F&ca=F&cert=F&key=F]',
  parse(text) {
    const address = parseAddress(text, otherwise, optionNames, ['user']);
    if ('problem' in address) return address;
    const { endpoints, options } = address;
    const prefix = options.get('prefix') ?? '/polity';
    if (!prefixPattern.test(prefix)) return { problem: 'has a prefix that is not /WORD[/WORD…]' };
    const [user, passwordFile] = [options.get('user'), options.get('passwordFile')];
    if ((user === undefined) !== (passwordFile === undefined)) return { problem: 'needs user and passwordFile together' };
    const name = `etcd:${text}`;
    return {
      name,
      open: async ({ cluster, sink }: SourceContext) => {
        const gateway = new EtcdGateway({
          ...{ endpoints, user: user ?? null, answerMs: timing.answerMs },
          readPassword: () => readSecret(passwordFile!),
          readTls: () => readTls(options),
        });
        return new EtcdSource(gateway, prefix, cluster, timing, leaveOut(sink, name));
      },
    };
  },
});

export const etcd: SourceKind = etcdWithin(defaults);
