// Clients of a simulated cluster: they ask any node, believe what they are told, ask again under an idempotency key when they were
// told nothing, and keep the history that the judges read.
import type { NodeApi, Outcome } from '../actors/api.ts';
import { errorTable } from '../machines/errors.ts';
import type { Condition, RegisterResult, RegisterWrite } from '../machines/register/types.ts';
import { readUtf8, utf8 } from '../machines/wire/octets.ts';
import type { HistoryEvent } from './checkers/index.ts';
import type { SimulatedNode } from './node.ts';
import type { Chance, World } from './world.ts';

export type WorkloadOptions = {
  clients: number;
  keys: number;
  /** Between two calls of a client, milliseconds, at most. */
  thinkMs: number;
  /** What a node is given to answer. */
  timeoutMs: number;
  /** Calls of each client, at most. */
  operationsMax: number;
};

type Value = string | null;
type Call = { f: 'read' | 'write' | 'cas'; key: string; value: Value | readonly [Value, Value] };
type Ending = { type: 'ok' | 'fail' | 'info'; value?: Value; code?: string };

const attemptsMax = 4;
/** Failures that tell what the command did, whichever attempt it was: nothing. */
const answersOfTheRegister: ReadonlySet<string> = new Set(['CAS_MISMATCH', 'KEY_NOT_FOUND']);

export class Workload {
  readonly history: HistoryEvent[] = [];
  /** How many calls ended with which code. */
  readonly endings = new Map<string, number>();
  acknowledged = 0;
  open = 0;
  readonly #world: World;
  readonly #nodes: readonly SimulatedNode[];
  readonly #options: WorkloadOptions;
  #isStopped = false;
  #processes = 0;
  #busy = 0;

  constructor(world: World, nodes: readonly SimulatedNode[], options: WorkloadOptions) {
    this.#world = world;
    this.#nodes = nodes;
    this.#options = options;
  }

  start(): void {
    for (let at = 0; at < this.#options.clients; at++) {
      this.#busy++;
      new Client(this, at).next();
    }
  }

  /** No new calls; those under way still end. */
  stop(): void {
    this.#isStopped = true;
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Every client has done all that it may do. */
  get isOver(): boolean {
    return this.#busy === 0;
  }

  clientIsOver(): void {
    this.#busy--;
  }

  get world(): World {
    return this.#world;
  }

  get nodes(): readonly SimulatedNode[] {
    return this.#nodes;
  }

  get options(): WorkloadOptions {
    return this.#options;
  }

  newProcess(): number {
    return this.#processes++;
  }

  note(process: number, type: HistoryEvent['type'], { f, key }: Call, value: HistoryEvent['value']): void {
    const time = Math.round(this.#world.nowMs * 1e6);
    this.history.push({ process, type, f, key, value: value ?? null, time });
    this.#world.trace.note(this.#world.nowMs, `client ${process}`, `${type} ${f} ${key} ${JSON.stringify(value)}`);
  }

  ended(code: string): void {
    this.endings.set(code, (this.endings.get(code) ?? 0) + 1);
  }
}

class Client {
  readonly #workload: Workload;
  readonly #number: number;
  /** Of the call that is next or under way: each has its own, so that leaving one out moves no other. */
  #chance: Chance;
  #calls = 0;
  /** What it last saw in each key. */
  readonly #seen = new Map<string, string>();
  #process: number;
  #requests = 0;

  constructor(workload: Workload, number: number) {
    this.#workload = workload;
    this.#number = number;
    this.#chance = this.#chanceOfCall();
    this.#process = workload.newProcess();
  }

  #chanceOfCall(): Chance {
    return this.#workload.world.chance(`client ${this.#number} call ${this.#calls}`);
  }

  next(): void {
    const { world, options } = this.#workload;
    if (this.#calls >= options.operationsMax) return this.#workload.clientIsOver();
    this.#chance = this.#chanceOfCall();
    this.#calls++;
    world.after(this.#chance.fraction() * options.thinkMs, () => {
      if (!this.#workload.isStopped) this.#call();
    });
  }

  #draw(): Call {
    const next = `v${this.#number}.${this.#calls}`;
    const key = `k${this.#chance.between(0, this.#workload.options.keys)}`;
    const old = this.#seen.get(key);
    const chance = this.#chance.between(0, 100);
    if (chance < 40) return { f: 'read', key, value: null };
    if (chance < 70) return { f: 'write', key, value: next };
    if (chance < 75) return { f: 'write', key, value: null };
    if (chance < 82 || old === undefined) return { f: 'cas', key, value: [null, next] };
    return { f: 'cas', key, value: [old, next] };
  }

  #call(): void {
    const workload = this.#workload;
    const call = this.#draw();
    const process = this.#process;
    workload.note(process, 'invoke', call, call.value);
    workload.open++;
    const end = ({ type, value, code }: Ending): void => {
      workload.open--;
      workload.ended(code ?? type);
      if (type === 'ok' && call.f !== 'read') workload.acknowledged++;
      workload.note(process, type, call, call.f === 'read' && type === 'ok' ? value : call.value);
      if (type === 'ok' && call.f === 'read' && typeof value === 'string') this.#seen.set(call.key, value);
      else if (call.f !== 'read') this.#seen.delete(call.key);
      if (type === 'info') this.#process = workload.newProcess();
      this.next();
    };
    if (call.f === 'read') this.#read(call.key, end);
    else this.#write(call, end);
  }

