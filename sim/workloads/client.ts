// A client of a simulated cluster: asks any node, believes what it is told, asks again under an idempotency key when it was told
// nothing. What it reads and writes of values goes into the history that the judges read.
import type { NodeApi, Outcome } from '../../actors/api.ts';
import { type ErrorCode, errorTable } from '../../machines/errors.ts';
import type { KeyValue, RegisterRead, RegisterResult, RegisterWrite } from '../../machines/register/types.ts';
import { deleteOf, onlyIf, type PutWords, putOf } from '../../machines/register/words.ts';
import { readUtf8 } from '../../machines/wire/octets.ts';
import type { HistoryEvent, Json } from '../checkers/index.ts';
import type { SimulatedNode } from '../node.ts';
import type { Chance, World } from '../world.ts';

export type ClientWorld = {
  readonly world: World;
  readonly nodes: readonly SimulatedNode[];
  /** What a node is given to answer. */
  readonly timeoutMs: number;
  /** Values are filled up to this many bytes. */
  readonly paddingBytes: number;
  readonly keys: number;
  newProcess(): number;
  note(process: number, type: HistoryEvent['type'], call: { f: string; key: string }, value: Json): void;
  began(): void;
  ended(code: string, isAcknowledged: boolean): void;
};

/** A value as clients think of it; null: the key is not there. */
export type Value = string | null;
/** `record`: the whole of what is there. */
export type Found = { value: Value; record: KeyValue | null };

/** `ok`: it happened; `fail`: it did not and will not; `info`: nobody knows. */
export type Ending = { type: 'ok'; result: RegisterResult } | { type: 'fail' | 'info'; code: string };

type Answer = Outcome<RegisterResult> | 'silence' | 'not sent';

const attemptsMax = 4;
/** Failures that tell what the command did, whichever attempt it was: nothing. */
const answersOfTheRegister: ReadonlySet<string> = new Set<ErrorCode>([
  ...(['CAS_MISMATCH', 'KEY_NOT_FOUND', 'FENCED', 'LOCK_HELD', 'LEASE_NOT_FOUND', 'RECEIPT_EXPIRED'] as const),
]);

export class Client {
  readonly number: number;
  readonly group: string;
  /** Of the call that is under way: each has its own, so that leaving one out moves no other. */
  chance: Chance;
  /** Calls so far. */
  calls = 0;
  readonly #world: ClientWorld;
  #process: number;
  #requests = 0;

  constructor(world: ClientWorld, number: number, group: string) {
    this.#world = world;
    this.number = number;
    this.group = group;
    this.#process = world.newProcess();
    this.chance = this.#chanceOfCall();
  }

