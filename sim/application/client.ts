// The cluster as a simulated program sees it: the words of `polity/client`, so that the same code runs on both.
import type { ReadOptions as NodeReadOptions } from '../../actors/api.ts';
import { errorTable, PolityError } from '../../machines/errors.ts';
import { Entry, type Written } from '../../machines/register/entry.ts';
import type { FencingToken, RegisterRead, RegisterResult, RegisterWrite } from '../../machines/register/types.ts';
import type { WatchEvent } from '../../machines/register/watching.ts';
import { deleteOf, type Guards, onlyIf, type PutWords, putOf, writtenOf } from '../../machines/register/words.ts';
import { type ActorCallOptions, addressFrom, askActor, type SimulatedActor } from './actors.ts';
import { type CallOptions, Calls, type Wires } from './calls.ts';
import { HeldLease, HeldLock, type Lease, type Lock, takeLock } from './leases.ts';
import type { Program } from './program.ts';
import { type RecordedCall, type Recorder, recorded } from './record.ts';
import { show } from './text.ts';
import { never } from './turns.ts';
import { type WatchOptions, watch } from './watch.ts';

export type ReadOptions = CallOptions & Pick<NodeReadOptions, 'consistency'>;
export type WriteOptions = CallOptions & {
  /** The same key twice has one effect for ten minutes; made up when absent, so that a retry is safe. */
  idempotencyKey?: string;
};
export type PutOptions = WriteOptions & Omit<PutWords, 'lease'> & { lease?: string | Lease };
export type DeleteOptions = WriteOptions & Guards;
export type ListOptions = ReadOptions & { after?: string; limit?: number };
export type LockOptions = CallOptions & {
  /** Default 15 000: how long the lock outlives its program. */
  ttlMs?: number;
  /** Who holds it, for people; made up when absent. */
  owner?: string;
  /** How long to wait for a lock that somebody holds; default 0. */
  waitMs?: number;
};

const pageLimit = 200;
const lockTtlMs = 15_000;
const nameOf = (group: string | undefined, key: string): string =>
  group === undefined || group === 'kv' ? key : `${group} ${key}`;

type Answered<Op extends RegisterResult['op']> = Extract<RegisterResult, { op: Op }>;

/** Every call rejects with a PolityError, or with its signal's reason; each is in the trace and, where it can be judged, in the history. */
export class SimulatedClient {
  readonly #calls: Calls;
  readonly #program: Program;
  readonly #recorder: Recorder;
  readonly #wires: Wires;
  #made = 0;

  constructor(program: Program, wires: Wires, recorder: Recorder) {
    this.#program = program;
    this.#wires = wires;
    this.#calls = new Calls(program, wires);
    this.#recorder = recorder;
  }

