// Whatever is done to a breaker, in any order: it does what its naive twin does.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { moved } from '../../../machines/breaker/chart.ts';
import {
  admit,
  type Breaker,
  type BreakerEffect,
  type BreakerOptions,
  breakerDefaults,
  checkBreaker,
  command,
  createBreaker,
  type Outcome,
  refusalAt,
  refused,
  settle,
  type Ticket,
  viewOf,
  wake,
} from '../../../machines/breaker/index.ts';
import { randomFrom } from '../../../machines/random.ts';
import { NaiveBreaker } from './naive.ts';

type Call = ReturnType<NaiveBreaker['admit']>;
type Real = { breaker: Breaker; nowMs: number; out: { ticket: Ticket; call: Call }[] };
type Step = fc.Command<NaiveBreaker, Real>;

/** Does it to both and compares them. `changes`: what the real one said. */
const both = (model: NaiveBreaker, real: Real, run: (effects: BreakerEffect[]) => void): void => {
  const before = real.breaker.status;
  const effects: BreakerEffect[] = [];
  run(effects);
  let at = before;
  for (const { from, to, why, openForMs } of effects) {
    assert.equal(from, at, 'every change is told');
    assert.equal(moved(from, why), to, 'the chart has it');
    at = to;
    assert.equal(openForMs, to === 'open' ? real.breaker.openForMs : null);
  }
  assert.equal(at, real.breaker.status);
  checkBreaker(real.breaker);
  const view = viewOf(real.breaker, real.nowMs);
  assert.equal(view.status, model.status);
  assert.equal(view.metric, { closed: 0, open: 1, 'half-open': 2, 'forced-open': 1, 'forced-closed': 0 }[model.status]);
  if (model.status === 'open') {
    const [least, most] = model.openForBounds();
    const { openForMs } = real.breaker;
    if (effects.length > 0) assert.ok(openForMs >= least && openForMs <= most, `${openForMs} not in ${least}…${most}`);
    model.openForMs = openForMs;
  }
  if (model.status === 'closed') assert.equal(view.failures, Math.min(model.failures(), model.options.failuresMax));
  if (model.status === 'half-open')
    assert.deepEqual([view.probesOut, view.probesDone], [model.probesOut(), model.calls.length]);
  assert.equal(view.refusal === null, model.admits());
  if (model.status === 'open')
    assert.equal(view.refusal?.retryAfterMs, Math.ceil(model.sinceMs + model.openForMs - real.nowMs), 'exact');
};

const commandOf = (name: string, run: (model: NaiveBreaker, real: Real) => void): Step => ({
  check: () => true,
  run,
  toString: () => name,
});

const passes = (ms: number): Step =>
  commandOf(`passes ${ms} ms`, (model, real) => {
    real.nowMs += ms;
    model.pass(real.nowMs);
    both(model, real, (effects) => wake(real.breaker, real.nowMs, effects));
  });

/** To the moment before, or at, or after it is due. */
const comesDue = (offMs: number): Step =>
  commandOf(`is due ${offMs} ms ago`, (model, real) => {
    const { untilMs } = real.breaker;
    if (Number.isFinite(untilMs)) passes(Math.max(0, untilMs + offMs - real.nowMs)).run(model, real);
  });

const admits = (): Step =>
  commandOf('admit', (model, real) => {
    model.pass(real.nowMs);
    both(model, real, (effects) => {
      const refusal = refusalAt(real.breaker, real.nowMs);
      const ticket = admit(real.breaker, real.nowMs, effects);
      assert.equal(refusal === null, ticket !== refused, 'the answer is foretold');
      assert.equal(ticket !== refused, model.admits());
      if (ticket !== refused) real.out.push({ ticket, call: model.admit() });
    });
  });

const settles = (which: number, outcome: Outcome, tookMs: number): Step =>
  commandOf(`settle ${which} ${outcome} after ${tookMs} ms`, (model, real) => {
    if (real.out.length === 0) return;
    const at = which % real.out.length;
    const [{ ticket, call }] = real.out.splice(at, 1) as [Real['out'][number]];
    model.pass(real.nowMs);
    both(model, real, (effects) => {
      const { late } = real.breaker.counts;
      const isLate = call.stretch !== model.stretch || (call.isProbe && model.nowMs - call.atMs >= model.options.probeMs);
      settle(real.breaker, real.nowMs, ticket, outcome, tookMs, effects);
      assert.equal(real.breaker.counts.late - late, isLate ? 1 : 0);
      model.settle(call, outcome, tookMs);
    });
  });

const commands = (what: 'open' | 'close' | 'reset'): Step =>
  commandOf(what, (model, real) => {
    model.pass(real.nowMs);
    both(model, real, (effects) => {
      command(real.breaker, real.nowMs, what, effects);
      model.command(what);
    });
  });

const small: BreakerOptions = { ...breakerDefaults, failuresMax: 3, probeMs: 40, openMs: 100, openMsMax: 900, jitter: 0.2 };
const variants: Record<string, BreakerOptions> = {
  'failures in a time': { ...small, window: { by: 'time', ms: 120 } },
  'failures among calls, two probes': { ...small, window: { by: 'calls', calls: 7 }, probes: 2 },
  'failures one after the other': { ...small, window: { by: 'time', ms: 120 }, consecutive: true },
  'a share of failures in a time': { ...small, window: { by: 'time', ms: 120 }, failureShareMin: 0.5 },
  'slow calls in a time, three probes': {
    ...{ ...small, window: { by: 'time', ms: 120 }, probes: 3 },
    slow: { ms: 20, shareMin: 0.4, callsMin: 4 },
  },
  'slow calls among calls': { ...small, window: { by: 'calls', calls: 7 }, slow: { ms: 20, shareMin: 0.5, callsMin: 5 } },
};

const outcome = fc.constantFrom<Outcome>('failure', 'failure', 'success', 'none');
const settling = fc.tuple(fc.nat(20), outcome, fc.constantFrom(1, 19, 20, 50)).map((args) => settles(...args));
const step: fc.Arbitrary<Step>[] = [
  ...[fc.constant(null).map(admits), fc.constant(null).map(admits), settling, settling],
  fc.constantFrom(1, 10, 39, 40, 60, 119, 120, 400).map(passes),
  fc.constantFrom(-1, 0, 0, 5).map(comesDue),
  fc.nat(40).map((n) => (n < 3 ? commands((['open', 'close', 'reset'] as const)[n]!) : admits())),
];

for (const [name, options] of Object.entries(variants))
  test(`as its naive twin: ${name}`, () => {
    fc.assert(
      fc.property(fc.commands(step, { maxCommands: 120, size: 'max' }), fc.nat(), (run, seed) => {
        const random = randomFrom(seed);
        fc.modelRun(
          () => ({
            model: new NaiveBreaker(options),
            real: { nowMs: 0, out: [], breaker: createBreaker({ options, random, nowMs: 0 }) },
          }),
          run,
        );
      }),
      { numRuns: 100, seed: 61 },
    );
  });
