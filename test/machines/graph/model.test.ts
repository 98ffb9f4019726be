// Random graphs, whose calls end in random ways and orders, with time running out, cancelling and stopping in between. Whoever looks on
// knows nothing of the machine but the graph and what it is told, and keeps the rules by himself.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ErrorCode, errorTable } from '../../../machines/errors.ts';
import type { GraphEffect } from '../../../machines/graph/index.ts';
import { drawnStep, graphOf, type Steps } from './drawn.ts';
import { Driven } from './drive.ts';

// ---------------------------------------------------------------- who looks on

class Onlooker {
  readonly steps: Steps;
  readonly errorSteps = new Set<string>();
  readonly settled = new Map<string, 'done' | 'failed' | 'skipped'>();
  readonly open = new Set<string>();
  readonly tried = new Map<string, { attempt: number; mayTry: boolean; isDoubtful: boolean }>();
  readonly undone: string[] = [];
  readonly happened = new Set<string>();
  readonly idempotent: boolean;
  hasFailed = false;
  isCut = false;
  isOver = false;

  constructor(steps: Steps, idempotent: boolean) {
    this.steps = steps;
    this.idempotent = idempotent;
    for (const { onError = '' } of Object.values(steps)) if (onError in steps) this.errorSteps.add(onError);
    // Steps come behind those that they look at.
    for (const [name, { after = [] }] of Object.entries(steps))
      if ([...after, ...this.references(name, true)].some((one) => this.errorSteps.has(one))) this.errorSteps.add(name);
  }

  references(name: string, isStrict: boolean): string[] {
    const references = (this.steps[name]!.input ?? []) as { $from: string; or?: unknown }[];
    return references.filter(({ or }) => (or === undefined) === isStrict).map(({ $from }) => $from);
  }

  /** Before the effects of what ended are seen. */
  ended(name: string, code: ErrorCode | null): void {
    this.open.delete(name);
    const tried = this.tried.get(name)!;
    const row = code === null ? null : errorTable[code];
    tried.isDoubtful = row !== null && !row.definite;
    tried.mayTry = row !== null && (row.definite ? row.retryable : this.idempotent);
    if (code === null || tried.isDoubtful) this.happened.add(name);
  }

  see(effect: GraphEffect, isLate: boolean): void {
    this.isCut ||= isLate;
    assert.ok(!this.isOver, `${effect.type} after the end`);
    switch (effect.type) {
      case 'call':
        return effect.kind === 'step' ? this.#starts(effect.step, effect.attempt) : this.#undoes(effect.step);
      case 'cancel-call':
        assert.ok(this.open.delete(effect.kind === 'step' ? effect.step : `~${effect.step}`));
        if (effect.kind === 'step') this.happened.add(effect.step);
        return;
      case 'settled':
        return this.#settles(effect.report.step, effect.report.status);
      case 'compensated':
        return void this.undone.push(effect.step);
      case 'over':
        this.isOver = true;
    }
  }

  #starts(name: string, attempt: number): void {
    const { after = [] } = this.steps[name]!;
    assert.ok(!this.isCut, `${name} starts after everything was given up`);
    assert.ok(!this.hasFailed || this.errorSteps.has(name), `${name} starts although the run has failed`);
    if (this.errorSteps.has(name)) assert.ok(this.hasFailed, `${name} starts although nothing failed`);
    for (const one of this.references(name, true)) assert.equal(this.settled.get(one), 'done', `${name} needs ${one}`);
    for (const one of [...after, ...this.references(name, false)]) assert.ok(this.settled.has(one), `${name} before ${one}`);
    const before = this.tried.get(name);
    assert.equal(attempt, (before?.attempt ?? 0) + 1);
    if (before !== undefined) assert.ok(before.mayTry, `${name} is called twice`);
    assert.ok(!this.settled.has(name) && !this.open.has(name));
    this.tried.set(name, { attempt, mayTry: false, isDoubtful: false });
    this.open.add(name);
  }

  #settles(name: string, status: 'done' | 'failed' | 'skipped'): void {
    assert.ok(!this.settled.has(name), `${name} settles twice`);
    assert.ok(!this.open.has(name), `${name} settles while it runs`);
    if (status === 'skipped') assert.ok(!this.tried.has(name), `${name} is skipped although it began`);
    this.settled.set(name, status);
    if (status === 'failed' && this.steps[name]!.onError !== 'continue') this.hasFailed = true;
  }

  /** What is to be undone, in this order. */
  owed(): string[] {
    const settled = [...this.settled.keys()].toReversed();
    return settled.filter((name) => this.happened.has(name) && this.steps[name]!.compensate !== undefined);
  }

  #undoes(name: string): void {
    assert.ok(this.hasFailed || this.isCut, `${name} is undone although nothing failed`);
    assert.equal(this.settled.size, Object.keys(this.steps).length, `${name} is undone while others are open`);
    assert.equal(this.open.size, 0, `${name} is undone beside others`);
    assert.equal(name, this.owed()[this.undone.length], `${name} is undone out of turn`);
    this.tried.set(`~${name}`, { attempt: 1, mayTry: true, isDoubtful: false });
    this.open.add(`~${name}`);
  }
}

