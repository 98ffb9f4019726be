// Members in processes of their own, for the benchmarks of durable writes.
import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePorts, until } from '../test/e2e/cluster.ts';
import { gone, makeDirectory, owned, removeDirectory } from './children.ts';
import { loadFrom, loopback } from './generator.ts';
import type { Load } from './load.ts';
import type { MemberAnswer, MemberLoad, MemberPlan, MemberQuestion } from './member.ts';

const program = fileURLToPath(new URL('member.ts', import.meta.url));
const stopMsMax = 8_000;
/** What a member on a busy machine may take beyond what it was asked to do. */
const answerMsMax = 60_000;

/** One process. Questions are asked one after the other. */
class Member {
  readonly process: ChildProcess;
  readonly #name: string;
  readonly httpPort: number;
  #waiting: { type: MemberAnswer['type']; resolve: (answer: MemberAnswer) => void; reject: (error: Error) => void } | null =
    null;
  #ended: string | null = null;

  constructor(plan: MemberPlan) {
    this.#name = plan.name;
    this.httpPort = plan.httpPort;
    this.process = owned(fork(program, [JSON.stringify(plan)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] }));
    this.process.on('message', (answer: MemberAnswer) => {
      if (this.#waiting?.type === answer.type) this.#waiting.resolve(answer);
    });
    this.process.once('exit', (code, signal) => {
      this.#ended = `${plan.name} ended (${signal ?? `exit code ${code}`})`;
      this.#waiting?.reject(new Error(this.#ended));
    });
  }

  hears<Type extends MemberAnswer['type']>(type: Type, withinMs: number): Promise<Extract<MemberAnswer, { type: Type }>> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== null) return reject(new Error(this.#ended));
      const limit = setTimeout(() => reject(new Error(`${this.#name} said no '${type}' in ${withinMs} ms`)), withinMs);
      const settled =
        <Value>(settle: (value: Value) => void) =>
        (value: Value): void => {
          clearTimeout(limit);
          settle(value);
        };
      this.#waiting = { type, resolve: settled(resolve as (answer: MemberAnswer) => void), reject: settled(reject) };
    });
  }

  ask<Type extends 'role' | 'load'>(
    type: Type,
    question: MemberQuestion,
    forMs = 0,
  ): Promise<Extract<MemberAnswer, { type: Type }>> {
    const heard = this.hears(type, forMs + answerMsMax);
    if (this.#ended === null) this.process.send(question);
    return heard;
  }

  async stop(): Promise<void> {
    if (this.process.connected) this.process.send({ type: 'stop' } satisfies MemberQuestion);
    await gone(this.process, stopMsMax);
  }
}

export class Members {
  readonly #members: readonly Member[];
  readonly #directory: string;

  private constructor(members: readonly Member[], directory: string) {
    this.#members = members;
    this.#directory = directory;
  }

  static async start(count: number): Promise<Members> {
    const directory = makeDirectory();
    const ports = await freePorts(2 * count);
    const names = Array.from({ length: count }, (_, at) => `n${at + 1}`);
    const members = names.map(
      (name, at) =>
        new Member({
          ...{ name, names, data: join(directory, name), listenPort: ports[at]!, httpPort: ports[count + at]! },
          joinPorts: ports.slice(0, count).filter((_, other) => other !== at),
        }),
    );
    const started = new Members(members, directory);
    try {
      await Promise.all(members.map((member) => member.hears('ready', answerMsMax)));
      return started;
    } catch (error) {
      await started.stop();
      throw error;
    }
  }

  get pids(): number[] {
    return this.#members.map((member) => member.process.pid!);
  }

  #leader(): Promise<Member> {
    return until('a member that leads', async () => {
      for (const member of this.#members) if ((await member.ask('role', { type: 'role' })).role === 'leader') return member;
      return null;
    });
  }

  /** Load through the embedded API of the leader. */
  async embedded(clients: number, forMs: number, kind: MemberLoad = 'put'): Promise<Load> {
    const leader = await this.#leader();
    return (await leader.ask('load', { type: 'load', kind, clients, forMs }, forMs)).load;
  }

  /** Load over HTTP, clients spread over all members. */
  overHttp(clients: number, forMs: number): Promise<Load> {
    const targets = loopback(this.#members.map(({ httpPort }) => httpPort));
    return loadFrom({ targets, clients, forMs, kind: 'polity' });
  }

  /** Load over HTTP, all clients at the leader. */
  async atLeader(clients: number, forMs: number): Promise<Load> {
    const { httpPort } = await this.#leader();
    return loadFrom({ targets: loopback([httpPort]), clients, forMs, kind: 'polity' });
  }

  async stop(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.stop()));
    removeDirectory(this.#directory);
  }
}
