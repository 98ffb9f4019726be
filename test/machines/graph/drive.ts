// A run in the hand of a test: what it calls is in `calling`, and ends when the test says so.
import assert from 'node:assert/strict';
import { type ErrorCode, failure } from '../../../machines/errors.ts';
import {
  checkGraph,
  checkRun,
  createRun,
  type GraphEffect,
  type GraphEvent,
  type GraphOutcome,
  type GraphRun,
  type PlannedCall,
  readRun,
  step,
  writeRun,
} from '../../../machines/graph/index.ts';

export type Called = Extract<GraphEffect, { type: 'call' }>;

export class Driven {
  run: GraphRun;
  nowMs = 1_000;
  /** By what is called: a step's name, or `~name` for its compensation. */
  readonly calling = new Map<string, Called>();
  /** What was told, one word each. */
  readonly told: string[] = [];
  outcome: GraphOutcome | null = null;

  constructor(graph: unknown, { idempotent = false, deadlineMs }: { idempotent?: boolean; deadlineMs?: number } = {}) {
    const checked = checkGraph(graph);
    assert.ok(checked.ok, checked.ok ? '' : checked.failure.message);
    const { plan } = checked;
    const calls = plan.steps.flatMap(({ call, compensate }) => (compensate === null ? [call] : [call, compensate]));
    this.run = createRun({
      ...{ plan, idempotent: new Set<PlannedCall>(idempotent ? calls : []), nowMs: this.nowMs },
      ...(deadlineMs === undefined ? {} : { deadlineMs }),
    });
    this.send({ type: 'begin' });
  }

  send(event: GraphEvent): void {
    const effects = step(this.run, this.nowMs, event);
    checkRun(this.run);
    this.#writeAndRead();
    for (const effect of effects) {
      this.see(effect);
      this.#take(effect);
    }
  }

  /** It goes on from what is read again, as one does that is kept where it outlives a process. */
  #writeAndRead(): void {
    const written = writeRun(this.run);
    const read = readRun(this.run.plan, written);
    assert.deepEqual(read, this.run);
    assert.deepEqual(writeRun(read), written);
    this.run = read;
  }

  /** For whoever looks on. */
  protected see(_effect: GraphEffect): void {}

  #take(effect: GraphEffect): void {
    assert.equal(this.outcome, null, `${effect.type} after the end`);
    switch (effect.type) {
      case 'call': {
        const name = effect.kind === 'step' ? effect.step : `~${effect.step}`;
        assert.ok(!this.calling.has(name), `${name} is called already`);
        this.calling.set(name, effect);
        return;
      }
      case 'cancel-call':
        this.told.push(`cancel ${effect.step}`);
        assert.ok(this.calling.delete(effect.kind === 'step' ? effect.step : `~${effect.step}`));
        return;
      case 'settled': {
        const { step: name, status, because, failure: why } = effect.report;
        const reason =
          because === null
            ? (why?.code ?? '')
            : Object.values(because)
                .filter((one) => one !== null)
                .join(' ');
        this.told.push(`${name} ${status}${reason === '' ? '' : ` ${reason}`}`);
        return;
      }
      case 'compensated':
        this.told.push(
          `~${effect.step} ${effect.report.status}${effect.report.failure === null ? '' : ` ${effect.report.failure.code}`}`,
        );
        return;
      case 'over':
        this.outcome = effect.outcome;
    }
  }

  /** Names of what is called now. */
  get now(): string[] {
    return [...this.calling.keys()];
  }

  inputOf(name: string): unknown {
    return this.calling.get(name)!.call.input;
  }

  end(name: string, end: { value: unknown } | { code: ErrorCode; isInDoubt?: boolean; retryAfterMs?: number }): void {
    const called = this.calling.get(name);
    assert.ok(called !== undefined, `${name} is not called; ${this.now} are`);
    this.calling.delete(name);
    const { kind, step: of, attempt } = called;
    const why = (): ReturnType<typeof failure> =>
      'code' in end
        ? failure(end.code, `${name} said so`, 'retryAfterMs' in end ? { retryAfterMs: end.retryAfterMs! } : undefined)
        : failure('INTERNAL', '');
    const outcome = 'value' in end ? { ok: true as const, value: end.value } : { ok: false as const, failure: why() };
    const isInDoubt = 'code' in end && end.isInDoubt === true ? { isInDoubt: true } : {};
    this.send({ type: 'ended', kind, step: of, attempt, outcome, node: 'n1', attempts: 1, ...isInDoubt });
  }

  done(name: string, value: unknown = null): void {
    this.end(name, { value });
  }

  fails(name: string, code: ErrorCode = 'SERVICE_REFUSED'): void {
    this.end(name, { code });
  }

  /** Time passes, and it is woken as it wants to be. */
  passes(ms: number): void {
    const untilMs = this.nowMs + ms;
    while (this.run.wakeMs <= untilMs) {
      this.nowMs = this.run.wakeMs;
      this.send({ type: 'wake' });
    }
    this.nowMs = untilMs;
  }
}
