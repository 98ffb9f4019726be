// Clients that load a cluster while it is hurt, and remember everything they were told. Three kinds of work on one history:
// - registers: reads, writes of values that are written once, and compare-and-set, on a few keys, for the judge of linearizability;
// - the ledger: keys that are put once (`if-index=0`), by HTTP as it is, every answer taken at its word: acknowledged is kept, a
//   definite error did not happen;
// - the ledger through `polity/client`, which tries again under an idempotency key: it must never meet its own first attempt.
import { nextBetween, type RandomState, randomFrom } from '../../machines/random.ts';
import { failureOfAnswer, jsonOf } from '../../src/client/attempts.ts';
import { type Call, createWire, NoAnswer, type Wire } from '../../src/client/http.ts';
import { createClient, PolityError } from '../../src/client/index.ts';
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
};

/** What became of a key of the ledger. */
export type LedgerEntry = { key: string; value: string; outcome: Outcome };

/** The node gives up first, so that its word is heard where it has one. */
const nodeMsMax = 2_000;
const callMsMax = 2_500;
const insistMsMax = 8_000;

type Answer = { status: number; fields: Record<string, unknown> } | Extract<Outcome, { type: 'fail' | 'info' }>;

export class Workload {
  readonly history = new History();
  readonly ledger: LedgerEntry[] = [];
  readonly errors = new Map<string, number>();
  readonly #urls: readonly string[];
  readonly #wires: readonly Wire[];
  readonly #options: Required<Omit<WorkloadOptions, 'urls'>>;
  #running: Promise<void>[] = [];
  #stopped = false;
  #values = 0;
  #writesAcknowledged = 0;
  #lastWriteMs = performance.now();
  #longestGapMs = 0;

  constructor({ urls, seed = 1, clients = 5, keys = 4, thinkMs = 8 }: WorkloadOptions) {
    this.#urls = urls;
    this.#wires = urls.map((url) => createWire(new URL(url), undefined));
    this.#options = { seed, clients, keys, thinkMs };
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
  async progress(writes = 30, limitMs = 15_000): Promise<void> {
    const target = this.#writesAcknowledged + writes;
    await until(`${writes} acknowledged writes`, () => this.#writesAcknowledged >= target, limitMs);
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

  async #ask(random: RandomState, method: string, key: string, query: string, body?: string): Promise<Answer> {
    const wire = this.#wires[nextBetween(random, 0, this.#wires.length)]!;
    const call: Call = {
      ...{ method, path: `/v1/kv/${key}?timeout-ms=${nodeMsMax}${query}` },
      ...(body === undefined ? {} : { body: Buffer.from(body) }),
    };
    const problem = (code: string, definite: boolean): Answer => {
      this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
      return { type: definite ? 'fail' : 'info', code };
    };
    try {
      const answered = await wire.ask(call, callMsMax);
      if (answered.status === 200) return { status: 200, fields: (jsonOf(answered.bytes) ?? {}) as Record<string, unknown> };
      const error = new PolityError(failureOfAnswer(answered, wire.base.host));
      if (answered.status !== error.status) throw new Error(`${error.code} came with status ${answered.status}`);
      return problem(error.code, error.definite);
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      return problem(error.sent ? 'NO_ANSWER' : 'NOT_SENT', !error.sent);
    }
  }

  async #pause(random: RandomState): Promise<void> {
    await sleep(nextBetween(random, 0, 2 * this.#options.thinkMs + 1));
  }

  async #readAndWrite(random: RandomState): Promise<void> {
    const known = new Map<string, string>();
    let process = this.history.newProcess();
    while (!this.#stopped) {
      const key = `register-${nextBetween(random, 0, this.#options.keys)}`;
      const old = known.get(key);
      const chance = nextBetween(random, 0, 100);
      const f = chance < 40 ? 'read' : chance < 70 || old === undefined ? 'write' : 'cas';
      const next = f === 'read' ? null : this.#nextValue();
      const asked: Value | [Value, Value] = f === 'cas' ? [old!, next] : next;
      this.history.add({ process, type: 'invoke', f, key, value: asked });
      const query = f === 'cas' ? `&if-value=${old}` : '';
      const answer = f === 'read' ? await this.#ask(random, 'GET', key, '') : await this.#ask(random, 'PUT', key, query, next!);
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
      const key = `ledger/${value}`;
      const answer = await this.#ask(random, 'PUT', key, '&if-index=0', value);
      this.ledger.push({ key, value, outcome: 'fields' in answer ? { type: 'ok', value } : answer });
      if ('fields' in answer) this.#acknowledged();
      await this.#pause(random);
    }
  }

  async #insist(random: RandomState): Promise<void> {
    const at = nextBetween(random, 0, this.#urls.length);
    const client = createClient({ urls: [...this.#urls.slice(at), ...this.#urls.slice(0, at)], timeoutMs: insistMsMax });
    while (!this.#stopped) {
      const value = this.#nextValue();
      const key = `ledger/${value}`;
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
