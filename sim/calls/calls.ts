// Services at some nodes and callers at all of them, whatever happens to the cluster, and what must be true of what they see (judge.ts,
// breaker-twin.ts). When all is mended everybody must be served by everybody who offers something, no breaker may stay open, and what
// matters most must get through where too much is asked.
import type { NodeApi } from '../../actors/api.ts';
import type { BreakersDoor } from '../../actors/breakers.ts';
import type { ClockPort } from '../../actors/ports/index.ts';
import type { CallContext, CallHandle } from '../../actors/service-api.ts';
import type { SimulatedNode } from '../node.ts';
import type { Chance, World } from '../world.ts';
import { type Account, whyNotAdmitted, whyNotSettled } from './accounts.ts';
import { BreakerTwins } from './breaker-twin.ts';
import { type Call, CallsJudge, type Work } from './judge.ts';
import { drawPlan, type Plan } from './plan.ts';
import { bulkheadOf, busy, type Host, hostedBy, inputOf, methods } from './services.ts';

export type CallsOptions = {
  clients: number;
  /** Between two calls of a client, milliseconds, at most. */
  thinkMs: number;
  /** Calls of each client, at most. */
  callsMax: number;
};

const tickMs = 50;
/** Deadlines share timers of 50 ms, and a process may have a backlog. */
const slackMs = 2_000;
const sickEveryMs = [500, 4_000] as const;
const sickForMs = [300, 3_000] as const;
const commandEveryMs = 5_000;
const repeatWithinMs = 1_500;
const flood = { forMs: 3_000, bulkEveryMs: 8, urgentEveryMs: 100, takesMs: [50, 20], timeoutMs: 3_000 } as const;

export class Calls {
  readonly judge: CallsJudge;
  readonly #world: World;
  readonly #nodes: readonly SimulatedNode[];
  readonly #options: CallsOptions;
  readonly #chance: Chance;
  /** By service, who offers it. */
  readonly #offers = new Map<string, readonly SimulatedNode[]>();
  /** By node: the life in which its services are offered. */
  readonly #served = new Map<string, string>();
  readonly #lives = new Map<string, Account & { clock: ClockPort }>();
  /** By life: when its process was seen paused or slow last. */
  readonly #disturbedMs = new Map<string, number>();
  /** By node and service: until when its handlers fail. */
  readonly #sickUntilMs = new Map<string, number>();
  readonly #pinned = new Map<string, 'asking' | 'served' | 'not yet'>();
  #urgent: Call[] = [];
  #isStopped = true;
  #wrong: string | null = null;

  constructor(world: World, nodes: readonly SimulatedNode[], options: CallsOptions) {
    this.#world = world;
    this.#nodes = nodes;
    this.#options = options;
    this.#chance = world.chance('calls');
    this.judge = new CallsJudge(() => world.nowMs);
    const services = this.#chance.between(1, 4);
    for (let n = 0; n < services; n++) {
      const most = Math.max(2, nodes.length);
      this.#offers.set(`s${n}`, this.#chance.shuffled(nodes).slice(0, this.#chance.between(1, most)));
    }
    this.#offers.set(busy, [this.#chance.pick(nodes)]);
  }