  #name(kind: string): string {
    return `${this.#program.name} ${kind} ${++this.#made}`;
  }

  // -------------------------------------------------------------- calls

  async #told<Result>(
    what: string,
    bytes: Uint8Array | null,
    run: () => Promise<Result>,
    say: (result: Result) => string,
  ): Promise<Result> {
    if (!this.#program.turns.call()) return never();
    this.#program.tell(what, bytes);
    try {
      const result = await run();
      this.#program.tell(`${what}: ${say(result)}`);
      return result;
    } catch (error) {
      this.#program.tell(`${what}: ${error instanceof PolityError ? error.code : 'aborted'}`);
      throw error;
    }
  }

  #write(write: RegisterWrite, options: WriteOptions): Promise<RegisterResult> {
    const { group, idempotencyKey = this.#name('call') } = options;
    const common = { idempotencyKey, ...(group === undefined ? {} : { group }) };
    const start = (
      api: Parameters<Parameters<Calls['run']>[0]['start']>[0],
      timeoutMs: number,
      done: Parameters<typeof api.write>[2],
    ) => api.write(write, { ...common, timeoutMs }, done);
    return this.#calls.run<RegisterResult>({ what: write.op, effect: true, repeatable: true, start }, options);
  }

  async #read<Op extends RegisterRead['op']>(
    read: Extract<RegisterRead, { op: Op }>,
    options: ReadOptions,
  ): Promise<Answered<Op>> {
    const { group, consistency } = options;
    const common = { ...(consistency === undefined ? {} : { consistency }), ...(group === undefined ? {} : { group }) };
    const result = await this.#calls.run<RegisterResult>(
      {
        what: read.op,
        effect: false,
        repeatable: true,
        start: (api, timeoutMs, done) => api.read(read, { ...common, timeoutMs }, done),
      },
      options,
    );
    if (result.op !== read.op) throw new Error(`a ${read.op} was answered with a ${result.op}`);
    return result as Answered<Op>;
  }

  /** What the judge is told of a write: a condition by index only says that it happened, if it did. */
  #recorded(write: RegisterWrite & { op: 'put' | 'delete' }, options: WriteOptions): RecordedCall {
    const key = nameOf(options.group, write.key);
    if (options.idempotencyKey !== undefined) this.#recorder.exclude(key);
    if (write.op === 'put' && (write.ttlMs !== undefined || write.lease !== undefined)) this.#recorder.exclude(key);
    const next = write.op === 'put' ? recorded(write.value) : null;
    const { condition } = write;
    if (condition?.kind === 'value') return { f: 'cas', key, value: [recorded(condition.value), next] };
    if (condition?.kind === 'index' && condition.index === 0 && next !== null) return { f: 'cas', key, value: [null, next] };
    return { f: 'write', key, value: next };
  }

  async #writeKey(what: string, write: RegisterWrite & { op: 'put' | 'delete' }, options: WriteOptions): Promise<Written> {
    const end = this.#recorder.begin(this.#recorded(write, options));
    const run = async (): Promise<Written> => {
      try {
        const result = await this.#write(write, options);
        end('ok');
        return writtenOf(write.key, result);
      } catch (error) {
        // An aborted call that rejects with the signal's own reason surely did nothing.
        const didNothing = !(error instanceof PolityError) || errorTable[error.code].definite;
        end(didNothing ? 'fail' : 'info');
        throw error;
      }
    };
    return this.#told(what, write.op === 'put' ? write.value : null, run, ({ index }) => `index ${index}`);
  }

  // -------------------------------------------------------------- keys

  put(key: string, value: string | Uint8Array, options: PutOptions = {}): Promise<Written> {
    return this.#put(`put ${show(key)} ${show(value)}`, key, value, options);
  }

  #put(what: string, key: string, value: string | Uint8Array, options: PutOptions): Promise<Written> {
    const { lease, ...words } = options;
    const id = typeof lease === 'object' ? lease.id : lease;
    const write = putOf(key, value, { ...words, ...(id === undefined ? {} : { lease: id }) });
    return this.#writeKey(what, write as RegisterWrite & { op: 'put' }, options);
  }

  /** Puts `next` only if the value is `old`; null = only if the key does not exist. Else rejects with CAS_MISMATCH. */
  cas(key: string, old: string | Uint8Array | null, next: string | Uint8Array, options: PutOptions = {}): Promise<Written> {
    return this.#put(`cas ${show(key)} ${show(old)} → ${show(next)}`, key, next, { ...options, ...onlyIf(old) });
  }

  delete(key: string, options: DeleteOptions = {}): Promise<Written> {
    return this.#writeKey(`delete ${show(key)}`, deleteOf(key, options) as RegisterWrite & { op: 'delete' }, options);
  }

  /** Null if there is no such key. */
  async get(key: string, options: ReadOptions = {}): Promise<Entry | null> {
    // A local read may be old by its own word.
    const end =
      options.consistency === 'local'
        ? () => {}
        : this.#recorder.begin({ f: 'read', key: nameOf(options.group, key), value: null });
    const run = async (): Promise<Entry | null> => {
      try {
        const { found } = await this.#read({ op: 'get', key }, options);
        end('ok', found === null ? null : recorded(found.value));
        return found === null ? null : new Entry(found);
      } catch (error) {
        end('fail');
        throw error;
      }
    };
    return this.#told(`get ${show(key)}`, null, run, (entry) => show(entry?.value ?? null));
  }

  /** One page, in byte order of keys. */
  async page(prefix: string, options: ListOptions = {}): Promise<{ items: Entry[]; more: boolean; index: number }> {
    const { after, limit = pageLimit } = options;
    const read = { op: 'list', prefix, limit, ...(after === undefined ? {} : { after }) } as const;
    const run = async () => {
      const { items, more, index } = await this.#read<'list'>(read, options);
      return { items: items.map((item) => new Entry(item)), more, index };
    };
    return this.#told(`page ${show(prefix)}`, null, run, ({ items }) => `${items.length} keys`);
  }

  /** Every key with the prefix, page by page; each page is consistent in itself. */
  async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<Entry, void, undefined> {
    let { after, limit: left = Number.POSITIVE_INFINITY } = options;
    while (left > 0) {
      const limit = Math.min(left, pageLimit);
      const { items, more } = await this.page(prefix, { ...options, limit, ...(after === undefined ? {} : { after }) });
      yield* items;
      left -= items.length;
      after = items.at(-1)?.key;
      if (!more || after === undefined) return;
    }
  }

  /** Events of keys with the prefix, in log order, for ever; rejects with COMPACTED when the history from `from` is gone. */
  watch(prefix: string, options: WatchOptions = {}): AsyncGenerator<WatchEvent, void, undefined> {
    // A watch moves from node to node by itself, without moving the other calls.
    return watch(new Calls(this.#program, this.#wires), prefix, options);
  }

  // -------------------------------------------------------------- actors

  /** One actor, by its address: `TYPE/KEY`, or `TYPE/KEY@NODE`. */
  actor(address: string): SimulatedActor {
    const to = addressFrom(address);
    const put =
      (kind: 'ask' | 'deliver') =>
      (event: Parameters<SimulatedActor['ask']>[0], options: ActorCallOptions = {}): Promise<unknown> => {
        const id = options.id ?? this.#name(kind);
        const run = () => askActor(this.#calls, kind, to, event, { ...options, id });
        return this.#told(`${kind} ${address} ${show(event.type)}`, null, run, (reply) => JSON.stringify(reply) ?? 'done');
      };
    return { ask: put('ask'), deliver: async (event, options) => void (await put('deliver')(event, options)) };
  }

  // -------------------------------------------------------------- leases and locks

  #writeLease(write: RegisterWrite & { lease: string }, options: WriteOptions): Promise<{ expiresAtMs: number }> {
    const run = async () => {
      const result = await this.#write(write, options);
      return { expiresAtMs: 'expiresAtMs' in result ? result.expiresAtMs : 0 };
    };
    return this.#told(`${write.op} ${show(write.lease)}`, null, run, () => 'done');
  }

  readonly leases = {
    grant: async (ttlMs: number, { lease = this.#name('lease'), ...options }: WriteOptions & { lease?: string } = {}) => ({
      lease,
      ...(await this.#writeLease({ op: 'lease-grant', lease, ttlMs }, options)),
    }),
    renew: (lease: string, options: WriteOptions = {}): Promise<{ expiresAtMs: number }> =>
      this.#writeLease({ op: 'lease-renew', lease }, options),
    revoke: async (lease: string, options: WriteOptions = {}): Promise<void> => {
      await this.#writeLease({ op: 'lease-revoke', lease }, options);
    },
    get: async (lease: string, options: ReadOptions = {}): Promise<{ ttlMs: number; expiresAtMs: number } | null> =>
      (await this.#read<'lease-get'>({ op: 'lease-get', lease }, options)).lease,
  };

  readonly locks = {
    acquire: (
      name: string,
      { lease, owner }: { lease: string; owner: string },
      options: WriteOptions = {},
    ): Promise<FencingToken> => {
      const run = async (): Promise<FencingToken> => {
        const result = await this.#write({ op: 'lock-acquire', lock: name, lease, owner }, options);
        if (result.op !== 'lock-acquire') throw new Error(`a lock-acquire was answered with a ${result.op}`);
        return result.token;
      };
      return this.#told(`lock-acquire ${show(name)}`, null, run, ({ term, index }) => `token ${term}.${index}`);
    },
    release: async (name: string, token: FencingToken, options: WriteOptions = {}): Promise<void> => {
      const run = () => this.#write({ op: 'lock-release', lock: name, token }, options);
      await this.#told(`lock-release ${show(name)}`, null, run, () => 'done');
    },
    get: async (
      name: string,
      options: ReadOptions = {},
    ): Promise<{ owner: string; lease: string; token: FencingToken } | null> =>
      (await this.#read<'lock-get'>({ op: 'lock-get', lock: name }, options)).holder,
  };

  /** A lease that renews itself until it is revoked. */
  async lease(ttlMs: number, options: CallOptions = {}): Promise<Lease> {
    const group = options.group === undefined ? {} : { group: options.group };
    return HeldLease.take(this.#program, ttlMs, {
      grant: async () => (await this.leases.grant(ttlMs, options)).lease,
      renew: async (lease, timeoutMs) => void (await this.leases.renew(lease, { ...group, timeoutMs })),
      revoke: (lease) => this.leases.revoke(lease, group),
    });
  }

  /** Takes the lock on a lease of its own, which renews itself; rejects with LOCK_HELD after `waitMs`. */
  async lock(name: string, options: LockOptions = {}): Promise<Lock> {
    const { ttlMs = lockTtlMs, owner = this.#name('owner'), waitMs = 0, ...call } = options;
    const lease = await this.lease(ttlMs, call);
    const token = await takeLock(this.#program, lease, waitMs, call.signal, () =>
      this.locks.acquire(name, { lease: lease.id, owner }, call),
    );
    return new HeldLock(name, owner, token, lease);
  }
}
