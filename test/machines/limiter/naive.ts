// Row R6 once more, as simply as it can be said: a bucket for everybody for ever, in fractions that are never rounded.
import type { Rate } from '../../../machines/limiter/index.ts';

export class NaiveBucket {
  readonly rate: Rate;
  nowMs: number;
  /** Tokens times the period. */
  level: bigint;

  constructor(rate: Rate, nowMs: number) {
    this.rate = rate;
    this.nowMs = nowMs;
    this.level = this.full();
  }

  full(): bigint {
    return BigInt(this.rate.burst) * BigInt(this.rate.periodMs);
  }

  pass(nowMs: number): void {
    if (nowMs <= this.nowMs) return;
    const level = this.level + BigInt(nowMs - this.nowMs) * BigInt(this.rate.tokens);
    this.level = level > this.full() ? this.full() : level;
    this.nowMs = nowMs;
  }

  has(cost: number): boolean {
    return this.level >= BigInt(cost) * BigInt(this.rate.periodMs);
  }

  /** By trying: doubling, then halving. */
  waitMs(cost: number): number {
    const hasAfter = (ms: number): boolean => {
      const later = new NaiveBucket(this.rate, this.nowMs);
      later.level = this.level;
      later.pass(this.nowMs + ms);
      return later.has(cost);
    };
    if (hasAfter(0)) return 0;
    let enough = 1;
    while (!hasAfter(enough)) enough *= 2;
    let tooFew = enough / 2;
    while (enough - tooFew > 1) {
      const middle = Math.floor((enough + tooFew) / 2);
      if (hasAfter(middle)) enough = middle;
      else tooFew = middle;
    }
    return enough;
  }

  take(cost: number): void {
    this.level -= BigInt(cost) * BigInt(this.rate.periodMs);
    if (this.level < -this.full()) this.level = -this.full();
  }
}
