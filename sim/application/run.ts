// One seed of somebody's application: a cluster under fire, his programs on it, his invariants and ours; then everything is mended, and
// what his programs have begun must come to an end.
import type { NodeSettings } from '../../actors/settings.ts';
import { Cluster, describeError } from '../cluster.ts';
import { drawKnobs, type Knobs, settingsOf } from '../knobs.ts';
import { countOfFaults, type FaultDone } from '../nemesis/index.ts';
import { Broken, describeNode, recoveryMs, stepsMax, type Verdict } from '../phases.ts';
import { createTeller } from '../record.ts';
import { setBy, timeMsDefault } from '../swarm.ts';
import { Trace } from '../trace.ts';
import { World } from '../world.ts';
import { Hosting } from './actors.ts';
import type { Application, Context, RunOptions, SeedResult, SimulatedSettings, View } from './application.ts';
import { SimulatedClient } from './client.ts';
import { Program, type Said, Story } from './program.ts';
import { Recorder } from './record.ts';
import { newController } from './signal.ts';
import { ApplicationFault, Turns } from './turns.ts';

const clientsDefault = 3;
/** 2030-01-01T00:00:00Z. */
const beginningMs = 1_893_456_000_000;
const lossPer100k = 500;
const waitsShownMax = 8;
const storyLines = 40;

/** What the seed draws, and over it what the developer sets. */
const ownSettings = (drawn: NodeSettings, { raft, ...own }: SimulatedSettings): NodeSettings => ({
  ...{ ...drawn, ...own },
  raft: { ...drawn.raft, ...raft },
});

const messageLinesMax = 30;
const framesMax = 2;
/** Of what called the developer's function; he wants to see his own. */
const ownFrame = /\/sim\/(simulate|application\/\w+)\.[jt]s:/;

/** What the developer threw, as a person wants to read it: all of the message, and where. */
const describeThrown = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  const message = `${error.name}: ${error.message}`.split('\n').slice(0, messageLinesMax);
  const frames = (error.stack ?? '').split('\n').filter((line) => line.startsWith('    at ') && !ownFrame.test(line));
  return [...message, ...frames.slice(0, framesMax)].join('\n');
};

const isAssertion = (error: unknown): boolean => error instanceof Error && error.name === 'AssertionError';

class ApplicationRun {
  readonly world: World;
  readonly cluster: Cluster;
  readonly recorder: Recorder;
  readonly story = new Story();
  readonly #options: RunOptions;
  readonly #knobs: Knobs;
  readonly #application: Application;
  readonly #turns: Turns;
  readonly #programs: Program[] = [];
  readonly #view: View;
  readonly #hosting: Hosting;
  readonly #over = newController();
  /** Programs that have not ended, and what first went wrong in one. */
  #running = 0;
  #failure: Broken | null = null;

