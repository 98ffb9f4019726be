// Clients that load a cluster while it is hurt, and remember everything they were told. Three kinds of work on one history:
// - registers: reads (by the leader's lease too), writes of values that are written once, and compare-and-set, on a few keys, for
//   the judge of linearizability;
// - the ledger: keys that are put once (`if-index=0`), by HTTP as it is, every answer taken at its word: acknowledged is kept, a
//   definite error did not happen;
// - the ledger through `polity/client`, which tries again under an idempotency key: it must never meet its own first attempt.
// An answer that nothing done to the cluster explains (that the group does not exist, say) is a surprise, and fails the test.
import assert from 'node:assert/strict';
import { nextBetween, type RandomState, randomFrom } from '../../machines/random.ts';
import { failureOfAnswer, jsonOf } from '../../src/client/attempts.ts';
import { type Call, createWire, NoAnswer, type Wire } from '../../src/client/http.ts';
import { createClient, type ErrorCode, PolityError } from '../../src/client/index.ts';
import { sleep, until } from './cluster.ts';
import { History, type Outcome, type Value } from './history.ts';

export type WorkloadOptions = {
  /** HTTP of all nodes, alive or not: clients do not know which. */
  urls: readonly string[];
  seed?: number;
  /** Of each kind. */
  clients?: number;
  keys?: number;
  /** Pause of a client between two calls, milliseconds. */
  thinkMs?: number;
  group?: string;
  /** Errors that what is done to the cluster explains, besides those that any hurt cluster may answer. */
  explained?: readonly ErrorCode[];
};

/** What became of a key of the ledger. */
export type LedgerEntry = { key: string; value: string; outcome: Outcome };

/** The node gives up first, so that its word is heard where it has one. */
const nodeMsMax = 2_000;
const callMsMax = 2_500;
const insistMsMax = 8_000;

/** What a client of a cluster whose nodes die, stop and freeze may be told. */
const unavailable: readonly ErrorCode[] = [
  'NO_QUORUM',
  'OUTCOME_UNKNOWN',
  'NOT_READY',
  'STOPPING',
  'OVERLOADED',
  'UNREACHABLE',
];

type Question = { method: string; key: string; query: string; body?: string; meant: readonly ErrorCode[] };
type Answer = { status: number; fields: Record<string, unknown> } | Extract<Outcome, { type: 'fail' | 'info' }>;

export class Workload {
  readonly history = new History();
  readonly ledger: LedgerEntry[] = [];
  readonly errors = new Map<string, number>();
  /** Answers that nothing explains. */
  readonly surprises: string[] = [];
  readonly #urls: readonly string[];
  readonly #wires: readonly Wire[];
  readonly #options: Required<Omit<WorkloadOptions, 'urls'>>;
  #running: Promise<void>[] = [];
  #stopped = false;
  #values = 0;
  #writesAcknowledged = 0;
  #lastWriteMs = performance.now();
  #longestGapMs = 0;

  constructor({ urls, seed = 1, clients = 3, keys = 3, thinkMs = 12, group = 'kv', explained = [] }: WorkloadOptions) {
    this.#urls = urls;
    this.#wires = urls.map((url) => createWire(new URL(url), undefined));
    this.#options = { seed, clients, keys, thinkMs, group, explained };
  }

  /** Of keys that are put once; another for each seed, so that several may load one cluster, one after the other or at once. */
  get ledgerPrefix(): string {
    return `ledger-${this.#options.seed}/`;
  }

  get group(): string {
    return this.#options.group;
  }

  get writesAcknowledged(): number {
    return this.#writesAcknowledged;
  }