  #chanceOfCall(): Chance {
    return this.#world.world.chance(`client ${this.number} call ${this.calls}`);
  }

  /** What it draws from now on belongs to its next call. */
  nextCall(): void {
    this.chance = this.#chanceOfCall();
    this.calls++;
  }

  /** A value that nobody else writes. */
  get unique(): string {
    return `v${this.number}.${this.calls}`;
  }

  /** One of the keys of this name. */
  keyOf(name: string): string {
    return `${name}${this.chance.between(0, this.#world.keys)}`;
  }

  get keysMax(): number {
    return this.#world.keys;
  }

  /** All wall clocks show what the one shows that was ever farthest ahead. */
  catchUpClocks(): void {
    const skews = this.#world.nodes.map(({ skew }) => skew);
    const aheadMs = Math.max(...skews.map(({ farthestAheadMs }) => farthestAheadMs));
    for (const skew of skews) skew.wallAheadMs = aheadMs;
  }

  after(delayMs: number, run: () => void): void {
    this.#world.world.after(delayMs, run);
  }

  get nowMs(): number {
    return this.#world.world.nowMs;
  }

  pickNode(): SimulatedNode {
    return this.chance.pick(this.#world.nodes);
  }

  // ------------------------------------------------------------ what the judges see

  #named(key: string): string {
    return this.group === 'kv' ? key : `${this.group}/${key}`;
  }

  /** `done` with null: it was not told. */
  get(key: string, consistency: 'linearizable' | 'lease', done: (found: Found | null) => void): void {
    const call = { f: 'read', key: this.#named(key) };
    const process = this.#process;
    this.#world.note(process, 'invoke', call, null);
    this.read({ op: 'get', key }, consistency, (result) => {
      if (result === null || result.op !== 'get') {
        this.#world.note(process, 'fail', call, null);
        return done(null);
      }
      const found = { value: this.valueOf(result.found), record: result.found };
      this.#world.note(process, 'ok', call, found.value);
      done(found);
    });
  }

  put(key: string, value: Value, words: Pick<PutWords, 'fence'> & { insists: boolean }, done: (ending: Ending) => void): void {
    const write = value === null ? deleteOf(key, words) : putOf(key, this.#padded(value), words);
    this.#recorded({ f: 'write', key: this.#named(key) }, value, write, words.insists, done);
  }

  /** By value, or, where the value may be long, by the index at which it was read. */
  cas(
    key: string,
    old: Value,
    value: string,
    by: { index: number } | null,
    insists: boolean,
    done: (ending: Ending) => void,
  ): void {
    const condition = by === null ? onlyIf(old === null ? null : this.#padded(old)) : { ifIndex: by.index };
    const write = putOf(key, this.#padded(value), condition);
    this.#recorded({ f: 'cas', key: this.#named(key) }, [old, value], write, insists, done);
  }

  #recorded(
    call: { f: string; key: string },
    value: Json,
    write: RegisterWrite,
    insists: boolean,
    done: (ending: Ending) => void,
  ): void {
    const process = this.#process;
    this.#world.note(process, 'invoke', call, value);
    this.write(write, insists, (ending) => {
      this.#world.note(process, ending.type, call, value);
      if (ending.type === 'info') this.#process = this.#world.newProcess();
      done(ending);
    });
  }

  #padded(value: string): string {
    return value.padEnd(this.#world.paddingBytes);
  }

  valueOf(record: KeyValue | null): Value {
    if (record === null) return null;
    const text = readUtf8(record.value, 0, record.value.byteLength);
    if (text === null) throw new Error(`what lies under '${record.key}' is no text: nobody wrote it`);
    return text.trimEnd();
  }

  // ------------------------------------------------------------ what they do not see

  /** `done` with null: it was not told. */
  read(read: RegisterRead, consistency: 'linearizable' | 'lease', done: (result: RegisterResult | null) => void): void {
    const { timeoutMs } = this.#world;
    this.#world.began();
    this.#ask(
      (api, answer) => api.read(read, { consistency, timeoutMs, group: this.group }, answer),
      (answer) => {
        this.#world.ended(codeOf(answer), false);
        done(typeof answer !== 'string' && answer.ok ? answer.value : null);
      },
    );
  }

  /** `insists`: under an idempotency key, and again if it was told nothing. */
  write(write: RegisterWrite, insists: boolean, done: (ending: Ending) => void): void {
    const { timeoutMs } = this.#world;
    const identified = insists ? { idempotencyKey: `p${this.#process}-${++this.#requests}` } : {};
    const options = { timeoutMs, group: this.group, ...identified };
    let attempts = 0;
    let isInDoubt = false;
    this.#world.began();
    const end = (ending: Ending): void => {
      this.#world.ended(ending.type === 'ok' ? 'ok' : ending.code, ending.type === 'ok');
      done(ending);
    };
    const attempt = (): void => {
      attempts++;
      this.#ask(
        (api, answer) => api.write(write, options, answer),
        (answer) => {
          if (typeof answer !== 'string' && answer.ok) return end({ type: 'ok', result: answer.value });
          const code = codeOf(answer);
          const didNot = didNothing(answer);
          if (didNot && (!isInDoubt || answersOfTheRegister.has(code))) return end({ type: 'fail', code });
          isInDoubt ||= !didNot;
          if (insists && attempts < attemptsMax) return attempt();
          end({ type: 'info', code });
        },
      );
    };
    attempt();
  }

  /** Asks some node; `done` comes once, at the latest when a client would hang up. */
  #ask(run: (api: NodeApi, done: (outcome: Outcome<RegisterResult>) => void) => void, done: (answer: Answer) => void): void {
    const { world, timeoutMs } = this.#world;
    let isOpen = true;
    const settle = (answer: Answer): void => {
      if (!isOpen) return;
      isOpen = false;
      patience.cancel();
      done(answer);
    };
    const patience = world.after(2 * timeoutMs + 500, () => settle('silence'));
    const sent = this.pickNode().enter('call', (api) => run(api, settle));
    if (!sent) world.after(0, () => settle('not sent'));
  }
}

const codeOf = (answer: Answer): string => (typeof answer === 'string' ? answer : answer.ok ? 'ok' : answer.failure.code);

const didNothing = (answer: Answer): boolean =>
  answer === 'not sent' || (typeof answer !== 'string' && !answer.ok && errorTable[answer.failure.code].definite);