  constructor(world: World, knobs: Knobs, application: Application, options: RunOptions) {
    this.world = world;
    this.#options = options;
    this.#knobs = knobs;
    this.#application = application;
    const { listen } = options;
    this.cluster = new Cluster(world, knobs, {
      settings: (name, names) => ownSettings(settingsOf(name, names, knobs), options.settings ?? {}),
      without: options.without ?? [],
      teller: listen === undefined ? undefined : (network) => createTeller(world, network, listen),
    });
    this.recorder = new Recorder(() => world.nowMs);
    this.#turns = new Turns(world);
    const { nodes } = this.cluster;
    this.#hosting = new Hosting(nodes, application.actors ?? []);
    const seen = () => nodes.map(({ name, api }) => ({ name, status: api?.status() ?? null }));
    this.#view = {
      get nowMs() {
        return world.nowMs;
      },
      nodes: seen,
    };
  }

  // -------------------------------------------------------------- programs

  #contextOf(id: number, name: string): Context {
    const { world, cluster, story } = this;
    const pauses = id > 0 && this.#knobs.faults.includes('pause');
    const program = new Program(world, this.#turns, story, { name, pauses });
    this.#programs.push(program);
    const wires = {
      ...{ nodes: cluster.nodes, latencyMs: this.#knobs.latencyMs },
      lossPer100k: this.#knobs.faults.length > 0 ? lossPer100k : 0,
    };
    const chance = world.chance(`application ${name}`);
    /** What answers at once cannot leave the dead without an answer. */
    const alive =
      <Words extends unknown[], Value>(say: (...words: Words) => Value) =>
      (...words: Words): Value => {
        if (!this.#turns.call()) throw new ApplicationFault(`${name} goes on after the end of its run`);
        return say(...words);
      };
    return {
      ...{ id, name, client: new SimulatedClient(program, wires, this.recorder) },
      now: alive(() => beginningMs + Math.floor(world.nowMs)),
      sleep: (delayMs) => program.sleep(delayMs),
      random: alive(() => chance.fraction()),
      note: alive((text: string) => program.tell(text)),
      isOver: () => this.#over.signal.aborted,
      signal: this.#over.signal,
    };
  }

  /** Begins now; its end is counted, its failure kept. */
  #begin(context: Context, run: (context: Context) => Promise<void> | void, thrownIs: Verdict): void {
    this.#running++;
    this.#turns.touch();
    const start = async (): Promise<void> => {
      try {
        await run(context);
      } catch (error) {
        const verdict = isAssertion(error) ? 'correctness' : thrownIs;
        // Whoever was told that it is over, and lets go, has ended.
        if (!this.#over.signal.aborted || error !== this.#over.signal.reason)
          this.#failure ??= new Broken(verdict, `${context.name}: ${describeThrown(error)}`);
      }
      this.#running--;
    };
    void start();
  }

  // -------------------------------------------------------------- time

  #look(): void {
    this.cluster.teller?.clients(this.recorder.all);
    if (this.#failure !== null) throw this.#failure;
    this.cluster.look();
    this.#hosting.look();
    if (this.world.steps > stepsMax) throw new Broken('liveness', `${stepsMax} events and no end`);
    try {
      this.#application.always?.(this.#view);
    } catch (error) {
      throw new Broken('correctness', `always: ${describeThrown(error)}`);
    }
  }

  /** The application does what it can do now. */
  async #turn(): Promise<void> {
    await this.#turns.run();
    if (this.#running === 0 || this.#turns.waiting.size > 0 || !(await this.#turns.isStuck())) return;
    if (this.#running === 0) return;
    throw new Broken(
      'liveness',
      `the workload waits for something outside of the simulation: ${this.#running} of its programs ${this.#running === 1 ? 'has' : 'have'} not ended, and ` +
        'no call and no sleep of theirs is under way. A real timer, file, socket or thread never answers here, and neither ' +
        'does a promise that nobody settles.',
    );
  }

  /** Lets time pass and looks at what happened after each event; true if `until` came. */
  async pass(durationMs: number, until: () => boolean): Promise<boolean> {
    const { world } = this;
    const endMs = world.nowMs + durationMs;
    for (;;) {
      if (this.#turns.isTouched) {
        await this.#turn();
        this.#look();
        if (until()) return true;
      }
      const { steps } = world;
      const isStopped = world.run(Math.max(0, endMs - world.nowMs), () => {
        this.#look();
        // What code of actors has awaited may have come with any event.
        if (this.#hosting.hasActors && world.steps > steps) this.#turns.touch();
        return this.#turns.isTouched || until();
      });
      if (!this.#turns.isTouched) return isStopped;
    }
  }

  async #demand(what: string, until: () => boolean, explain: () => string): Promise<void> {
    if (await this.pass(recoveryMs, until)) return;
    throw new Broken('liveness', `${what}: not within ${recoveryMs} ms; ${explain()}`);
  }

  #waits(): string {
    const { nowMs } = this.world;
    const waits = [...this.#turns.waiting].map(
      ({ who, what, sinceMs }) => `${who} waits for ${what} since ${((nowMs - sinceMs) / 1000).toFixed(1)} s`,
    );
    const more = waits.length > waitsShownMax ? `; and ${waits.length - waitsShownMax} more` : '';
    return `${waits.slice(0, waitsShownMax).join('; ')}${more}; ${this.#states()}`;
  }

  // -------------------------------------------------------------- one life

  #states(): string {
    return this.cluster.nodes.map((node) => `${node.name} ${describeNode(node)}`).join(', ');
  }

  /** All nodes serve, within the bound. */
  async #demandReady(what: string): Promise<void> {
    const { nodes } = this.cluster;
    const areReady = (): boolean => nodes.every((node) => node.api?.status().state === 'ready');
    await this.#demand(what, areReady, () => this.#states());
  }

  /** One program alone, to its end. */
  async #alone(name: 'prepare' | 'check', thrownIs: Verdict): Promise<void> {
    const application = this.#application;
    if (application[name] === undefined) return;
    this.#begin(this.#contextOf(0, name), (context) => application[name]!(context), thrownIs);
    await this.#demand(`${name} ends`, this.#haveEnded, () => this.#waits());
  }

  readonly #haveEnded = (): boolean => this.#running === 0;

  async #mend(): Promise<void> {
    const { nemesis, scene } = this.cluster;
    for (const program of this.#programs) program.mend();
    nemesis.stop();
    this.world.trace.note(this.world.nowMs, 'world', 'mended');
    if (nemesis.changedMembers) {
      scene.operator.restore();
      await this.#demand(
        'every node is a voter again',
        () => scene.operator.isIdle,
        () => this.#states(),
      );
    }
    await this.#demandReady('every node is ready again');
  }

  async live(): Promise<void> {
    const { cluster, world } = this;
    const { clients = clientsDefault, timeMs = timeMsDefault } = this.#options;
    for (const node of cluster.nodes) world.after(world.chance(`start ${node.name}`).between(0, 300), () => node.start());
    await this.#demandReady('the cluster forms');
    await this.#alone('prepare', 'crash');
    for (let id = 1; id <= clients; id++)
      this.#begin(this.#contextOf(id, `client ${id}`), (context) => this.#application.workload(context), 'crash');
    cluster.nemesis.start();
    await this.pass(timeMs, this.#haveEnded);
    this.#over.abort(new ApplicationFault('the time under fire is over'));
    await this.#mend();
    await this.#demand('the workload ends', this.#haveEnded, () => this.#waits());
    await this.#alone('check', 'correctness');
  }

  end(): void {
    this.#turns.end();
  }
}

