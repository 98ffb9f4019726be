// What `polity sim` prints: a line for each seed, or a bar where somebody watches; in the end what failed and how to repeat it.
import { type RunResult, type Size, visible } from '../../../sim/index.ts';
import { print } from '../output.ts';
import { meshLineOf, meshLines } from './mesh.ts';
import { commandOf, type Plan } from './options.ts';
import { isMeshFacts, type Outcome } from './run.ts';

export type Failure = Pick<Outcome, 'seed' | 'verdict' | 'reason'>;

const failuresShownMax = 50;
const reasonCharsMax = 160;
const barColumns = 24;
const barEveryMs = 100;

const counted = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`;

const sumOf = (counts: Record<string, number>): number => Object.values(counts).reduce((sum, count) => sum + count, 0);

export const lineOf = ({ seed, verdict, facts }: Outcome): string => {
  if (facts === null) return `seed ${seed}: ${verdict}`;
  if (isMeshFacts(facts)) return meshLineOf(facts);
  const { hash, knobs, virtualMs, steps, acknowledged, operations, replicaChanges, calls, faults } = facts;
  const what = [
    ...[counted(knobs.nodes, 'node'), `${(virtualMs / 1000).toFixed(0)} s`, counted(steps, 'event')],
    ...[counted(Math.ceil(operations), 'call'), counted(acknowledged, 'write')],
    ...(replicaChanges === 0 ? [] : [`${counted(replicaChanges, 'change')} of replicas`]),
    ...(Object.keys(calls).length === 0 ? [] : [`${counted(sumOf(calls), 'call')} of services, ${calls.ok ?? 0} ok`]),
    counted(faults.length, 'fault'),
  ];
  return `seed ${seed}: ${verdict}; ${what.join(', ')}; trace ${hash}`;
};

export const sizeText = ({ nodes, faults, clients, calls, virtualMs }: Size): string =>
  [
    ...[counted(nodes, 'node'), counted(faults, 'fault'), counted(clients, 'client'), counted(calls, 'call')],
    `${(virtualMs / 1000).toFixed(2)} s`,
  ].join(', ');

/** Everything that a failure says, indented. */
export const failureLines = (outcome: Outcome): string[] => {
  const drawn = outcome.facts === null ? [] : [`  drawn: ${JSON.stringify(outcome.facts.knobs)}`];
  const reason = outcome.reason.split('\n').map((line) => `  ${visible(line)}`);
  return [...drawn, ...reason, ...(outcome.facts !== null && isMeshFacts(outcome.facts) ? meshLines(outcome.facts) : [])];
};

const firstLine = (reason: string): string => {
  const [line = ''] = visible(reason.split('\n')[0] ?? '').split('\n');
  return line.length > reasonCharsMax ? `${line.slice(0, reasonCharsMax - 1)}…` : line;
};

const durationText = (ms: number): string => {
  const seconds = Math.round(ms / 1_000);
  return seconds < 100
    ? `${seconds} s`
    : seconds < 6_000
      ? `${Math.round(seconds / 60)} min`
      : `${(seconds / 3_600).toFixed(1)} h`;
};

/** Of many seeds. Nothing moves where nobody looks: without a terminal every seed has its line. */
export class Progress {
  readonly #plan: Plan;
  readonly #json: boolean;
  readonly #isLive: boolean;
  readonly #startMs = performance.now();
  readonly failures: Failure[] = [];
  failed = 0;
  done = 0;
  /** Of the last result. */
  seed: number | null = null;
  #drawnMs = 0;

  constructor(plan: Plan, json: boolean) {
    this.#plan = plan;
    this.#json = json;
    this.#isLive = process.stdout.isTTY === true && !json;
    if (this.#isLive) this.#draw(true);
  }

  add(outcome: Outcome): void {
    this.done++;
    this.seed = outcome.seed;
    const hasFailed = outcome.verdict !== 'held';
    if (hasFailed) {
      this.failed++;
      if (this.failures.length < failuresShownMax) this.failures.push(outcome);
    }
    const repeat = commandOf(outcome.seed, this.#plan.options);
    if (this.#json) {
      const { facts, ...rest } = outcome;
      return print(JSON.stringify({ ...(facts ?? rest), repeat }));
    }
    if (this.#isLive && !hasFailed) return this.#draw();
    this.clear();
    print(lineOf(outcome));
    if (hasFailed) for (const line of failureLines(outcome)) print(line);
    if (hasFailed) print(`repeat it with: ${repeat}`);
    if (this.#isLive) this.#draw(true);
  }

  #draw(now = false): void {
    const nowMs = performance.now();
    if (!now && nowMs - this.#drawnMs < barEveryMs) return;
    this.#drawnMs = nowMs;
    const ms = nowMs - this.#startMs;
    const { from, to, soakMs } = this.#plan;
    const all = to - from + 1;
    const share = Math.min(1, soakMs === null ? this.done / all : ms / soakMs);
    const filled = Math.round(share * barColumns);
    const leftMs = soakMs === null ? (ms / Math.max(1, this.done)) * (all - this.done) : Math.max(0, soakMs - ms);
    const count = soakMs === null ? `${this.done}/${all}` : `${this.done} seeds`;
    const rate = `${((1_000 * this.done) / Math.max(ms, 1)).toFixed(1)} a second`;
    const text = ` ${'█'.repeat(filled)}${'░'.repeat(barColumns - filled)} ${count}, ${this.failed} failed, ${rate}, ${durationText(leftMs)} left`;
    process.stdout.write(`\r${text.slice(0, Math.max(20, process.stdout.columns ?? 80) - 1)}\u001b[K`);
  }

  /** Takes the bar away, so that something can be printed. */
  clear(): void {
    if (this.#isLive) process.stdout.write('\r\u001b[K');
  }

  /** What is known in the end. */
  summary(isInterrupted: boolean): void {
    this.clear();
    if (this.#json) return;
    const seconds = ((performance.now() - this.#startMs) / 1_000).toFixed(1);
    const all = this.#plan.to - this.#plan.from + 1;
    const of = isInterrupted && this.#plan.soakMs === null ? ` of ${all}` : '';
    print(
      `${isInterrupted ? `${this.done}${of} seeds` : counted(this.done, 'seed')}, ${this.failed} failed; ${seconds} s${isInterrupted ? '; interrupted' : ''}`,
    );
    for (const { seed, verdict, reason } of this.failures) {
      print(`  seed ${seed}: ${verdict}: ${firstLine(reason)}`);
      print(`    ${commandOf(seed, this.#plan.options)}`);
    }
    if (this.failed > this.failures.length) print(`  … and ${this.failed - this.failures.length} more`);
  }
}

/** One line that is written over while a failure is made smaller. */
export const shrinkProgress = (json: boolean) => {
  const isLive = process.stdout.isTTY === true && !json;
  return {
    step(runs: number, tried: string, smallest: Size): void {
      if (!isLive) return;
      const text = ` smaller: ${sizeText(smallest)}; run ${runs}: ${tried}`;
      process.stdout.write(`\r${text.slice(0, Math.max(20, process.stdout.columns ?? 80) - 1)}\u001b[K`);
    },
    clear(): void {
      if (isLive) process.stdout.write('\r\u001b[K');
    },
  };
};

export const gravest = (a: RunResult['verdict'], b: RunResult['verdict']): RunResult['verdict'] => {
  const order = ['held', 'crash', 'liveness', 'correctness'] as const;
  return order.indexOf(a) >= order.indexOf(b) ? a : b;
};
