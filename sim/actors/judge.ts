// What must be true of actors, whatever happens to the cluster they live in: of every request, of everything that they do outside, and of
// what they know in the end. It is told what was asked for and what came of it, and knows the log's time of each entry that was applied.
import type { ActorExecution } from '../../actors/actor-api.ts';
import { historyLimits } from '../../actors/actor-history.ts';
import type { Outcome } from '../../actors/api.ts';
import { addressText } from '../../machines/entity/address.ts';
import { ledgerLimits } from '../../machines/entity/ledger-types.ts';
import { type ErrorCode, errorTable } from '../../machines/errors.ts';
import type { Entry } from '../../machines/raft/types.ts';
import { type Book, lampMs } from './logic.ts';
import { isDurable, isMortal, isReplicated, type Kind, type Plan } from './plan.ts';

/** One thing that somebody wants of an actor, asked for once or twice. */
export type Op = {
  readonly n: number;
  readonly plan: Plan;
  readonly address: string;
  readonly id: string | null;
  readonly atMs: number;
  /** Of the actor's own node, where it has one: its disk. */
  readonly disk: string | null;
  readonly asks: Ask[];
  /** Turns that handled it, of one in memory alone. */
  turns: number;
};

export type Ask = {
  readonly op: Op;
  readonly life: string;
  readonly atMs: number;
  readonly dueMs: number;
  /** The highest place that somebody had been told of at this actor before. */
  readonly above: number;
  isCancelled: boolean;
  /** Null while it is open. */
  ending: ErrorCode | 'ok' | null;
  endedMs: number;
  /** Where it is said to stand. */
  place: number | null;
};

/** What was done outside under one effect id. */
type Effect = { readonly as: string; readonly n: number; readonly address: string; readonly atMs: number; times: number };

/** The disk of an actor of a node, if it is not the one that it was or was damaged since. */
export type IsExcused = (op: Op) => boolean;

const lastOf = (list: readonly number[]): number => list.at(-1) ?? -1;
const isDefinite = (ending: Ask['ending']): boolean => ending !== null && ending !== 'ok' && errorTable[ending].definite;

const told = ({ n, plan, address }: Op): string => `${plan.kind} ${n} to ${address}`;
const askTold = ({ op, life, atMs, ending }: Ask): string =>
  `${told(op)} by ${life} at ${Math.round(atMs)} ms, ended ${ending ?? 'not'}`;

/** By kind, what is done outside for each that is committed. */
const effectsOf: Readonly<Partial<Record<Kind, string>>> = {
  act: 'act',
  wait: 'armed',
  press: 'lit',
  call: 'errand',
  try: 'tried',
  wonder: 'tried',
};

/** What stands in a list, and of what it comes. */
const comesOf: readonly (readonly ['rang' | 'home' | 'helped' | 'failed' | 'asked' | 'faded', readonly Kind[]])[] = [
  ['rang', ['wait']],
  ['home', ['call', 'try', 'wonder']],
  ['helped', ['hire']],
  ['failed', ['try']],
  ['asked', ['wonder']],
  ['faded', ['press']],
];
/** Of what a replicated actor begins: what the next leader does not begin again by itself. */
const begunOnce: ReadonlySet<string> = new Set(['attempt', 'question']);

/** The entry that an effect is of: group and index. */
const entryOf = (effectId: string): string => effectId.slice(0, effectId.lastIndexOf('.'));

export class ActorsJudge {
  /** What was seen first that cannot be true. */
  violation: string | null = null;
  readonly ops: Op[] = [];
  readonly openAsks = new Set<Ask>();
  readonly endings = new Map<string, number>();
  /** By id. */
  readonly effects = new Map<string, Effect>();
  /** By what was done for whom: ids. */
  readonly #done = new Map<string, Set<string>>();
  /** By group and index. */
  readonly #logMs = new Map<string, number>();
  readonly #logTerm = new Map<string, number>();
  /** By address. */
  readonly #places = new Map<string, number>();
  readonly #nowMs: () => number;
  /** Of what every node hosts in the end. */
  readonly #version: number;

  constructor(nowMs: () => number, version = 1) {
    this.#nowMs = nowMs;
    this.#version = version;
  }

  blame(rule: string, what: string): void {
    this.violation ??= `${rule}: ${what}`;
  }

  // ------------------------------------------------------------ requests

