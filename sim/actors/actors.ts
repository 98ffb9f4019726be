// Actors of every durability on every node, and clients that ask them at any, whatever happens to the cluster, and what must be true of
// what they see and do (judge.ts, fences.ts). When all is mended every actor answers everybody, all that is under way comes to its end, and
// then each is asked what it knows.
import type { ActorEnd } from '../../actors/actor-api.ts';
import type { NodeApi } from '../../actors/api.ts';
import type { Observation } from '../../actors/observe.ts';
import { type ActorAddress, addressText } from '../../machines/entity/address.ts';
import type { Wounds } from '../nemesis/wounds.ts';
import type { SimulatedNode } from '../node.ts';
import { wallMsOf } from '../process.ts';
import type { Chance, World } from '../world.ts';
import { LocalDisks } from './disks.ts';
import { Fences } from './fences.ts';
import { ActorsJudge, type Op } from './judge.ts';
import { type Book, definitionsFor, type Watcher } from './logic.ts';
import { addressesOf, drawPlan, isDurable, isLocal, isMortal, isReplicated, mortalOf } from './plan.ts';
import { refTo } from './reference.ts';
import { ReplicaStates } from './states.ts';
import { LocalTimers, lookMs } from './timer-twin.ts';
import { Upgrades } from './upgrades.ts';

export type ActorsOptions = {
  clients: number;
  /** Whose replicas hold actors. */
  groups: readonly string[];
  wounds: Wounds;
  /** Between two requests of a client, milliseconds, at most. */
  thinkMs: number;
  /** Requests of each client, at most. */
  callsMax: number;
  /** Nodes are replaced until all host this version of what outlives them; absent or 1: nobody is. */
  versions?: number;
  /** For the tests that must catch it: code that is not the same at every node. */
  plantsChance?: boolean;
};

const tickMs = 50;
/** Deadlines share timers of 50 ms, and a process may have a backlog. */
const slackMs = 2_000;
const followEveryMs = 1_500;
const readTimeoutMs = 5_000;
/** What has not come yet is asked for again, less and less often. */
const readEveryMs = [100, 5_000] as const;
/** Of clocks that run differently. */
const driftMax = 0.1;
/** The longest that an actor waits by itself. */
const timerMsMax = 5_000;

/** A watch or a subscription of one process. */
type Follow = { readonly life: string; readonly address: string; ends: number; last: number; end: ActorEnd['reason'] | null };

export class Actors {
  readonly judge: ActorsJudge;
  readonly #fences: Fences;
  readonly timers: LocalTimers;
  readonly states: ReplicaStates;
  readonly #disks: LocalDisks;
  readonly #world: World;
  readonly #nodes: readonly SimulatedNode[];
  readonly #names: readonly string[];
  readonly #options: ActorsOptions;
  readonly #chance: Chance;
  readonly #addresses: readonly ActorAddress[];
  readonly #upgrades: Upgrades;
  /** By node: the life in which it hosts its actors. */
  readonly #served = new Map<string, string>();
  readonly #disturbedMs = new Map<string, number>();
  readonly #watches: Follow[] = [];
  readonly #subscriptions: Follow[] = [];
  /** By address: what each said when it was asked last, and whether it is asked now. */
  readonly #books = new Map<string, Book & { value: string }>();
  readonly #reading = new Set<string>();
  /** By node and address: how often it was asked in the end. */
  readonly #asked = new Map<string, number>();
  /** By node and address. */
  readonly #answered = new Set<string>();
  #isStopped = true;