const lineOf = ({ atMs, who, what }: Said): string => `${(atMs / 1000).toFixed(3).padStart(9)} s  ${who}: ${what}`;

/** The last lines of programs and faults, in order of time. */
const storyOf = (said: readonly Said[], done: readonly FaultDone[]): string[] => {
  const struck = done.flatMap(({ number, fault, where, atMs, untilMs }): Said[] => [
    { atMs, who: `fault ${number}`, what: `${fault} ${where}` },
    ...(untilMs === null ? [] : [{ atMs: untilMs, who: `fault ${number}`, what: `${fault} is over` }]),
  ]);
  return [...said, ...struck]
    .sort((a, b) => a.atMs - b.atMs)
    .slice(-storyLines)
    .map(lineOf);
};

/** Runs the application on one seed. What goes wrong is the result; it rejects only with what `make` throws. */
export const runApplication = async (seed: number, make: () => Application, options: RunOptions): Promise<SeedResult> => {
  const trace = new Trace({ linesMax: options.linesMax ?? 0 });
  const world = new World(seed, trace);
  const groups = options.settings?.groups ?? ['kv'];
  const knobs = drawKnobs(
    (label) => world.chance(label),
    (drawn) => ({ ...setBy(options)(drawn), clients: options.clients ?? clientsDefault, groups: [...groups] }),
  );
  const run = new ApplicationRun(world, knobs, make(), options);
  let verdict: Verdict = 'held';
  let reason = '';
  try {
    await run.live();
  } catch (error) {
    verdict = error instanceof Broken ? error.verdict : 'crash';
    reason = error instanceof Broken || error instanceof ApplicationFault ? error.message : describeError(error);
  }
  run.end();
  const { history } = run.recorder;
  const faultsDone = run.cluster.nemesis.done;
  // What clients saw is judged also when something else broke: a lost write says more than a node that hangs.
  const seen = options.linearizable === false ? null : run.cluster.judge.history(history);
  if (seen !== null) {
    reason = reason === '' ? seen : `${seen}\nand: ${reason}`;
    verdict = 'correctness';
  }
  return {
    ...{ seed, verdict, reason, smaller: {}, hash: trace.hash, steps: world.steps, virtualMs: Math.round(world.nowMs) },
    ...{ calls: history.filter(({ type }) => type === 'invoke').length, done: countOfFaults(faultsDone), faults: faultsDone },
    ...{ knobs, history, lines: trace.lines },
    ...{ story: verdict === 'held' ? [] : storyOf(run.story.said, faultsDone), report: null },
  };
};