  get violation(): string | null {
    for (const { twins } of this.#lives.values()) this.#wrong ??= twins.violation;
    return this.judge.violation ?? this.#wrong;
  }

  get made(): number {
    return this.judge.calls.length;
  }

  /** Of those who live. */
  get open(): number {
    return this.judge.openCalls.size;
  }

  tapBreakers(life: string, door: BreakersDoor, clock: ClockPort): BreakersDoor {
    const node = this.#nodes.find(({ name }) => life.startsWith(`${name}#`))!;
    const twins = new BreakerTwins(life, door, clock, node.settings.breaker);
    this.#lives.set(life, { twins, clock, peer: node.disk.identity });
    return twins.door;
  }

  start(): void {
    this.#isStopped = false;
    this.#tick();
    this.#sicken();
    this.#command();
    for (let client = 0; client < this.#options.clients; client++) this.#wait(client, 0);
  }

  /** No call begins any more that nobody asks for. */
  stop(): void {
    this.#isStopped = true;
  }

  // ------------------------------------------------------------ what happens by itself

  #tick(): void {
    this.judge.living(new Set(this.#nodes.map(({ process }) => process?.label ?? '')));
    for (const node of this.#nodes) {
      const { process, api, name } = node;
      const life = process?.label ?? '';
      if (process === null || api === null) continue;
      if (process.isPaused || process.slowness > 1) this.#disturbedMs.set(life, this.#world.nowMs);
      if (this.#served.get(name) !== life) this.#serve(node, life);
      this.#look(api, life);
    }
    this.judge.late(slackMs, (life) => this.#disturbedMs.get(life) ?? 0);
    this.#world.after(tickMs, () => this.#tick());
  }

  /** Nothing waits beyond its bound. */
  #look(api: NodeApi, life: string): void {
    for (const { service, bulkhead: view } of api.host.view()) {
      const { runningMax, queueMax: waitMost } = bulkheadOf(service);
      const most = runningMax.critical;
      const waiting = Object.values(view.waiting).reduce((sum, count) => sum + count, 0);
      const running = [...this.judge.openRuns].filter((run) => run.life === life && run.work.service === service).length;
      if (view.running > most || running > most || waiting > waitMost)
        this.#wrong ??= `nothing waits beyond bounds: ${life} runs ${Math.max(running, view.running)} calls of ${service}, ${waiting} wait`;
    }
  }

  #serve(node: SimulatedNode, life: string): void {
    this.#served.set(node.name, life);
    const host = this.#hostOf(node, life);
    for (const [service, offering] of this.#offers) {
      if (!offering.includes(node)) continue;
      const hosted = hostedBy(host, service);
      const offer = (): void =>
        void node.enter('serve', (api) => {
          if (node.process?.label !== life) return;
          if (api.host.offers(service, null) === null) api.host.add(hosted);
          api.catalog.offer(hosted.offer, ({ ok }) => (ok ? undefined : void this.#world.after(200, offer)));
        });
      offer();
    }
  }

  #hostOf(node: SimulatedNode, life: string): Host {
    const { clock } = this.#lives.get(life)!;
    return {
      ...{ world: this.#world, judge: this.judge, node: node.name, life, process: node.process! },
      isSick: (service) => this.#isSick(node, service),
      worldMs: (deadlineMs) => this.#world.nowMs + (deadlineMs - clock.nowMs()) / node.skew.rate,
      relay: (within, done) => this.#relay(node, within, done),
    };
  }

  #isSick({ name }: SimulatedNode, service: string): boolean {
    return (this.#sickUntilMs.get(`${name} ${service}`) ?? 0) > this.#world.nowMs;
  }

  /** Now and then all that a node does for a service fails, for a while. */
  #sicken(): void {
    this.#world.after(this.#chance.between(...sickEveryMs), () => {
      if (this.#isStopped) return;
      const [service, offering] = this.#chance.pick([...this.#offers]);
      const { name } = this.#chance.pick(offering);
      this.#sickUntilMs.set(`${name} ${service}`, this.#world.nowMs + this.#chance.between(...sickForMs));
      this.#sicken();
    });
  }

  /** Now and then somebody takes a breaker into his own hands. */
  #command(): void {
    this.#world.after(this.#chance.fraction() * commandEveryMs, () => {
      if (this.#isStopped) return;
      const [service, offering] = this.#chance.pick([...this.#offers]);
      const which = { node: this.#chance.pick(offering).name, service: this.#chance.happens(0.8) ? service : null };
      const command = this.#chance.pick(['open', 'close', 'reset', 'reset'] as const);
      this.#chance.pick(this.#nodes).enter('breaker', (api) => void api.commandBreaker(which, command));
      this.#command();
    });
  }

  // ------------------------------------------------------------ calls

  #wait(client: number, call: number): void {
    if (call >= this.#options.callsMax) return;
    // Each call has its own, so that leaving one out moves no other.
    const chance = this.#world.chance(`calls ${client} call ${call}`);
    this.#world.after(chance.fraction() * this.#options.thinkMs, () => {
      if (this.#isStopped) return;
      const node = chance.pick(this.#nodes);
      const plan = drawPlan(chance, this.judge, this.#offered());
      node.enter('calls', (api) => this.#ask(node, api, plan));
      if (plan.work.requestId !== null)
        this.#world.after(chance.fraction() * repeatWithinMs, () => {
          if (!this.#isStopped) node.enter('calls', (api) => this.#ask(node, api, plan));
        });
      this.#wait(client, call + 1);
    });
  }

  /** By service, but for the one that is asked for too much in the end. */
  #offered(): Map<string, string[]> {
    const offers = new Map([...this.#offers].map(([service, offering]) => [service, offering.map(({ name }) => name)]));
    offers.delete(busy);
    return offers;
  }

  #ask(node: SimulatedNode, api: NodeApi, { work, call, cancelAfterMs, ahead }: Plan, ended: () => void = () => {}): Call {
    const life = node.process!.label;
    const { world, judge } = { world: this.#world, judge: this.judge };
    const timeMs = Math.min(call.timeoutMs ?? 0, this.#leftMs(life, call.within));
    const isStream = work.items > 0;
    const begun = judge.begins(work, {
      ...{ node: node.name, life, asked: isStream ? ahead : 0 },
      dueMs: world.nowMs + timeMs / node.skew.rate,
    });
    world.trace.note(world.nowMs, 'calls', `${begun.number} ${life} ${work.number} ${work.service}.${work.method} ${work.how}`);
    let handle: CallHandle | null = null;
    const more = (items: number): void => {
      begun.asked += items;
      handle?.more(items);
    };
    handle = api.calls.call(call, {
      item(value) {
        judge.gets(begun, value);
        if (begun.got === begun.asked) more(ahead);
      },
      end(outcome, trail) {
        judge.ends(begun, outcome, trail);
        world.trace.note(world.nowMs, 'calls', `${begun.number} ${begun.ending} after ${trail?.attempts ?? '-'}`);
        ended();
      },
    });
    if (isStream) handle.more(ahead);
    if (cancelAfterMs !== null)
      world.after(cancelAfterMs, () => node.process?.label === life && this.#cancel(node, begun, handle));
    return begun;
  }

  #leftMs(life: string, within: CallContext | undefined): number {
    const clock = this.#lives.get(life)?.clock;
    return within === undefined || clock === undefined ? Number.POSITIVE_INFINITY : within.deadlineMs - clock.nowMs();
  }

  #cancel(node: SimulatedNode, call: Call, handle: CallHandle | null): void {
    node.enter('cancel', () => {
      call.isCancelled = true;
      handle?.cancel();
    });
  }

  #relay(node: SimulatedNode, within: CallContext, done: () => void): Pick<CallHandle, 'cancel'> | null {
    const { api } = node;
    const service = [...this.#offers.keys()].find((name) => name !== within.service && name !== busy);
    if (api === null || service === undefined) return null;
    const work = this.judge.asks({
      ...{ service, method: 'put', how: 'ok', takesMs: 20, items: 0, isIdempotent: true, requestId: null },
    });
    // Its caller's deadline is shorter than this.
    const call = { service, method: 'put', input: inputOf(work), timeoutMs: 60_000, within };
    this.#ask(node, api, { work, call, cancelAfterMs: null, ahead: 0 }, done);
    return { cancel() {} };
  }

  // ------------------------------------------------------------ when all is mended

  /** Services are well, and nobody holds a breaker. */
  mend(): void {
    this.stop();
    this.#sickUntilMs.clear();
    for (const node of this.#nodes)
      node.enter('breaker', (api) => {
        for (const { peer, service, isForced } of api.breakers())
          if (isForced) api.commandBreaker({ node: peer, service }, 'reset');
      });
    for (const node of this.#nodes) {
      for (const [service, offering] of this.#offers) {
        this.#pinned.set(`${node.name} ${service} `, 'not yet');
        for (const other of offering) if (other !== node) this.#pinned.set(`${node.name} ${service} ${other.name}`, 'not yet');
      }
    }
  }

  /** Everybody calls every service, at whoever offers it and at whoever is chosen, until he is told ok; null: all were. */
  whyNotServed(): string | null {
    let why: string | null = null;
    for (const [key, state] of this.#pinned) {
      if (state === 'served') continue;
      why = key;
      if (state === 'not yet') this.#askPinned(key);
    }
    return why ?? this.#whyNotClosed();
  }

  #askPinned(key: string): void {
    const [from, service, to] = key.split(' ') as [string, string, string];
    const node = this.#nodes.find(({ name }) => name === from)!;
    const method = to === '' ? 'add' : 'put';
    const work = this.judge.asks({
      ...{ service, method, how: 'ok', takesMs: 5, items: 0, isIdempotent: methods[method].idempotent, requestId: null },
    });
    const call = { service, method, input: inputOf(work), timeoutMs: 2_000, ...(to === '' ? {} : { node: to }) };
    const again = (): void => void this.#world.after(200, () => this.#pinned.set(key, 'not yet'));
    this.#pinned.set(key, 'asking');
    const isAsked = node.enter('calls', (api) => {
      this.#ask(node, api, { work, call, cancelAfterMs: null, ahead: 0 }, () => {
        if (endingOf(work) === 'ok') this.#pinned.set(key, 'served');
        else again();
      });
    });
    if (!isAsked) again();
  }

  #whyNotClosed(): string | null {
    for (const { name, api } of this.#nodes)
      for (const { node, service, status } of api?.breakers() ?? [])
        if (status !== 'closed') {
          // It may want more calls that succeed than one.
          if (node !== null) this.#pinned.set(`${name} ${service} ${node}`, 'not yet');
          return `the breaker of ${name} for ${service} at ${node} is ${status}`;
        }
    return null;
  }

  /** Everybody asks everybody for what never ends, and soon wants it no more. */
  abandon(): void {
    for (const node of this.#nodes)
      for (const [service, offering] of this.#offers)
        for (const { name } of offering) {
          const work = this.judge.asks({
            ...{ service, method: 'urgent', how: 'hang', takesMs: 0, items: 0, isIdempotent: true, requestId: null },
          });
          const call = { service, method: 'urgent', input: inputOf(work), timeoutMs: 60_000, node: name };
          node.enter('calls', (api) => void this.#ask(node, api, { work, call, cancelAfterMs: 100, ahead: 0 }));
        }
  }

  /** Too much is asked of one service, most of which matters little. */
  flood(): void {
    const [target] = this.#offers.get(busy)!;
    const others = this.#nodes.filter((node) => node !== target);
    const endMs = this.#world.nowMs + flood.forMs;
    const each = (method: 'bulk' | 'urgent', everyMs: number, takesMs: number): void => {
      if (this.#world.nowMs >= endMs || others.length === 0) return;
      const node = this.#chance.pick(others);
      const work = this.judge.asks({
        ...{ service: busy, method, how: 'ok', takesMs, items: 0, isIdempotent: true, requestId: null },
      });
      const call = { service: busy, method, input: inputOf(work), timeoutMs: flood.timeoutMs };
      node.enter('flood', (api) => {
        const asked = this.#ask(node, api, { work, call, cancelAfterMs: null, ahead: 0 });
        if (method === 'urgent') this.#urgent.push(asked);
      });
      this.#world.after(everyMs, () => each(method, everyMs, takesMs));
    };
    each('bulk', flood.bulkEveryMs, flood.takesMs[0]);
    each('urgent', flood.urgentEveryMs, flood.takesMs[1]);
  }

  get floodMs(): number {
    return flood.forMs;
  }

  /** After the flood, and when every call has ended. */
  judgeTheEnd(): void {
    const late = this.#urgent.find(({ ending }) => ending !== 'ok');
    if (late !== undefined)
      this.#wrong ??= `what matters most gets through: an urgent call of ${late.life} ended with ${late.ending}, call ${late.number}`;
    for (const { process } of this.#nodes) {
      const account = this.#lives.get(process?.label ?? '');
      if (account !== undefined) this.#wrong ??= whyNotSettled(process!.label, account);
    }
    this.#wrong ??= whyNotAdmitted(this.#lives, this.judge.runs);
  }

  /** What still runs; empty soon after every call has ended. */
  whyNotIdle(): string | null {
    const [run] = this.judge.openRuns;
    return run === undefined ? null : `${run.work.service}.${run.work.method} (${run.work.how}) runs at ${run.life}`;
  }
}

const endingOf = (work: Work): Call['ending'] => work.calls.at(-1)?.ending ?? null;
