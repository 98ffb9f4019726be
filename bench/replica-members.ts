// Nodes with replicated data in processes of their own, and what they are asked.
import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePorts, until } from '../test/e2e/cluster.ts';
import { gone, makeDirectory, owned, removeDirectory } from './children.ts';
import type { Answer, MemberCalls, Question, ReplicaMemberPlan } from './replica-member.ts';

const program = fileURLToPath(new URL('replica-member.ts', import.meta.url));
const stopMsMax = 8_000;
/** What a member on a busy machine may take for anything that it is asked. */
const answerMsMax = 120_000;

/** One process. Questions are answered in their order. */
export class ReplicaMember {
  readonly plan: ReplicaMemberPlan;
  #process: ChildProcess | null = null;
  #waiting: { resolve: (value: unknown) => void; reject: (error: Error) => void }[] = [];

  constructor(plan: ReplicaMemberPlan) {
    this.plan = plan;
  }

  /** Resolves when it has read its disk. */
  start(): Promise<unknown> {
    const { name } = this.plan;
    const child = owned(fork(program, [JSON.stringify(this.plan)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] }));
    this.#process = child;
    child.on('message', (answer: Answer) => {
      const waiting = this.#waiting.shift();
      if ('error' in answer) waiting?.reject(new Error(`${name}: ${answer.error}`));
      else waiting?.resolve(answer.value);
    });
    child.once('exit', (code, signal) => {
      this.#process = null;
      for (const { reject } of this.#waiting.splice(0)) reject(new Error(`${name} ended (${signal ?? `exit code ${code}`})`));
    });
    return this.#answer('its being ready');
  }

  async #answer(to: string): Promise<unknown> {
    let limit: NodeJS.Timeout | undefined;
    try {
      return await new Promise((resolve, reject) => {
        this.#waiting.push({ resolve, reject });
        limit = setTimeout(() => reject(new Error(`${this.plan.name}: no word of ${to} in ${answerMsMax} ms`)), answerMsMax);
      });
    } finally {
      clearTimeout(limit);
    }
  }

  ask<Name extends keyof MemberCalls>(
    name: Name,
    given: Parameters<MemberCalls[Name]>[0],
  ): Promise<Awaited<ReturnType<MemberCalls[Name]>>> {
    if (this.#process === null) return Promise.reject(new Error(`${this.plan.name} does not run`));
    this.#process.send({ name, given } satisfies Question);
    return this.#answer(name) as Promise<Awaited<ReturnType<MemberCalls[Name]>>>;
  }

  /** One of its own counts, over all labels; or over those that hold `label`. */
  async counted(metric: string, label = ''): Promise<number> {
    const text = await (await fetch(`http://127.0.0.1:${this.plan.httpPort}/metrics`)).text();
    const lines = text.split('\n').filter((line) => line.startsWith(`polity_${metric}`) && line.includes(label));
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
  }

  async stop(): Promise<void> {
    if (this.#process === null) return;
    this.#process.send('stop');
    await gone(this.#process, stopMsMax);
  }
}

export class ReplicaMembers {
  readonly members: readonly ReplicaMember[];
  readonly #directory: string;

  private constructor(members: readonly ReplicaMember[], directory: string) {
    this.members = members;
    this.#directory = directory;
  }

  /** `portOf` answers where a member is reached, when not where it listens. */
  static async start(
    count: number,
    portOf: (listenPort: number) => Promise<number> = async (port) => port,
  ): Promise<ReplicaMembers> {
    const directory = makeDirectory();
    const ports = await freePorts(2 * count);
    const reached = await Promise.all(ports.slice(0, count).map(portOf));
    const members = reached.map(
      (announcePort, at) =>
        new ReplicaMember({
          ...{ name: `n${at + 1}`, data: join(directory, `n${at + 1}`), isFirst: at === 0 },
          ...{ listenPort: ports[at]!, announcePort, httpPort: ports[count + at]! },
          joinPorts: reached.filter((_, other) => other !== at),
        }),
    );
    const started = new ReplicaMembers(members, directory);
    try {
      await Promise.all(members.map((member) => member.start()));
      await started.connected();
      return started;
    } catch (error) {
      await started.stop();
      throw error;
    }
  }

  async connected(): Promise<void> {
    await until('every member is connected to every other', async () => {
      const peers = await this.ask('peers', null);
      return peers.every(({ count }) => count === this.members.length - 1);
    });
  }

  ask<Name extends keyof MemberCalls>(name: Name, given: Parameters<MemberCalls[Name]>[0]) {
    return Promise.all(this.members.map((member) => member.ask(name, given)));
  }

  async counted(metric: string, label = ''): Promise<number> {
    const counts = await Promise.all(this.members.map((member) => member.counted(metric, label)));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  async stop(): Promise<void> {
    await Promise.all(this.members.map((member) => member.stop()));
    removeDirectory(this.#directory);
  }
}