  /** The longest time so far in which no write was acknowledged, milliseconds. */
  get longestGapMs(): number {
    return Math.max(this.#longestGapMs, performance.now() - this.#lastWriteMs);
  }

  /** Forgets the gaps until now. */
  resetGap(): void {
    this.#longestGapMs = 0;
    this.#lastWriteMs = performance.now();
  }

  start(): void {
    const { clients, seed } = this.#options;
    this.resetGap();
    for (let client = 0; client < clients; client++) {
      const random = (kind: number): RandomState => randomFrom(seed * 1_000 + kind * 100 + client);
      this.#running.push(this.#readAndWrite(random(1)), this.#append(random(2)), this.#insist(random(3)));
    }
  }

  /** Waits until so many more writes were acknowledged: the cluster serves. */
  async progress(writes = 30, limitMs = 60_000): Promise<void> {
    const target = this.#writesAcknowledged + writes;
    await until(`${writes} acknowledged writes`, () => this.#writesAcknowledged >= target, limitMs);
    this.assertExplained();
  }

  /** Fails on answers that nothing explains. */
  assertExplained(): void {
    const { length } = this.surprises;
    assert.ok(length === 0, `${length} answers that nothing explains: ${this.surprises.slice(0, 5).join('; ')}`);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
    for (const wire of this.#wires) wire.close();
  }

  #acknowledged(): void {
    const nowMs = performance.now();
    this.#longestGapMs = Math.max(this.#longestGapMs, nowMs - this.#lastWriteMs);
    this.#lastWriteMs = nowMs;
    this.#writesAcknowledged++;
  }

  #nextValue(): string {
    return `v${++this.#values}`;
  }

  /** Counts an error, and remembers one that should not have been. */
  #judge(what: string, error: PolityError, ...meant: ErrorCode[]): void {
    const { code, message } = error;
    this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
    if (![...unavailable, ...this.#options.explained, ...meant].includes(code))
      this.surprises.push(`${what}: ${code} ${message}`);
  }

  async #ask(random: RandomState, { method, key, query, body, meant }: Question): Promise<Answer> {
    const wire = this.#wires[nextBetween(random, 0, this.#wires.length)]!;
    const call: Call = {
      ...{ method, path: `/v1/kv/${key}?timeout-ms=${nodeMsMax}&group=${this.#options.group}${query}` },
      ...(body === undefined ? {} : { body: Buffer.from(body) }),
    };
    try {
      const answered = await wire.ask(call, callMsMax);
      if (answered.status === 200) return { status: 200, fields: (jsonOf(answered.bytes) ?? {}) as Record<string, unknown> };
      const error = new PolityError(failureOfAnswer(answered, wire.base.host));
      if (answered.status !== error.status) this.surprises.push(`${error.code} came with status ${answered.status}`);
      this.#judge(`${method} ${key} at ${wire.base.host}`, error, ...meant);
      return { type: error.definite ? 'fail' : 'info', code: error.code };
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      const code = error.sent ? 'NO_ANSWER' : 'NOT_SENT';
      this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
      return { type: error.sent ? 'info' : 'fail', code };
    }
  }

  async #pause(random: RandomState): Promise<void> {
    await sleep(nextBetween(random, 0, 2 * this.#options.thinkMs + 1));
  }

  async #readAndWrite(random: RandomState): Promise<void> {
    const known = new Map<string, string>();
    let process = this.history.newProcess();
    while (!this.#stopped) {
      const key = `register-${this.#options.seed}-${nextBetween(random, 0, this.#options.keys)}`;
      const old = known.get(key);
      const chance = nextBetween(random, 0, 100);
      const f = chance < 40 ? 'read' : chance < 70 || old === undefined ? 'write' : 'cas';
      const next = f === 'read' ? null : this.#nextValue();
      const asked: Value | [Value, Value] = f === 'cas' ? [old!, next] : next;
      this.history.add({ process, type: 'invoke', f, key, value: asked });
      const query = f === 'cas' ? `&if-value=${old}` : '';
      const question: Question =
        f === 'read'
          ? { method: 'GET', key, query: chance < 20 ? '&consistency=lease' : '', meant: ['KEY_NOT_FOUND'] }
          : { method: 'PUT', key, query, body: next!, meant: f === 'cas' ? ['CAS_MISMATCH'] : [] };
      const answer = await this.#ask(random, question);
      const absent = 'code' in answer && f === 'read' && answer.code === 'KEY_NOT_FOUND';
      if ('fields' in answer || absent) {
        const read = 'fields' in answer ? String(answer.fields.value) : null;
        if (f === 'read' && read !== null) known.set(key, read);
        if (f !== 'read') {
          known.set(key, next!);
          this.#acknowledged();
        }
        this.history.add({ process, type: 'ok', f, key, value: f === 'read' ? read : asked });
      } else {
        const type = f === 'read' ? 'fail' : answer.type;
        this.history.add({ process, type, f, key, value: asked });
        if (f === 'cas') known.delete(key);
        if (type === 'info') process = this.history.newProcess();
      }
      await this.#pause(random);
    }
  }

  async #append(random: RandomState): Promise<void> {
    while (!this.#stopped) {
      const value = this.#nextValue();
      const key = `${this.ledgerPrefix}${value}`;
      // Nobody else puts this key: a mismatch would be this very request, executed twice.
      const answer = await this.#ask(random, { method: 'PUT', key, query: '&if-index=0', body: value, meant: [] });
      this.ledger.push({ key, value, outcome: 'fields' in answer ? { type: 'ok', value } : answer });
      if ('fields' in answer) this.#acknowledged();
      await this.#pause(random);
    }
  }

  async #insist(random: RandomState): Promise<void> {
    const at = nextBetween(random, 0, this.#urls.length);
    const urls = [...this.#urls.slice(at), ...this.#urls.slice(0, at)];
    const client = createClient({ urls, timeoutMs: insistMsMax, group: this.#options.group });
    while (!this.#stopped) {
      const value = this.#nextValue();
      const key = `${this.ledgerPrefix}${value}`;
      const outcome = await client.put(key, value, { ifIndex: 0 }).then(
        (): Outcome => ({ type: 'ok', value }),
        (error: unknown): Outcome => {
          if (!(error instanceof PolityError)) throw error;
          if (error.code === 'CAS_MISMATCH')
            throw new Error(`${key} was put twice under one idempotency key`, { cause: error });
          return { type: error.definite ? 'fail' : 'info', code: error.code };
        },
      );
      this.ledger.push({ key, value, outcome });
      if (outcome.type === 'ok') this.#acknowledged();
      await this.#pause(random);
    }
    client.close();
  }
}
