// The clients of a simulated cluster, each busy with one kind of work, and what they were told.
import type { HistoryEvent, Json } from '../checkers/index.ts';
import type { SimulatedNode } from '../node.ts';
import type { World } from '../world.ts';
import { append } from './append.ts';
import { bank } from './bank.ts';
import { brief } from './brief.ts';
import { Client, type ClientWorld } from './client.ts';
import { counter } from './counter.ts';
import { inTurn, type Job } from './job.ts';
import { lock } from './lock.ts';
import { queue } from './queue.ts';
import { register } from './register.ts';
import { tally } from './tally.ts';
import { topic } from './topic.ts';
import { watch } from './watch.ts';

const jobs = { register, counter, append, bank, lock, tally, brief, watch, queue, topic } as const satisfies Record<
  string,
  () => Job
>;

export type Work = keyof typeof jobs;

export const works = Object.keys(jobs) as readonly Work[];

/** What seeds draw by themselves; the others are done by name or by a scenario, so that seeds found before them stay what they were. */
export const drawnWorks = works.filter((work) => work !== 'queue' && work !== 'topic');

export type WorkloadOptions = {
  clients: number;
  /** Of each kind of work. */
  keys: number;
  /** Between two rounds of a client, milliseconds, at most. */
  thinkMs: number;
  /** What a node is given to answer. */
  timeoutMs: number;
  /** Rounds of each client, at most. */
  operationsMax: number;
  /** Register groups; each client uses one. */
  groups: readonly string[];
  /** The first client does the first of these, the others any. */
  works: readonly [Work, ...Work[]];
  paddingBytes: number;
};

export class Workload implements ClientWorld {
  readonly history: HistoryEvent[] = [];
  /** How many questions ended with which code. */
  readonly endings = new Map<string, number>();
  /** Writes that were. */
  acknowledged = 0;
  /** Questions that were. */
  answered = 0;
  /** Questions under way, and rounds. */
  open = 0;
  isAudited = false;
  readonly world: World;
  readonly nodes: readonly SimulatedNode[];
  readonly timeoutMs: number;
  readonly paddingBytes: number;
  readonly keys: number;
  readonly #options: WorkloadOptions;
  /** By group and kind. */
  readonly #jobs = new Map<string, { job: Job; group: string; name: Work }>();
  #isStopped = false;
  #silentUntilMs = 0;
  #thinkMsMin = 0;
  #processes = 0;
  #asking = 0;

  constructor(world: World, nodes: readonly SimulatedNode[], options: WorkloadOptions) {
    this.world = world;
    this.nodes = nodes;
    this.timeoutMs = options.timeoutMs;
    this.paddingBytes = options.paddingBytes;
    this.keys = options.keys;
    this.#options = options;
  }

  start(): void {
    const { works, groups } = this.#options;
    for (let at = 0; at < this.#options.clients; at++) {
      const chance = this.world.chance(`client ${at}`);
      const [name, group] = [at === 0 ? works[0] : chance.pick(works), chance.pick(groups)];
      const asks = name !== 'watch';
      if (asks) this.#asking++;
      this.#next(new Client(this, at, group), this.#jobOf(name, group), asks);
    }
  }

  /** Nobody begins anything for so long. */
  pause(forMs: number): void {
    this.#silentUntilMs = this.world.nowMs + forMs;
  }

  /** From now on nobody thinks less than this, about. */
  calm(thinkMs: number): void {
    this.#thinkMsMin = thinkMs;
  }

  /** No new rounds; those under way still end. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Asks what the verdicts need, once all is quiet and well. */
  audit(): void {
    const each = ({ job, group }: { job: Job; group: string }, next: () => void): void => {
      const auditor = new Client(this, this.#options.clients, group);
      auditor.nextCall();
      job.audit(auditor, next);
    };
    inTurn([...this.#jobs.values()], each, () => {
      this.isAudited = true;
    });
  }

  /** What clients were told that cannot be true, in words, or null. */
  verdict(): string | null {
    for (const { job, name, group } of this.#jobs.values()) {
      const wrong = job.verdict();
      if (wrong !== null) return `${name} in '${group}': ${wrong}`;
    }
    return null;
  }

  /** There are clients who ask, do not only watch, and have not done all that they may do. */
  get asks(): boolean {
    return this.#asking > 0;
  }

  #jobOf(name: Work, group: string): Job {
    const known = this.#jobs.get(`${group} ${name}`);
    if (known !== undefined) return known.job;
    const job = jobs[name]();
    this.#jobs.set(`${group} ${name}`, { job, group, name });
    return job;
  }

  #next(client: Client, job: Job, asks: boolean): void {
    if (client.calls >= this.#options.operationsMax) {
      if (asks) this.#asking--;
      return;
    }
    client.nextCall();
    this.world.after(client.chance.fraction() * Math.max(this.#options.thinkMs, this.#thinkMsMin), () =>
      this.#round(client, job, asks),
    );
  }

  #round(client: Client, job: Job, asks: boolean): void {
    const silentMs = this.#silentUntilMs - this.world.nowMs;
    if (silentMs > 0) return void this.world.after(silentMs, () => this.#round(client, job, asks));
    if (this.#isStopped) return;
    this.open++;
    job.run(client, () => {
      this.open--;
      this.#next(client, job, asks);
    });
  }

  // ------------------------------------------------------------ what clients tell

  newProcess(): number {
    return this.#processes++;
  }

  note(process: number, type: HistoryEvent['type'], { f, key }: { f: string; key: string }, value: Json): void {
    const time = Math.round(this.world.nowMs * 1e6);
    this.history.push({ process, type, f, key, value, time });
    this.world.trace.note(this.world.nowMs, `client ${process}`, `${type} ${f} ${key} ${JSON.stringify(value)}`);
  }

  began(): void {
    this.open++;
  }

  ended(code: string, isAcknowledged: boolean): void {
    this.open--;
    if (isAcknowledged) this.acknowledged++;
    if (code === 'ok') this.answered++;
    this.endings.set(code, (this.endings.get(code) ?? 0) + 1);
  }
}