  /** Asks some node; `done` comes once, at the latest when a client would hang up. */
  #ask(run: (api: NodeApi, done: (outcome: Outcome<RegisterResult>) => void) => void, done: (outcome: Answer) => void): void {
    const { world, nodes, options } = this.#workload;
    let isOpen = true;
    const settle = (answer: Answer): void => {
      if (!isOpen) return;
      isOpen = false;
      patience.cancel();
      done(answer);
    };
    const patience = world.after(2 * options.timeoutMs + 500, () => settle('silence'));
    const node = this.#chance.pick(nodes);
    const sent = node.enter('call', (api) => run(api, settle));
    if (!sent) world.after(0, () => settle('not sent'));
  }

  #read(key: string, end: (ending: Ending) => void): void {
    const consistency = this.#chance.happens(0.3) ? 'lease' : 'linearizable';
    const { timeoutMs } = this.#workload.options;
    this.#ask(
      (api, done) => api.read({ op: 'get', key }, { consistency, timeoutMs }, done),
      (answer) => {
        if (typeof answer === 'string') return end({ type: 'fail', code: answer });
        if (!answer.ok) return end({ type: 'fail', code: answer.failure.code });
        const { value } = answer;
        if (value.op !== 'get') throw new Error(`a get was answered with a ${value.op}`);
        end({ type: 'ok', value: value.found === null ? null : readUtf8(value.found.value, 0, value.found.value.byteLength) });
      },
    );
  }

  #write(call: Call, end: (ending: Ending) => void): void {
    const insists = this.#chance.happens(0.3);
    const idempotencyKey = insists ? `p${this.#process}-${++this.#requests}` : null;
    const write = writeOf(call);
    const { timeoutMs } = this.#workload.options;
    let attempts = 0;
    let isInDoubt = false;
    const attempt = (): void => {
      attempts++;
      this.#ask(
        (api, done) => api.write(write, { timeoutMs, ...(idempotencyKey === null ? {} : { idempotencyKey }) }, done),
        (answer) => {
          if (typeof answer !== 'string' && answer.ok) return end({ type: 'ok' });
          const code = typeof answer === 'string' ? answer : answer.failure.code;
          const didNot =
            code === 'not sent' || (typeof answer !== 'string' && !answer.ok && errorTable[answer.failure.code].definite);
          if (didNot && (!isInDoubt || answersOfTheRegister.has(code))) return end({ type: 'fail', code });
          isInDoubt ||= !didNot;
          if (insists && attempts < attemptsMax) return attempt();
          end({ type: 'info', code });
        },
      );
    };
    attempt();
  }
}

type Answer = Outcome<RegisterResult> | 'silence' | 'not sent';

const writeOf = ({ f, key, value }: Call): RegisterWrite => {
  if (f === 'write') {
    if (value === null) return { op: 'delete', key };
    return { op: 'put', key, value: utf8(value as string) };
  }
  const [old, next] = value as readonly [Value, Value];
  const condition: Condition = old === null ? { kind: 'index', index: 0 } : { kind: 'value', value: utf8(old) };
  return { op: 'put', key, value: utf8(next!), condition };
};
