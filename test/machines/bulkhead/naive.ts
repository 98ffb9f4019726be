// A bulkhead once more, as simply as it can be said: one list, looked through each time.
import { type BulkheadOptions, type Importance, importances } from '../../../machines/bulkhead/index.ts';

type Call = { id: number; importance: Importance; principal: string; deadlineMs: number; endMs: number };

const rank = (importance: Importance): number => importances.indexOf(importance);

export class NaiveBulkhead {
  readonly options: BulkheadOptions;
  running: number[] = [];
  /** In the order in which they came. */
  waiting: Call[] = [];
  /** When a principal last had a turn, or came to wait; by importance. */
  readonly turns = new Map<string, number>();
  clock = 0;

  constructor(options: BulkheadOptions) {
    this.options = options;
  }

  flowOf({ importance, principal }: Pick<Call, 'importance' | 'principal'>): Call[] {
    return this.waiting.filter((one) => one.importance === importance && one.principal === principal);
  }

  turn({ importance, principal }: Call): void {
    this.turns.set(`${importance} ${principal}`, ++this.clock);
  }

  /** What is said of one that arrives and can neither be refused for its deadline nor started. */
  wait(call: Call): { id: number; why: 'full' | 'displaced' } | null {
    if (this.flowOf(call).length === 0) this.turn(call);
    this.waiting.push(call);
    if (this.waiting.length <= this.options.queueMax) return null;
    const least = Math.max(...this.waiting.map(({ importance }) => rank(importance)));
    const candidates = this.waiting.filter(({ importance }) => rank(importance) === least);
    const longest = Math.max(...candidates.map((one) => this.flowOf(one).length));
    const leaves = candidates.findLast((one) => this.flowOf(one).length === longest)!;
    this.leave(leaves.id);
    return { id: leaves.id, why: leaves.id === call.id ? 'full' : 'displaced' };
  }

  leave(id: number): void {
    this.waiting = this.waiting.filter((one) => one.id !== id);
  }

  mayStart(importance: Importance): boolean {
    return this.running.length < this.options.runningMax[importance];
  }

  /** The next that would be started, whatever runs. */
  next(): Call | null {
    const most = Math.min(...this.waiting.map(({ importance }) => rank(importance)));
    const first = this.waiting
      .filter(({ importance }) => rank(importance) === most)
      .sort((a, b) => this.turns.get(`${a.importance} ${a.principal}`)! - this.turns.get(`${b.importance} ${b.principal}`)!)[0];
    return first === undefined ? null : this.flowOf(first)[0]!;
  }

  takeNext(): Call | null {
    const next = this.next();
    if (next === null) return null;
    this.turn(next);
    this.leave(next.id);
    return next;
  }

  startWaiting(nowMs: number): number[] {
    const started: number[] = [];
    for (let next = this.next(); next !== null && this.mayStart(next.importance); next = this.next()) {
      if (next.endMs <= nowMs) throw new Error(`${next.id} is late and was not refused`);
      this.takeNext();
      this.running.push(next.id);
      started.push(next.id);
    }
    return started;
  }

  expire(nowMs: number): number[] {
    const late = this.waiting.filter(({ endMs }) => endMs <= nowMs).map(({ id }) => id);
    for (const id of late) this.leave(id);
    return late;
  }
}
