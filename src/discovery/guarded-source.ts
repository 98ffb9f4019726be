// One source behind a guard. It may hang, throw where it should reject, answer after it gave up, ignore that it was told to end, and
// open anew or not at all: whoever stands on this side sees an answer or a LookupFault, in time, and nothing of it touches another
// source. Here are the time-outs and the pauses that sources do not have (source.ts).
import type { Announcement } from '../../actors/ports/index.ts';
import { faultOf } from './faults.ts';
import { type Answer, LookupFault, type Source, type SourceContext, type SourcePlan } from './source.ts';

export type GuardLimits = {
  /** What a source may take to be opened, once. */
  openMs: number;
  /** A question's signal aborts so long before its time is over, or a tenth of the time if that is less. */
  graceMsMax: number;
  queryMsMax: number;
  /** Before what broke is begun anew: at first, at most. What held for `steadyMs` begins with the shortest again. */
  pauseMsMin: number;
  pauseMsMax: number;
  steadyMs: number;
  /** What taking back an announcement may hold up the next one. */
  withdrawMs: number;
  /** Calls, and openings, that were given up and have not ended: beyond this many the source is left alone. */
  overdueMax: number;
};

export const guardLimits: GuardLimits = {
  openMs: 10_000,
  graceMsMax: 250,
  queryMsMax: 60_000,
  pauseMsMin: 1_000,
  pauseMsMax: 60_000,
  steadyMs: 60_000,
  withdrawMs: 2_000,
  overdueMax: 8,
};

export type GuardOptions = {
  plan: SourcePlan;
  context: SourceContext;
  limits: GuardLimits;
  /** In [0, 1). */
  random(): number;
  /** It was told of a change. */
  onAnswer(answer: Answer): void;
  /** Following or announcing broke off and is begun anew; `isOver`: it was told to end, and could not do so cleanly. */
  onFailed(fault: LookupFault, isOver: boolean): void;
};

type Call<Value> = { controller: AbortController; result: Promise<Value> };
type Work<Value> = (source: Source, signal: AbortSignal) => Promise<Value> | Value;

/** Of a source that cannot do this at all. */
const cannot = Symbol('cannot');

const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });

/** Like `promise`, or rejects as soon as `signal` aborts. */
const unlessAborted = async <Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> => {
  let abort: () => void = () => {};
  const aborted = new Promise<never>((_resolve, reject) => {
    abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort);
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
};

const isAborted = (signal: AbortSignal): boolean => signal.aborted;

/** Like `promise`, or rejects with what `fault` makes once the time is over. */
const within = async <Value>(promise: Promise<Value>, ms: number, fault: () => LookupFault): Promise<Value> => {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(fault()), ms);
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
};

const timedOut = (ms: number): LookupFault => new LookupFault('SOURCE_TIMED_OUT', `it did not answer in ${ms} ms`);

const isSame = (a: Announcement | null, b: Announcement | null): boolean => JSON.stringify(a) === JSON.stringify(b);

export class GuardedSource {
  readonly name: string;
  readonly #options: GuardOptions;
  readonly #end = new AbortController();
  readonly #calls = new Set<Call<unknown>>();
  #source: Source | null = null;
  #opening: Promise<Source> | null = null;
  /** Under way, those that were given up among them. */
  #openings = 0;
  #asking: Promise<Answer> | null = null;
  /** How often it told of a change, and what it told last. */
  #heard: { times: number; last: Answer | null } = { times: 0, last: null };
  /** What shall be told of this node, and what ends the telling of something else. */
  #wanted: Announcement | null = null;
  #telling: AbortController | null = null;
  #isAnnouncing = false;
  #canAnnounce = true;

  constructor(options: GuardOptions) {
    this.#options = options;
    this.name = options.plan.name;
  }