  wants(plan: Plan, disk: string | null): Op {
    const n = this.ops.length;
    const op: Op = {
      ...{ n, plan, address: addressText(plan.address), disk, atMs: this.#nowMs(), asks: [], turns: 0 },
      id: plan.againMs === null ? null : `id-${n}`,
    };
    this.ops.push(op);
    return op;
  }

  begins(op: Op, life: string, dueMs: number): Ask {
    const above = this.#places.get(op.address) ?? -1;
    const ask: Ask = {
      ...{ op, life, atMs: this.#nowMs(), dueMs, above, isCancelled: false },
      ...{ ending: null, endedMs: Number.POSITIVE_INFINITY, place: null },
    };
    op.asks.push(ask);
    this.openAsks.add(ask);
    return ask;
  }

  ends(ask: Ask, outcome: Outcome<unknown>): void {
    if (ask.ending !== null) return this.blame('an ask ends once', `${askTold(ask)} ends again`);
    ask.ending = outcome.ok ? 'ok' : outcome.failure.code;
    ask.endedMs = this.#nowMs();
    this.openAsks.delete(ask);
    this.endings.set(ask.ending, (this.endings.get(ask.ending) ?? 0) + 1);
    const { op } = ask;
    if (!outcome.ok) {
      // The answer goes with an actor that is stopped.
      const isOdd = ask.ending === 'ACTOR_REFUSED' && !isMortal(op.plan.address);
      if (ask.ending === 'INTERNAL' || ask.ending === 'INVALID_REQUEST' || isOdd)
        this.blame('nothing is internal', `${askTold(ask)}: ${outcome.failure.message}`);
      return;
    }
    if (op.plan.kind === 'boom') this.blame('who throws is not told ok', askTold(ask));
    if (isDurable(op.plan.address.type)) this.#endsWell(ask, outcome.value);
    else if (op.turns === 0) this.blame('no acknowledged event is lost', `${askTold(ask)}, and no turn handled it`);
  }

  #endsWell(ask: Ask, value: unknown): void {
    const { op } = ask;
    if (!op.plan.isAsked) return;
    const { address } = op.plan;
    if (typeof value === 'number') ask.place = value;
    if (isReplicated(address.type) && (typeof value !== 'number' || value < 0))
      return this.blame('an answer knows of its event', `${askTold(ask)} is told ${String(value)}`);
    if (isMortal(address) || !isReplicated(address.type) || typeof value !== 'number') return;
    // Whoever was answered before this was asked stands before it; one that was asked twice may have been there already.
    if (op.asks.length === 1 && value <= ask.above)
      this.blame('events have one order', `${askTold(ask)} stands at ${value}, and before it was asked ${ask.above} was told`);
    this.#places.set(op.address, Math.max(this.#places.get(op.address) ?? -1, value));
  }

  /** Only these are left: nobody hears what becomes of requests of others. */
  living(lives: ReadonlySet<string>): void {
    for (const ask of this.openAsks) if (!lives.has(ask.life)) this.openAsks.delete(ask);
  }

  /** `quietSinceMs`: since when the process of a life has been neither paused nor slow. */
  late(slackMs: number, quietSinceMs: (life: string) => number): void {
    const nowMs = this.#nowMs();
    for (const ask of this.openAsks)
      if (nowMs > Math.max(ask.dueMs, quietSinceMs(ask.life)) + slackMs && !ask.isCancelled)
        this.blame('an ask ends in time', `${askTold(ask)}, was due at ${Math.round(ask.dueMs)}`);
  }

  // ------------------------------------------------------------ what actors do

  /** At some replica. */
  applied(group: string, { index, timeMs, term }: Pick<Entry, 'index' | 'timeMs' | 'term'>): void {
    this.#logMs.set(`${group}.${index}`, timeMs);
    this.#logTerm.set(`${group}.${index}`, term);
  }

  /** Of one in memory alone: what it was told by `n`, or by nobody. */
  turned(n: number, life: string): void {
    const op = this.ops[n];
    if (op === undefined) return this.blame('what is handled was asked for', `${life} handles ${n}`);
    op.turns++;
    const why = `${told(op)} by ${life}, ${op.turns} times`;
    if (op.turns > 1 && op.asks.length === 1) this.blame('none twice', why);
    if (op.asks.length === 1 && isDefinite(op.asks[0]!.ending)) this.blame('a definite failure did nothing', why);
  }

  acts(as: string, n: number, { address, effectId: id }: ActorExecution, life: string): void {
    const text = addressText(address);
    const what = `${as} ${n} of ${text} by ${life} under ${id}`;
    if (id === null) return this.blame('effects have ids', what);
    const known = this.effects.get(id);
    if (known !== undefined) {
      known.times++;
      if (isReplicated(address.type) && begunOnce.has(as))
        this.blame('what is not to be retried is begun once', `${what}, ${known.times} times`);
      if (known.as !== as || known.n !== n || known.address !== text)
        this.blame('an effect id means one thing', `${what}, which was ${known.as} ${known.n} of ${known.address}`);
      return;
    }
    this.effects.set(id, { as, n, address: text, atMs: this.#nowMs(), times: 1 });
    const key = `${text} ${as} ${n}`;
    const ids = this.#done.get(key) ?? new Set();
    this.#done.set(key, ids.add(id));
    if (!isReplicated(address.type)) return;
    if (ids.size > 1) this.blame('none twice', `${what}, and before under ${[...ids][0]}`);
    if (this.#logTimeOf(id) === null) this.blame('no effect before commit', `${what}, whose entry nobody has applied`);
    if (as === 'failed' || as === 'asked') this.#judgeInterrupted(text, as, n, id);
    if (as === 'rang') this.#judgeTimer(text, n, id, 'armed', this.ops[n]?.plan.ms ?? 0);
    if (as === 'faded') this.#judgeTimer(text, n, id, 'lit', lampMs);
  }

  #logTimeOf(effectId: string): number | null {
    return this.#logMs.get(entryOf(effectId)) ?? null;
  }

  /** Only with the leader under which it was begun; and each by its own rule. */
  #judgeInterrupted(address: string, as: 'failed' | 'asked', n: number, effectId: string): void {
    const kind = this.ops[n]?.plan.kind;
    if (kind !== (as === 'failed' ? 'try' : 'wonder'))
      return this.blame('who is interrupted is treated by his rule', `${kind} ${n} of ${address} is ${as}`);
    const begun = [...(this.#done.get(`${address} tried ${n}`) ?? [])][0];
    const [from, to] = [begun, effectId].map((id) => (id === undefined ? undefined : this.#logTerm.get(entryOf(id))));
    if (from !== undefined && to !== undefined && to <= from)
      this.blame('nothing is interrupted without cause', `${n} of ${address} is ${as} in term ${to}, and was begun in ${from}`);
  }

  /** Not before its instant, by the log's time. What armed it may still be on its way outside. */
  #judgeTimer(address: string, n: number, effectId: string, by: string, ms: number): void {
    const armed = [...(this.#done.get(`${address} ${by} ${n}`) ?? [])][0];
    if (armed === undefined) return;
    const [from, to] = [this.#logTimeOf(armed), this.#logTimeOf(effectId)];
    if (from !== null && to !== null && to < from + ms)
      this.blame('no timer fires early', `that of ${n} at ${address}, set for ${ms} ms, after ${to - from}`);
  }

  // ------------------------------------------------------------ the end

  /** What is still to come of this actor; null: nothing. `book`: what it knows now. */
  whyNotSettled(address: string, book: Book & { value: string }, isExcused: IsExcused): string | null {
    for (const n of book.notes) {
      const op = this.ops[n];
      if (op === undefined || isExcused(op)) continue;
      const { kind } = op.plan;
      const as = effectsOf[kind];
      if (as !== undefined && !this.#done.has(`${address} ${as} ${n}`)) return `${as} ${n} was not done`;
      if (kind === 'wait' && !book.rang.includes(n) && !book.cleared.includes(n)) return `the timer of ${n} has not rung`;
      if (kind === 'call' && !book.home.includes(n)) return `the errand of ${n} has not come home`;
      if (kind === 'try' && !book.home.includes(n) && !book.failed.includes(n)) return `the attempt of ${n} has no end`;
      if (kind === 'wonder' && !book.home.includes(n)) return `the question of ${n} has no answer`;
      if (kind === 'hire' && !book.helped.includes(n)) return `the helper of ${n} has not helped`;
    }
    for (const n of book.rang) if (!this.#done.has(`${address} rang ${n}`)) return `rang ${n} was not done`;
    return book.value === 'dark' ? null : 'the lamp is lit';
  }

  /** Of messages between actors that outlive everything: whom nobody has told yet. */
  whyNotPassed(books: ReadonlyMap<string, Book>, isExcused: IsExcused): string | null {
    for (const [address, book] of books)
      for (const n of book.notes) {
        const op = this.ops[n];
        const to = op?.plan.kind === 'pass' && op.plan.to !== null ? addressText(op.plan.to) : null;
        if (op === undefined || to === null || !isReplicated(op.plan.address.type) || isExcused(op)) continue;
        const heard = books.get(to)?.got.filter((one) => one === n).length ?? 0;
        if (heard === 0 && isReplicated(op.plan.to!.type)) return `${to} has not got ${n} from ${address}`;
      }
    return null;
  }

  /** Nothing is under way any more: what each knows, against what was asked for and what was done. */
  judgeTheEnd(books: ReadonlyMap<string, Book>, isExcused: IsExcused): void {
    for (const op of this.ops) {
      const book = books.get(op.address);
      if (book === undefined || isMortal(op.plan.address)) continue;
      const times = book.notes.filter((n) => n === op.n).length;
      if (times > 1) this.blame('none twice', `${told(op)} stands there ${times} times`);
      if (isExcused(op)) continue;
      const isTold = op.asks.find(({ ending }) => ending === 'ok');
      if (isTold !== undefined && times === 0) this.blame('no acknowledged event is lost', askTold(isTold));
      const [first, ...others] = op.asks;
      if (times > 0 && first !== undefined && others.length === 0 && isDefinite(first.ending))
        this.blame('a definite failure did nothing', askTold(first));
      for (const ask of op.asks) this.#judgeAnswer(ask, book);
      if (times > 0 && op.plan.kind === 'boom') this.blame('what throws changes nothing', told(op));
    }
    for (const [address, book] of books) this.#judgeBook(address, book, isExcused);
    for (const [id, effect] of this.effects) this.#judgeEffect(id, effect, books, isExcused);
    for (const [what, ids] of this.#done) {
      const op = this.ops[Number(what.slice(what.lastIndexOf(' ') + 1))];
      if (ids.size > 1 && op !== undefined && !isExcused(op))
        this.blame('none twice', `${what} under ${[...ids].join(' and ')}`);
    }
  }

  /** Whoever asks again is answered as at first, though others stand behind it by then. */
  #judgeAnswer(ask: Ask, { notes }: Book): void {
    const stands = notes.indexOf(ask.op.n);
    if (ask.place === null || stands < 0 || ask.place === stands) return;
    // So many may have been answered since that it is not known any more.
    if (ask.place < stands || ask.place - stands < Math.min(historyLimits.answersMax, ledgerLimits.answersMax))
      this.blame('an answer is of its event', `${askTold(ask)} is told ${ask.place} and stands at ${stands}`);
  }

  #judgeBook(address: string, book: Book, isExcused: IsExcused): void {
    for (const list of ['rang', 'cleared', 'home', 'helped', 'failed', 'asked', 'got', 'faded'] as const) {
      // Whose disk is lost may be told the same once more, and tell it; so may one of a node that was removed and made again.
      const mayBeAgain = (op: Op): boolean =>
        isExcused(op) || (isMortal(op.plan.address) && !isReplicated(op.plan.address.type));
      const twice = book[list].find((n, at) => book[list].indexOf(n) !== at && !mayBeAgain(this.ops[n]!));
      if (twice !== undefined) this.blame('none twice', `${list} ${twice} of ${address}: ${book[list].join()}`);
    }
    const { migrated } = book;
    const isPath = migrated.every((from, at) => from === this.#version - migrated.length + at);
    if (!isPath)
      this.blame('each is migrated once', `${address}, of version ${this.#version}, was migrated from ${migrated.join()}`);
    const both = book.cleared.find((n) => book.rang.includes(n));
    if (both !== undefined) this.blame('no timer fires that was cleared', `that of ${both} at ${address}`);
    const ended = book.failed.find((n) => book.home.includes(n));
    if (ended !== undefined) this.blame('what failed has no answer', `that of ${ended} at ${address}`);
    for (const [list, of] of comesOf)
      for (const n of book[list])
        if (!of.includes(this.ops[n]?.plan.kind ?? 'note') || !book.notes.includes(n))
          this.blame('nothing comes of nothing', `${list} ${n} of ${address}`);
    const pressed = lastOf(book.notes.filter((n) => this.ops[n]?.plan.kind === 'press'));
    if (pressed !== lastOf(book.faded))
      this.blame('timers fire', `the lamp of ${address} went out for ${lastOf(book.faded)}, not ${pressed}`);
  }

  #judgeEffect(id: string, { as, n, address }: Effect, books: ReadonlyMap<string, Book>, isExcused: IsExcused): void {
    const book = books.get(address);
    const op = this.ops[n];
    if (book === undefined || op === undefined || isExcused(op)) return;
    if (as === 'failed' || as === 'asked') {
      if (!book[as].includes(n)) this.blame('no effect without its event', `${as} ${n} of ${address} under ${id}`);
      return;
    }
    const stands = as === 'rang' ? book.rang : as === 'faded' ? book.faded : book.notes;
    if (!stands.includes(n)) this.blame('no effect without its event', `${as} ${n} of ${address} under ${id}`);
  }
}