  constructor(world: World, nodes: readonly SimulatedNode[], options: ActorsOptions) {
    this.#world = world;
    this.#nodes = nodes;
    this.#names = nodes.map(({ name }) => name);
    this.#options = options;
    this.#chance = world.chance('actors');
    this.#addresses = addressesOf(this.#names);
    this.#upgrades = new Upgrades(world, nodes, options.versions ?? 1);
    this.judge = new ActorsJudge(() => world.nowMs, this.#upgrades.last);
    this.#disks = new LocalDisks(nodes, options.wounds);
    const blame = (rule: string, what: string): void => this.judge.blame(rule, what);
    this.#fences = new Fences(nodes, blame);
    const local = this.#addresses.filter(({ type }) => isLocal(type));
    this.timers = new LocalTimers(world, nodes, local, options.wounds, blame);
    this.states = new ReplicaStates(nodes, options.groups, blame);
  }

  get violation(): string | null {
    return this.judge.violation;
  }

  /** Of those who live. */
  get open(): number {
    return this.judge.openAsks.size;
  }

  observed(observation: Observation): void {
    if (observation.type !== 'applied') return;
    for (const entry of observation.entries) this.judge.applied(observation.group, entry);
  }

  start(): void {
    this.#isStopped = false;
    this.#upgrades.start();
    this.#tick();
    this.#time();
    this.#follow();
    for (let client = 0; client < this.#options.clients; client++) this.#wait(client, 0);
  }

  /** No request begins any more that nobody asks for. */
  stop(): void {
    this.#isStopped = true;
    this.#upgrades.pause();
  }

  /** What is left of it goes on when all is mended; null: every node hosts the last version. */
  whyNotUpgraded(): string | null {
    return this.#upgrades.whyNotOver();
  }

  // ------------------------------------------------------------ what happens by itself

  #tick(): void {
    this.judge.living(new Set(this.#nodes.map(({ process }) => process?.label ?? '')));
    for (const node of this.#nodes) {
      const { process, api, name } = node;
      if (process === null || api === null) continue;
      if (process.isPaused || process.slowness > 1) this.#disturbedMs.set(process.label, this.#world.nowMs);
      if (this.#served.get(name) !== process.label) this.#serve(node, process.label);
    }
    for (const group of this.#groups()) this.#fences.look(group);
    // Of replicas that were made to differ it is asked whether they find it out by themselves.
    if (this.#options.plantsChance !== true) this.states.look();
    this.judge.late(slackMs, (life) => this.#disturbedMs.get(life) ?? 0);
    this.#world.after(tickMs, () => this.#tick());
  }

  #time(): void {
    this.timers.look();
    this.#world.after(lookMs, () => this.#time());
  }

  #groups(): ReadonlySet<string> {
    return new Set(this.#nodes.flatMap(({ api }) => api?.status().groups.map(({ id }) => id) ?? []));
  }

  #serve(node: SimulatedNode, life: string): void {
    this.#served.set(node.name, life);
    this.timers.hosts(node);
    const watcher = this.#watcherOf(node, life);
    node.enter('host', (api) => {
      for (const definition of definitionsFor(watcher, this.#upgrades.of(node.name))) {
        const why = api.actors.host(definition);
        if (why !== null) this.judge.blame('a type is hosted', `${life}: ${why.message}`);
      }
    });
  }

  #watcherOf(node: SimulatedNode, life: string): Watcher {
    const { process } = node;
    const world = this.#world;
    const planted = this.#options.plantsChance === true ? world.chance(`planted ${life}`) : null;
    return {
      effect: (as, n, execution) => {
        if (execution === null) return this.judge.blame('code knows what runs', `${as} ${n} at ${life}`);
        const address = addressText(execution.address);
        world.trace.note(world.nowMs, 'actors', `${life} ${address} ${as} ${n} ${execution.effectId}`);
        this.judge.acts(as, n, execution, life);
        this.#judgeRefused(execution.address, world.nowMs, `${as} ${n} of ${address} at ${life}`);
        if (as === 'rang' && isLocal(execution.address.type)) this.timers.rang(execution.address, n);
        if (isReplicated(execution.address.type)) this.#works(node, life, execution, `${as} ${n} of ${address}`);
      },
      turn: (n, execution) => {
        if (execution === null) return this.judge.blame('code knows what runs', `turn ${n} at ${life}`);
        const address = addressText(execution.address);
        world.trace.note(world.nowMs, 'actors', `${life} ${address} turn ${n}`);
        if (n >= 0) this.judge.turned(n, life);
        this.#works(node, life, execution, `turn ${n} of ${address}`);
      },
      fails: (execution) => this.timers.failed(execution?.address ?? null),
      later: (ms, run) => void world.after(ms, () => (process?.isAlive === true ? process.arrive('errand', run) : undefined)),
      chance: () => (planted?.happens(0.02) === true ? 0.5 : 0),
    };
  }

  #works(
    { api }: SimulatedNode,
    life: string,
    { address, token }: { address: ActorAddress; token: Parameters<Fences['worked']>[1] | null },
    what: string,
  ): void {
    const group = api?.shards.groupOf(address) ?? null;
    if (token === null || group === null)
      return this.judge.blame('who works holds its token', `${what} at ${life}, without one`);
    this.#fences.worked(group, token, life, what);
  }

  // ------------------------------------------------------------ requests

  #wait(client: number, call: number): void {
    if (call >= this.#options.callsMax) return;
    // Each has chance of its own, so that leaving one out moves no other.
    const chance = this.#world.chance(`actors ${client} call ${call}`);
    this.#world.after(chance.fraction() * this.#options.thinkMs, () => {
      if (this.#isStopped) return;
      const plan = drawPlan(chance, this.#names);
      const op = this.judge.wants(plan, this.#disks.nameOf(plan.address));
      this.#enter(chance.pick(this.#nodes), op);
      if (plan.againMs !== null)
        this.#world.after(plan.againMs, () => {
          if (!this.#isStopped) this.#enter(chance.pick(this.#nodes), op);
        });
      if (isMortal(plan.address) && chance.happens(0.2)) this.#end(chance.pick(this.#nodes), plan.address, chance.happens(0.3));
      this.#wait(client, call + 1);
    });
  }

  /** What is damaged on its disk is refused, by name, and does nothing. */
  #judgeRefused(address: ActorAddress, atMs: number, what: string): void {
    if (this.#disks.isRefused(address, atMs)) this.judge.blame('what is damaged is refused', what);
  }

  #enter(node: SimulatedNode, op: Op): void {
    node.enter('actors', (api) => this.#ask(node, api, op));
  }

  #ask(node: SimulatedNode, api: NodeApi, op: Op): void {
    const { plan, id, n } = op;
    const { world, judge } = { world: this.#world, judge: this.judge };
    const life = node.process!.label;
    // While a node stops it is not to be told apart from one that was told nothing.
    const ask = judge.begins(op, life, world.nowMs + plan.timeoutMs / node.skew.rate);
    const number = `${n}.${op.asks.length}`;
    world.trace.note(world.nowMs, 'actors', `${number} ${life} ${plan.kind} ${op.address}`);
    const event = {
      ...{ type: plan.kind, n, ms: plan.ms },
      ...(plan.kind === 'pass' && plan.to !== null ? { to: refTo(plan.to) } : {}),
    };
    const options = { timeoutMs: plan.timeoutMs, ...(id === null ? {} : { id }) };
    const ended: Parameters<typeof api.actors.ask>[3] = (outcome) => {
      judge.ends(ask, outcome);
      if (ask.ending === 'ok' || ask.ending === 'ACTOR_FAILED' || ask.ending === 'ACTOR_STOPPED')
        this.#judgeRefused(plan.address, ask.atMs, `${plan.kind} ${n} to ${op.address}, ended ${ask.ending}`);
      world.trace.note(world.nowMs, 'actors', `${number} ${ask.ending}`);
    };
    const giveUp = plan.isAsked
      ? api.actors.ask(plan.address, event, options, ended)
      : api.actors.deliver(plan.address, event, options, ended);
    const { cancelAfterMs } = plan;
    if (cancelAfterMs === null) return;
    world.after(cancelAfterMs, () => {
      if (node.process?.label !== life) return;
      node.enter('cancel', () => {
        ask.isCancelled = true;
        giveUp();
      });
    });
  }

  // ------------------------------------------------------------ those who look on, and ends

  #follow(): void {
    this.#world.after(this.#chance.between(1, followEveryMs), () => {
      if (this.#isStopped) return;
      const node = this.#chance.pick(this.#nodes);
      const address = mortalOf(this.#chance, this.#names);
      const shown = this.#chance.pick(this.#addresses.filter(({ type }) => isReplicated(type)));
      node.enter('watch', (api) => {
        const life = node.process!.label;
        const watch: Follow = { life, address: addressText(address), ends: 0, last: -1, end: null };
        this.#watches.push(watch);
        api.actors.watch(address, ({ reason }) => {
          watch.end = reason;
          if (++watch.ends > 1) this.judge.blame('a watch tells one end', `${life} of ${watch.address}: then ${reason}`);
        });
        this.#subscribe(life, api, shown);
      });
      this.#follow();
    });
  }

  #subscribe(life: string, api: NodeApi, to: ActorAddress): void {
    const follow: Follow = { life, address: addressText(to), ends: 0, last: -1, end: null };
    this.#subscriptions.push(follow);
    api.actors.subscribe(
      to,
      'context.notes.length',
      (value) => {
        const length = typeof value === 'number' ? value : 0;
        if (length < follow.last)
          this.judge.blame('nobody is shown the past', `${life} of ${follow.address}: ${length} after ${follow.last}`);
        follow.last = length;
      },
      ({ reason }) => {
        follow.end = reason;
        if (++follow.ends > 1) this.judge.blame('a subscription ends once', `${life} of ${follow.address}: ${reason}`);
      },
    );
  }

  #end(node: SimulatedNode, address: ActorAddress, isHard: boolean, done: (isDone: boolean) => void = () => {}): boolean {
    return node.enter('end', (api) =>
      api.actors.stop(address, { isHard, timeoutMs: readTimeoutMs }, (outcome) => done(outcome.ok)),
    );
  }

  // ------------------------------------------------------------ when all is mended

  /** Timers may wait for a clock that was ahead when they were set. */
  get patienceMs(): number {
    const { nowMs } = this.#world;
    const walls = this.#nodes.map(({ skew }) => wallMsOf(this.#world, skew));
    const farthest = this.#nodes.map(({ skew }) => skew.farthestAheadMs - skew.wallAheadMs);
    return Math.max(...walls) - Math.min(...walls) + Math.max(...farthest) + driftMax * nowMs + timerMsMax;
  }

  #isAsking = false;

  /** Mortal ones are stopped until nobody watches any more. */
  whyNotAllEnded(): string | null {
    const lives = new Set(this.#nodes.map(({ process }) => process?.label ?? ''));
    const open = this.#watches.find(({ life, ends }) => lives.has(life) && ends === 0);
    if (open === undefined) return null;
    const all = [null, ...this.#names].flatMap((node): ActorAddress[] =>
      node === null
        ? [
            { type: 'book', key: 'mortal', node },
            { type: 'gauge', key: 'mortal', node },
          ]
        : [{ type: 'diary', key: 'mortal', node }],
    );
    if (!this.#isAsking) {
      this.#isAsking = true;
      for (const address of all) this.#end(this.#chance.pick(this.#nodes), address, false);
      this.#world.after(500, () => {
        this.#isAsking = false;
      });
    }
    return `${open.life} watches ${open.address} and was told no end`;
  }

