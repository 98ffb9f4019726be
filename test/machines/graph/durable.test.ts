// Runs that are kept in a log, whose leaders are lost at any moment: what is told to be begun and ended is what a leader would do, and two
// replicas, one of which reads everything anew each time, hold the same bytes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ErrorCode, failure } from '../../../machines/errors.ts';
import {
  type CallOf,
  callsOf,
  checkGraph,
  checkRun,
  type DurableBegin,
  type DurableCall,
  type DurableClock,
  type DurableEvent,
  type DurableRun,
  durableTurn,
  noRun,
  outcomeOf,
  type Plan,
  reportsOf,
  runOf,
} from '../../../machines/graph/index.ts';
import { pack, unpack } from '../../../machines/wire/envelope.ts';
import { drawnStep, graphOf } from './drawn.ts';

/** As one that was written to a disk and read by another process. */
const readAnew = (context: DurableRun): DurableRun => {
  const read = unpack(Uint8Array.from(pack(context))) as DurableRun;
  const own = (bytes: Uint8Array | null): Uint8Array | null => (bytes === null ? null : Uint8Array.from(bytes));
  return { ...read, graph: own(read.graph), run: own(read.run) };
};

const idOf = ({ kind, step, attempt }: CallOf): string => `${kind} ${step} ${attempt}`;

/** A leader and what it has begun; checks what it is told. */
class Led {
  context: DurableRun = noRun;
  #twin: DurableRun = noRun;
  readonly plan: Plan;
  readonly idempotent: boolean;
  readonly children = new Map<string, DurableCall>();
  /** Those who are to say what time it is. */
  readonly clocks = new Map<string, DurableClock>();
  /** Calls that were made, by what they are for: how often by which id. */
  readonly made = new Map<string, number>();
  readonly told: string[] = [];

  constructor(graph: unknown, idempotent: boolean) {
    const checked = checkGraph(graph);
    assert.ok(checked.ok);
    this.plan = checked.plan;
    this.idempotent = idempotent;
    const begin: DurableBegin = {
      ...{ type: 'begin', graph: pack(graph).slice(), idempotent: idempotent ? callsOf(checked.plan).map((_, at) => at) : [] },
      ...{ principal: null, keepMs: 1_000, nonce: 'n', atMs: 5_000 },
    };
    this.take(begin);
    // The same again, as a request that is repeated: nothing comes of it.
    assert.equal(durableTurn(this.context, { ...begin, nonce: 'm' }), null);
  }

  get isOver(): boolean {
    return this.context.phase === 'over';
  }

