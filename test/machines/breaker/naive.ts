// The rows B1 to B3 once more, as simply as they can be said: everything is remembered for ever and looked through each time.
import type { BreakerOptions, BreakerStatus, Outcome } from '../../../machines/breaker/index.ts';

type Call = { atMs: number; outcome: Outcome; isSlow: boolean };
/** `stretch`: which stay in a status it was admitted in. */
type Admitted = { stretch: number; isProbe: boolean; atMs: number; ended: boolean };

export class NaiveBreaker {
  readonly options: BreakerOptions;
  nowMs = 0;
  status: BreakerStatus = 'closed';
  stretch = 0;
  sinceMs = 0;
  /** Measured in this stretch. */
  calls: Call[] = [];
  admitted: Admitted[] = [];
  openings = 0;
  openForMs = 0;

  constructor(options: BreakerOptions) {
    this.options = options;
  }

  enter(status: BreakerStatus): void {
    this.status = status;
    this.stretch++;
    this.sinceMs = this.nowMs;
    this.calls = [];
  }

  /** `openForMs` is chance, and told by the machine: within these two. */
  openForBounds(): [number, number] {
    const { openMs, openMsMax, jitter } = this.options;
    const least = Math.min(openMsMax / (1 + jitter), openMs * 2 ** Math.min(30, this.openings - 1));
    return [Math.floor(least), least * (1 + jitter)];
  }

  open(): void {
    const windowMs = this.options.window.by === 'time' ? this.options.window.ms : 0;
    const closedMs = this.status === 'closed' ? this.nowMs - this.sinceMs : 0;
    if (this.status === 'closed' && closedMs >= this.openForMs && closedMs >= windowMs) this.openings = 0;
    this.openings++;
    this.enter('open');
  }

  pass(nowMs: number): void {
    this.nowMs = Math.max(this.nowMs, nowMs);
    if (this.status === 'open' && this.nowMs >= this.sinceMs + this.openForMs) this.enter('half-open');
  }

  probesOut(): number {
    return this.admitted.filter(
      ({ stretch, isProbe, atMs, ended }) =>
        isProbe && stretch === this.stretch && !ended && this.nowMs - atMs < this.options.probeMs,
    ).length;
  }

  admits(): boolean {
    if (this.status === 'half-open') return this.probesOut() + this.calls.length < this.options.probes;
    return this.status === 'closed' || this.status === 'forced-closed';
  }

  admit(): Admitted {
    const isProbe = this.status === 'half-open';
    const call = { stretch: this.stretch, isProbe, atMs: this.nowMs, ended: false };
    this.admitted.push(call);
    return call;
  }

  inWindow(): Call[] {
    const { window } = this.options;
    if (window.by === 'calls') return this.calls.slice(-window.calls);
    return this.calls.filter(({ atMs }) => this.nowMs - atMs < window.ms);
  }

  failures(): number {
    const calls = this.inWindow();
    const fromLast = calls.findLastIndex(({ outcome }) => outcome === 'success') + 1;
    return calls.slice(this.options.consecutive ? fromLast : 0).filter(({ outcome }) => outcome === 'failure').length;
  }

  /** Those that shares are made of: of the last slots, of which there are 60, or as many as calls. */
  inSlots(): Call[] {
    const { window } = this.options;
    const size = window.by === 'time' ? window.ms : window.calls;
    const count = Math.min(60, size);
    const slotOf = (position: number): number => Math.floor(position / (size / count));
    const newest = slotOf(window.by === 'time' ? this.nowMs : this.calls.length);
    return this.calls.filter(({ atMs }, n) => slotOf(window.by === 'time' ? atMs : n + 1) > newest - count);
  }

  settle(call: Admitted, outcome: Outcome, tookMs: number): void {
    const isOver = call.stretch !== this.stretch || (call.isProbe && this.nowMs - call.atMs >= this.options.probeMs);
    call.ended = true;
    if (isOver || outcome === 'none' || this.status === 'forced-closed') return;
    const { slow, failuresMax, failureShareMin, probes } = this.options;
    this.calls.push({ atMs: this.nowMs, outcome, isSlow: slow !== null && tookMs >= slow.ms });
    const share = (calls: Call[], is: (call: Call) => boolean): number => calls.filter(is).length / calls.length;
    const isTooSlow = (calls: Call[], callsMin: number): boolean =>
      slow !== null && calls.length >= callsMin && share(calls, ({ isSlow }) => isSlow) >= slow.shareMin;
    if (this.status === 'half-open') {
      if (outcome === 'failure') this.open();
      else if (this.calls.length === probes) {
        if (isTooSlow(this.calls, 1)) this.open();
        else this.enter('closed');
      }
      return;
    }
    const failedShare = share(this.inSlots(), (one) => one.outcome === 'failure');
    if (outcome === 'failure' && this.failures() >= failuresMax && failedShare >= failureShareMin) this.open();
    else if (isTooSlow(this.inSlots(), slow?.callsMin ?? 0)) this.open();
  }

  command(what: 'open' | 'close' | 'reset'): void {
    if (what === 'reset') this.openings = 0;
    if (what === 'reset') this.enter('closed');
    else if (what === 'open' && this.status !== 'forced-open') this.enter('forced-open');
    else if (what === 'close' && this.status !== 'forced-closed') this.enter('forced-closed');
  }
}