  /** Asks once; rejects with a LookupFault when `timeoutMs` are over at the latest. Asking while a question runs is the same question. */
  query(timeoutMs: number): Promise<Answer> {
    this.#asking ??= this.#ask(timeoutMs).finally(() => {
      this.#asking = null;
    });
    return this.#asking;
  }

  async #ask(timeoutMs: number): Promise<Answer> {
    const { graceMsMax, queryMsMax } = this.#options.limits;
    const limitMs = Number.isFinite(timeoutMs) ? Math.min(queryMsMax, Math.max(1, timeoutMs)) : queryMsMax;
    const heardBefore = this.#heard.times;
    const call = this.#begin((source, signal) => source.query(signal));
    const ending = setTimeout(() => call.controller.abort(), limitMs - Math.min(graceMsMax, limitMs / 10));
    try {
      const answer = await within(call.result, limitMs, () => timedOut(limitMs));
      // Whoever is told of changes knows more than who asked before they were told.
      return this.#heard.times === heardBefore ? answer : this.#heard.last!;
    } catch (error) {
      throw isAborted(call.controller.signal) && !(error instanceof LookupFault) ? timedOut(limitMs) : faultOf(error);
    } finally {
      clearTimeout(ending);
      call.controller.abort();
    }
  }

  /** Is told of changes from now on, where that is possible. */
  follow(): void {
    void this.#keep(this.#end.signal, (source, signal) => {
      if (source.follow === undefined) return cannot;
      return source.follow((answer) => {
        if (signal.aborted) return;
        this.#heard = { times: this.#heard.times + 1, last: answer };
        this.#options.onAnswer(answer);
      }, signal);
    });
  }

  /** Tells this of the node from now on, instead of what was told; null takes it back. */
  announce(self: Announcement | null): void {
    if (!this.#canAnnounce || this.#end.signal.aborted || isSame(self, this.#wanted)) return;
    this.#wanted = self;
    this.#telling?.abort();
    if (!this.#isAnnouncing) void this.#announceWanted();
  }

  async #announceWanted(): Promise<void> {
    this.#isAnnouncing = true;
    while (this.#wanted !== null && this.#canAnnounce && !this.#end.signal.aborted) {
      const self = this.#wanted;
      const telling = new AbortController();
      this.#telling = telling;
      const kept = this.#keep(telling.signal, (source, signal) => {
        if (source.announce === undefined) return cannot;
        return source.announce(self, signal);
      });
      const overdue = new Promise<void>((resolve) => {
        telling.signal.addEventListener(
          'abort',
          () => void pause(this.#options.limits.withdrawMs, this.#end.signal).then(resolve),
        );
      });
      await Promise.race([kept, overdue]);
      if (!telling.signal.aborted) this.#canAnnounce = false;
    }
    this.#isAnnouncing = false;
  }

  /** Ends everything; resolves when all of it has ended, which a source may forget to do. */
  async stop(): Promise<void> {
    this.#end.abort();
    this.#telling?.abort();
    const calls = [...this.#calls];
    for (const { controller } of calls) controller.abort();
    await Promise.allSettled(calls.map(({ result }) => result));
    const letGo = async (): Promise<void> => this.#source?.close?.();
    // Nobody is left who could be told how that went.
    await letGo().catch(() => {});
  }

  /** Keeps a work going until `end` aborts; ends as well if the source cannot do it at all. Never rejects. */
  async #keep(end: AbortSignal, work: Work<unknown>): Promise<void> {
    const { steadyMs, pauseMsMin, pauseMsMax } = this.#options.limits;
    for (let round = 0; !isAborted(end); round++) {
      const beganMs = performance.now();
      const call = this.#begin(work);
      const abort = (): void => call.controller.abort();
      end.addEventListener('abort', abort);
      try {
        if ((await call.result) === cannot || isAborted(end)) return;
        throw new LookupFault('SOURCE_UNREACHABLE', 'it ended by itself');
      } catch (error) {
        // Who was told to end and says that it was is no failure; who could not take back what it announced is one.
        const isOver = isAborted(end);
        if (!isOver || error instanceof LookupFault) this.#options.onFailed(faultOf(error), isOver);
      } finally {
        end.removeEventListener('abort', abort);
        // What is still at work after it gave up is told to leave off, and not heard any more.
        call.controller.abort();
      }
      if (performance.now() - beganMs >= steadyMs) round = 0;
      const waitMs = Math.min(pauseMsMax, pauseMsMin * 2 ** Math.min(round, 30));
      await pause(waitMs * (0.5 + this.#options.random() / 2), end);
    }
  }

  /** One call of the source, opened before if need be. Whatever it throws, and however, its result rejects. */
  #begin<Value>(work: Work<Value>): Call<Value> {
    const controller = new AbortController();
    const { signal } = controller;
    const overdue = [...this.#calls].filter((call) => call.controller.signal.aborted).length;
    const run = async (): Promise<Value> => {
      if (overdue >= this.#options.limits.overdueMax)
        throw new LookupFault('SOURCE_TIMED_OUT', `${overdue} calls that were told to end have not`);
      if (this.#end.signal.aborted) throw new LookupFault('SOURCE_UNAVAILABLE', 'it is not asked any more');
      const source = this.#source ?? (await unlessAborted(this.#open(), signal));
      signal.throwIfAborted();
      return work(source, signal);
    };
    const call: Call<Value> = { controller, result: run() };
    const over = (): void => void this.#calls.delete(call);
    this.#calls.add(call);
    call.result.then(over, over);
    return call;
  }

  #open(): Promise<Source> {
    this.#opening ??= this.#openOnce().finally(() => {
      this.#opening = null;
    });
    return this.#opening;
  }

  async #openOnce(): Promise<Source> {
    const { plan, context, limits } = this.#options;
    if (this.#openings >= limits.overdueMax)
      throw new LookupFault('SOURCE_TIMED_OUT', `it was opened ${this.#openings} times without an end`);
    const open = async (): Promise<Source> => {
      this.#openings++;
      try {
        const source = await plan.open(context);
        // One that was given up as too slow is welcome all the same.
        this.#source ??= source;
        return this.#source;
      } finally {
        this.#openings--;
      }
    };
    return await within(open(), limits.openMs, () => timedOut(limits.openMs));
  }
}