  take(event: DurableEvent): void {
    const turn = durableTurn(this.context, event);
    const twin = durableTurn(readAnew(this.#twin), event);
    assert.deepEqual(twin?.wanted, turn?.wanted);
    if (turn === null) return;
    this.context = turn.context;
    this.#twin = twin!.context;
    assert.deepEqual(pack(this.#twin), pack(this.context), 'replicas differ');
    for (const wanted of turn.wanted) {
      if (!wanted.starts) {
        this.children.delete(wanted.id);
        this.clocks.delete(wanted.id);
      } else if (wanted.src === 'clock') {
        assert.ok(!this.clocks.has(wanted.id), `${wanted.id} runs already`);
        this.clocks.set(wanted.id, wanted.input);
      } else {
        assert.ok(!this.children.has(wanted.id), `${wanted.id} runs already`);
        this.children.set(wanted.id, wanted.input);
        const of = idOf(wanted.input);
        this.made.set(of, (this.made.get(of) ?? 0) + 1);
        assert.ok(this.idempotent || this.made.get(of) === 1, `${of} is made twice`);
      }
    }
    this.#look();
  }

  #look(): void {
    const run = runOf(this.context)!;
    checkRun(run);
    const underWay = run.running + (run.undoing?.isRunning === true ? 1 : 0);
    assert.equal(this.children.size, underWay, `${[...this.children.keys()]} run`);
    const told = reportsOf(run).map(({ step, status, compensation }) => `${step} ${compensation === null ? status : 'undone'}`);
    assert.deepEqual(told.slice(0, this.told.length), this.told, 'what was told is taken back');
    this.told.splice(0, this.told.length, ...told);
  }

  end(id: string, code: ErrorCode | null): void {
    const { kind, step, attempt } = this.children.get(id)!;
    const packed = pack(code === null ? { from: step } : failure(code, 'it said so')).slice();
    const ended = { packed, node: 'n1', attempts: 1, isInDoubt: false, atMs: runOf(this.context)!.nowMs + 1 };
    this.take({ type: 'ended', kind, step, attempt, ok: code === null, ...ended });
  }

  /** What clocks say, so many milliseconds after the run was told of anything. */
  tick(laterMs: number): void {
    for (const { lost, leastMs } of [...this.clocks.values()]) {
      const atMs = Math.max(leastMs, runOf(this.context)!.nowMs + laterMs);
      this.take({ type: 'time', lost, atMs });
      if (this.isOver) return;
      assert.ok(runOf(this.context)!.nowMs >= (lost === null ? atMs : leastMs), 'time stands still');
    }
  }

  /** The next leader is told of all that ran; clocks may say something later. */
  lose(laterMs: number | null = 1): void {
    for (const id of [...this.children.keys()]) this.take({ type: 'polity.interrupted', src: 'call', id });
    if (laterMs !== null) this.tick(laterMs);
  }

  wake(): void {
    const { wakeMs } = runOf(this.context)!;
    this.take({ type: 'wake' });
    this.tick(0);
    if (wakeMs !== Number.POSITIVE_INFINITY && !this.isOver)
      assert.ok(runOf(this.context)!.nowMs >= wakeMs, 'time stands still');
  }
}

const codes: readonly (ErrorCode | null)[] = [null, null, null, 'SERVICE_REFUSED', 'OVERLOADED', 'OUTCOME_UNKNOWN'];

test('whatever the graph and whoever is lost, replicas agree, nothing is made twice that must not be, and all of it ends', () => {
  const seen = { well: 0, failed: 0, again: 0, unknown: 0, undone: 0 };
  fc.assert(
    fc.property(
      fc.array(drawnStep, { minLength: 1, maxLength: 8 }),
      fc.integer({ min: 1, max: 4 }),
      fc.boolean(),
      fc.array(fc.record({ which: fc.nat(9), code: fc.nat(codes.length - 1), what: fc.nat(40) }), { maxLength: 40 }),
      (drawn, width, idempotent, moves) => {
        const led = new Led(graphOf(drawn, width), idempotent);
        for (const { which, code, what } of moves) {
          if (led.isOver) break;
          const ids = [...led.children.keys()];
          if (what === 0) led.take({ type: 'cancel', atMs: 5_000 });
          else if (what < 5) led.lose([0, 1, 20_000, null][which % 4]);
          else if (what < 9 || ids.length === 0) led.wake();
          else led.end(ids[which % ids.length]!, codes[code]!);
        }
        for (let wakes = 0; !led.isOver; wakes++) {
          assert.ok(wakes < 200, 'it does not end');
          led.wake();
        }
        const { failure: why, steps } = outcomeOf(runOf(led.context)!);
        if (why === null) seen.well++;
        else seen.failed++;
        if ([...led.made.values()].some((times) => times > 1)) seen.again++;
        if (Object.values(steps).some(({ happened }) => happened === 'unknown')) seen.unknown++;
        if (led.told.some((line) => line.endsWith('undone'))) seen.undone++;
      },
    ),
    { numRuns: 500, seed: 77 },
  );
  for (const [what, count] of Object.entries(seen)) assert.ok(count > 15, `${what}: ${count}`);
});

test('what is told of a call that has ended, or was made again since, changes nothing', () => {
  const led = new Led({ steps: { a: { service: 's', method: 'm' }, b: { service: 's', method: 'm', after: ['a'] } } }, true);
  led.lose();
  assert.deepEqual([...led.children.keys()], ['step.a.1.1']);
  assert.equal(led.children.get('step.a.1.1')!.requestId, 'n.step.a.1');
  const { nowMs } = runOf(led.context)!;
  for (const id of ['step.a.1', 'step.a.1.2', 'step.b.1', 'compensation.a.1', 'step.nobody.1', 'rubbish', 'a.b.c.d'])
    for (const event of [
      { type: 'polity.interrupted' as const, src: 'call', id },
      { type: 'time' as const, lost: id, atMs: nowMs },
    ])
      led.take(event);
  assert.equal(led.made.get('step a 1'), 2);
  led.end('step.a.1.1', null);
  led.take({ type: 'polity.interrupted', src: 'call', id: 'step.a.1.1' });
  assert.deepEqual([...led.children.keys()], ['step.b.1']);
});