  /** Everybody asks every actor, and whatever is under way comes to its end; null: it has. Asked after every event, looked at now and then. */
  whyNotSettled(): string | null {
    const { nowMs } = this.#world;
    if (nowMs < this.#settling.untilMs) return this.#settling.why;
    this.#settling = { untilMs: nowMs + tickMs, why: this.#look() };
    return this.#settling.why;
  }

  #settling: { untilMs: number; why: string | null } = { untilMs: 0, why: null };

  #look(): string | null {
    let why: string | null = null;
    for (const address of this.#addresses) {
      const text = addressText(address);
      for (const node of this.#nodes)
        if (!this.#answered.has(`${node.name} ${text}`)) {
          why ??= `${text} has not answered ${node.name}`;
          this.#read(node, address);
        }
      const book = this.#books.get(text);
      if (!isDurable(address.type) || book === undefined) continue;
      const still = this.judge.whyNotSettled(text, book, this.#disks.isExcused);
      if (still === null) continue;
      why ??= `${text}: ${still}`;
      this.#read(this.#chance.pick(this.#nodes), address);
    }
    if (why !== null) return why;
    const unpassed = this.judge.whyNotPassed(this.#books, this.#disks.isExcused);
    if (unpassed !== null) for (const address of this.#addresses) this.#read(this.#chance.pick(this.#nodes), address);
    return unpassed ?? this.#whyNotShown();
  }

  #whyNotShown(): string | null {
    for (const { life, address, last, end } of this.#subscriptions) {
      const isThere = this.#nodes.some(({ process }) => process?.label === life);
      const length = this.#books.get(address)?.notes.length ?? 0;
      if (isThere && end === null && last !== length) return `${life} was shown ${last} of ${address}, which has ${length}`;
    }
    return null;
  }

  #read(node: SimulatedNode, address: ActorAddress): void {
    const text = addressText(address);
    const question = `${node.name} ${text}`;
    if (this.#reading.has(question)) return;
    this.#reading.add(question);
    const times = (this.#asked.get(question) ?? 0) + 1;
    this.#asked.set(question, times);
    const pauseMs = Math.min(readEveryMs[1], readEveryMs[0] * 2 ** times);
    const over = (): void => void this.#world.after(pauseMs, () => this.#reading.delete(question));
    const isAsked = node.enter('read', (api) =>
      api.actors.ask(address, { type: 'read' }, { timeoutMs: readTimeoutMs }, (outcome) => {
        over();
        if (!outcome.ok) return;
        this.#answered.add(question);
        if (isDurable(address.type)) this.#books.set(text, outcome.value as Book & { value: string });
      }),
    );
    if (!isAsked) over();
  }

  judgeTheEnd(): void {
    this.judge.judgeTheEnd(this.#books, this.#disks.isExcused);
  }
}
