// The judge of calls: every call and everything that was executed for it is known here, so what a caller is told is compared with what
// was done. Promises (rows R2, K4): what may not be repeated is done at most once, whatever is tried again; who was told `ok` got what
// was done for him; a failure that is definite means that nothing was done, ever; the same request id twice has one effect at one
// process; every call ends once, in time, and so does what is executed for it.
import type { Outcome } from '../../actors/api.ts';
import type { CallTrail } from '../../actors/service-api.ts';
import { type ErrorCode, errorTable } from '../../machines/errors.ts';

/** How a handler goes about it. */
export type How =
  | 'ok'
  /** Its effect comes first, its end takes time. */
  | 'early'
  /** Does not stop when nobody waits any more. */
  | 'stubborn'
  /** Says that it failed, after its effect. */
  | 'fail'
  | 'throw'
  /** Says no, without an effect. */
  | 'refuse'
  /** Never ends by itself. */
  | 'hang';

/** What is asked for, by one call or by several under one request id. */
export type Work = {
  readonly number: number;
  readonly service: string;
  readonly method: string;
  readonly how: How;
  readonly takesMs: number;
  /** Of a stream; 0: one result. */
  readonly items: number;
  readonly isIdempotent: boolean;
  readonly requestId: string | null;
  readonly calls: Call[];
  readonly runs: Run[];
  effects: number;
};

export type Call = {
  readonly number: number;
  readonly work: Work;
  readonly node: string;
  /** The process that calls. */
  readonly life: string;
  readonly atMs: number;
  /** On the world's clock, about: clocks drift. */
  readonly dueMs: number;
  asked: number;
  got: number;
  isCancelled: boolean;
  /** Null while it is open. */
  ending: ErrorCode | 'ok' | null;
};

export type Run = {
  readonly number: number;
  readonly work: Work;
  readonly node: string;
  readonly life: string;
  readonly beganMs: number;
  readonly dueMs: number;
  /** As whom: a peer id, or what is told of one over others. */
  readonly caller: string;
  hasEffect: boolean;
  /** Items that were wanted of it, and that it gave. */
  wanted: number;
  given: number;
  isOver: boolean;
};

/** A call is tried so often at most (machines/rpc), and once more at home before that. */
const runsMax = 4;
/** Of two clocks. */
const driftMax = 0.2;
const latenessMs = 5;

const isDefinite = (ending: Call['ending']): boolean => ending !== null && ending !== 'ok' && errorTable[ending].definite;

const workTold = ({ number, service, method, how }: Work): string => `${service}.${method} ${number} (${how})`;
const callTold = ({ number, work, life, atMs, ending }: Call): string =>
  `call ${number} of ${workTold(work)} by ${life} at ${Math.round(atMs)} ms, ended ${ending ?? 'not'}`;

