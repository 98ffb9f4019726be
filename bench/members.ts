// Members in processes of their own, for the benchmarks of durable writes.
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePorts } from '../test/e2e/cluster.ts';
import { sleep } from './figures.ts';
import type { Load, LoadPlan } from './load.ts';
import type { MemberAnswer, MemberPlan, MemberQuestion } from './member.ts';

const pathOf = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

class Member {
  readonly process: ChildProcess;
  readonly httpPort: number;
  readonly #waiting = new Map<string, (answer: MemberAnswer) => void>();

  constructor(plan: MemberPlan) {
    this.httpPort = plan.httpPort;
    this.process = fork(pathOf('member.ts'), [JSON.stringify(plan)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    this.process.on('message', (answer: MemberAnswer) => {
      this.#waiting.get(answer.type)?.(answer);
      this.#waiting.delete(answer.type);
    });
  }

  hears<Type extends MemberAnswer['type']>(type: Type): Promise<Extract<MemberAnswer, { type: Type }>> {
    return new Promise((resolve, reject) => {
      this.process.once('exit', (code) => reject(new Error(`a member ended with ${code}`)));
      this.#waiting.set(type, resolve as (answer: MemberAnswer) => void);
    });
  }

  ask(question: MemberQuestion): void {
    this.process.send(question);
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
    const directory = mkdtempSync(join(tmpdir(), 'polity-bench-'));
    const ports = await freePorts(2 * count);
    const names = Array.from({ length: count }, (_, at) => `n${at + 1}`);
    const members = names.map(
      (name, at) =>
        new Member({
          ...{ name, names, data: join(directory, name), listenPort: ports[at]!, httpPort: ports[count + at]! },
          joinPorts: ports.slice(0, count).filter((_, other) => other !== at),
        }),
    );
    await Promise.all(members.map((member) => member.hears('ready')));
    return new Members(members, directory);
  }

  get pids(): number[] {
    return this.#members.map((member) => member.process.pid!);
  }

  async #leader(): Promise<Member> {
    for (let tries = 0; tries < 100; tries++) {
      for (const member of this.#members) {
        const heard = member.hears('role');
        member.ask({ type: 'role' });
        if ((await heard).role === 'leader') return member;
      }
      await sleep(50);
    }
    throw new Error('no member leads');
  }

  /** Load through the embedded API of the leader. */
  async embedded(clients: number, forMs: number): Promise<Load> {
    const leader = await this.#leader();
    const heard = leader.hears('load');
    leader.ask({ type: 'load', clients, forMs });
    return (await heard).load;
  }

  /** Load over HTTP, clients spread over all members. */
  overHttp(clients: number, forMs: number): Promise<Load> {
    const targets = this.#members.map(({ httpPort }) => ({ host: '127.0.0.1', port: httpPort }));
    return loadFrom({ targets, clients, forMs, kind: 'polity' });
  }

  async stop(): Promise<void> {
    const ended = this.#members.map(
      (member) =>
        new Promise<void>((resolve) => {
          const limit = setTimeout(() => member.process.kill('SIGKILL'), 8_000);
          member.process.once('exit', () => {
            clearTimeout(limit);
            resolve();
          });
        }),
    );
    for (const member of this.#members) member.ask({ type: 'stop' });
    await Promise.all(ended);
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** Runs the load in a process of its own. */
export const loadFrom = (plan: LoadPlan): Promise<Load> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [pathOf('load.ts'), JSON.stringify(plan)], { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    child.once('close', (code) =>
      code === 0 ? resolve(JSON.parse(text) as Load) : reject(new Error(`the load ended with ${code}`)),
    );
  });