class Watched extends Driven {
  // Set before the first effect: fields of a subclass would be too late.
  static onlooker: Onlooker;
  protected override see(effect: GraphEffect): void {
    Watched.onlooker.see(effect, this.nowMs >= this.run.deadlineMs);
    assert.ok(Watched.onlooker.open.size <= this.run.plan.concurrency, 'so many at the same time');
  }
}

const codes: readonly (ErrorCode | null)[] = [
  null,
  null,
  null,
  'SERVICE_REFUSED',
  'OVERLOADED',
  'SERVICE_FAILED',
  'OUTCOME_UNKNOWN',
];

type Move = { which: number; code: number; what: number };
const moves = fc.array(fc.record({ which: fc.nat(9), code: fc.nat(codes.length - 1), what: fc.nat(60) }), { maxLength: 60 });

const play = (driven: Watched, onlooker: Onlooker, { which, code, what }: Move): void => {
  if (what === 0 || what === 1) {
    onlooker.isCut = true;
    return driven.send({ type: what === 0 ? 'cancel' : 'stop' });
  }
  if (what < 8) return driven.passes(what * what);
  const names = driven.now;
  if (names.length === 0) return driven.passes(10);
  const name = names[which % names.length]!;
  const chosen = codes[code]!;
  onlooker.ended(name, chosen);
  if (chosen === null) driven.done(name, { from: name });
  else driven.fails(name, chosen);
};

test('whatever the graph and whatever happens, the rules hold and all of it ends', () => {
  const seen = { well: 0, failed: 0, undone: 0, errorSteps: 0 };
  fc.assert(
    fc.property(
      fc.array(drawnStep, { minLength: 1, maxLength: 9 }),
      fc.integer({ min: 1, max: 4 }),
      fc.boolean(),
      moves,
      (drawn, width, idempotent, list) => {
        const graph = graphOf(drawn, width);
        const onlooker = new Onlooker(graph.steps, idempotent);
        Watched.onlooker = onlooker;
        const driven = new Watched(graph, { idempotent });
        for (const move of list) if (driven.outcome === null) play(driven, onlooker, move);
        // Nobody answers any more: its own times end it.
        if (driven.outcome === null) driven.passes(1_000 + 500 + 1);
        assert.ok(driven.outcome !== null, 'it does not end');
        assert.equal(onlooker.open.size, 0);
        assert.equal(onlooker.settled.size, drawn.length);
        assert.deepEqual(onlooker.undone, driven.outcome.failure === null ? [] : onlooker.owed());
        assert.deepEqual(Object.keys(driven.outcome.steps), Object.keys(graph.steps));
        if (onlooker.hasFailed) assert.notEqual(driven.outcome.failure, null);
        if (driven.outcome.failure === null) seen.well++;
        else seen.failed++;
        seen.undone += onlooker.undone.length;
        for (const name of onlooker.errorSteps) if (onlooker.tried.has(name)) seen.errorSteps++;
      },
    ),
    { numRuns: 600, seed: 612 },
  );
  for (const [what, count] of Object.entries(seen)) assert.ok(count > 20, `${what}: ${count}`);
});