export class CallsJudge {
  /** What was seen first that cannot be true. */
  violation: string | null = null;
  readonly works: Work[] = [];
  readonly calls: Call[] = [];
  readonly runs: Run[] = [];
  readonly openCalls = new Set<Call>();
  readonly openRuns = new Set<Run>();
  readonly endings = new Map<string, number>();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  #blame(rule: string, what: string): void {
    this.violation ??= `${rule}: ${what}`;
  }

  // ------------------------------------------------------------ a call

  asks(given: Omit<Work, 'number' | 'calls' | 'runs' | 'effects'>): Work {
    const work: Work = { ...given, number: this.works.length, calls: [], runs: [], effects: 0 };
    this.works.push(work);
    return work;
  }

  begins(work: Work, by: Pick<Call, 'node' | 'life' | 'dueMs' | 'asked'>): Call {
    const { length: number } = this.calls;
    const call: Call = { ...by, number, work, atMs: this.#nowMs(), got: 0, isCancelled: false, ending: null };
    work.calls.push(call);
    this.calls.push(call);
    this.openCalls.add(call);
    return call;
  }

  gets(call: Call, value: unknown): void {
    const told = callTold(call);
    if (call.ending !== null) this.#blame('a call ends once', `${told} gets an item after its end`);
    const { run, at } = (value ?? {}) as { run?: number; at?: number };
    const from = run === undefined ? undefined : this.runs[run];
    if (from === undefined || from.work !== call.work)
      this.#blame('results are of the call', `${told} gets an item of another`);
    if (at !== call.got) this.#blame('items come in order', `${told} gets item ${at} as the ${call.got}.`);
    call.got++;
    if (call.got > call.asked) this.#blame('items are asked for', `${told} gets ${call.got} items, and wanted ${call.asked}`);
  }

  ends(call: Call, outcome: Outcome<unknown>, trail: CallTrail | undefined): void {
    if (call.ending !== null) return this.#blame('a call ends once', `${callTold(call)} ends again`);
    call.ending = outcome.ok ? 'ok' : outcome.failure.code;
    this.openCalls.delete(call);
    this.endings.set(call.ending, (this.endings.get(call.ending) ?? 0) + 1);
    const told = callTold(call);
    const { work } = call;
    if (outcome.ok) this.#endsWell(call, outcome.value);
    else if (call.ending === 'INTERNAL') this.#blame('nothing is internal', `${told}: ${outcome.failure.message}`);
    if (trail !== undefined && trail.attempts > runsMax)
      this.#blame('attempts are bounded', `${told} was tried ${trail.attempts} times`);
    if (isDefinite(call.ending) && work.calls.length === 1 && work.effects > 0)
      this.#blame('a definite failure did nothing', `${told}, and was done by ${work.runs.map(({ life }) => life).join(', ')}`);
  }

  #endsWell(call: Call, value: unknown): void {
    const told = callTold(call);
    const { work } = call;
    if (work.items > 0) {
      if (call.got !== work.items) this.#blame('a stream is whole', `${told} got ${call.got} of ${work.items} items`);
      return;
    }
    const run = this.runs[Number((value as { run?: number } | null)?.run)];
    if (run === undefined || run.work !== work) this.#blame('results are of the call', `${told} is given another's result`);
    else if (!run.hasEffect) this.#blame('who is told ok has it', `${told}, and ${run.life} did nothing`);
  }

  /** Only these are left: nobody hears what becomes of calls of others, and nothing more does. */
  living(lives: ReadonlySet<string>): void {
    for (const call of this.openCalls) if (!lives.has(call.life)) this.openCalls.delete(call);
    for (const run of this.openRuns) if (!lives.has(run.life)) this.openRuns.delete(run);
  }

  // ------------------------------------------------------------ what is executed for it

  executes(work: Work | undefined, by: Pick<Run, 'node' | 'life' | 'dueMs' | 'caller'>): Run | null {
    if (work === undefined) {
      this.#blame('what is executed was asked for', `${by.life} executes what nobody asked for`);
      return null;
    }
    const { length: number } = this.runs;
    const counts = { hasEffect: false, wanted: 0, given: 0, isOver: false };
    const run: Run = { ...by, ...counts, number, work, beganMs: this.#nowMs() };
    this.runs.push(run);
    this.openRuns.add(run);
    work.runs.push(run);
    this.#judgeRuns(work, run);
    return run;
  }

  /** Nobody has longer for it than its caller had in the beginning. */
  #judgeDeadline(work: Work, { life, beganMs, dueMs }: Run): void {
    const mostMs = Math.max(...work.calls.map((call) => call.dueMs - call.atMs));
    const hasMs = dueMs - beganMs;
    if (hasMs > mostMs * (1 + driftMax) + latenessMs)
      this.#blame(
        'deadlines shrink',
        `${workTold(work)} has ${Math.round(hasMs)} ms at ${life}, its caller had ${Math.round(mostMs)}`,
      );
  }

  #judgeRuns(work: Work, run: Run): void {
    const { life, caller } = run;
    // Who is only said to call, by those over whom he does, has no part in what is remembered of his own calls.
    const same = work.runs.filter((one) => one.life === life && one.caller === caller);
    const told = `${workTold(work)} is executed ${work.runs.length} times: ${work.runs.map((one) => one.life).join(', ')}`;
    if (!work.isIdempotent && work.calls.length === 1 && work.runs.length > 1)
      this.#blame('what may not be repeated is done once', told);
    if (work.requestId !== null && same.length > 1) this.#blame('a request id has one effect', told);
    if (work.runs.length > runsMax * work.calls.length) this.#blame('attempts are bounded', told);
    this.#judgeDeadline(work, run);
  }

  /** True: it has its effect now. */
  effects(run: Run): void {
    const { work } = run;
    run.hasEffect = true;
    work.effects++;
    const [call] = work.calls;
    if (work.calls.length === 1 && call !== undefined && isDefinite(call.ending))
      this.#blame('a definite failure did nothing', `${callTold(call)}, and is done by ${run.life} after that`);
  }

  gives(run: Run): void {
    run.given++;
    const asked = run.work.calls.reduce((sum, call) => sum + call.asked, 0);
    if (run.wanted > asked)
      this.#blame(
        'items are asked for',
        `${run.life} is asked for ${run.wanted} items of ${workTold(run.work)}, its caller for ${asked}`,
      );
  }

  over(run: Run): void {
    run.isOver = true;
    this.openRuns.delete(run);
  }

  // ------------------------------------------------------------ time passes

  /** `quietSinceMs`: since when the process of a life has been neither paused nor slow. */
  late(slackMs: number, quietSinceMs: (life: string) => number): void {
    const nowMs = this.#nowMs();
    const isLate = (life: string, dueMs: number): boolean => nowMs > Math.max(dueMs, quietSinceMs(life)) + slackMs;
    for (const call of this.openCalls)
      if (isLate(call.life, call.dueMs))
        this.#blame('a call ends in time', `${callTold(call)}, was due at ${Math.round(call.dueMs)}`);
    for (const run of this.openRuns)
      if (run.work.how !== 'stubborn' && isLate(run.life, run.dueMs))
        this.#blame(
          'what is executed ends in time',
          `${workTold(run.work)} at ${run.life}, was due at ${Math.round(run.dueMs)}`,
        );
  }
}
