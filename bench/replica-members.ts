// Nodes with replicated data in processes of their own, and what they are asked.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePorts, until } from '../test/e2e/cluster.ts';
import { makeDirectory, removeDirectory } from './children.ts';
import type { MemberCalls, ReplicaMemberPlan } from './replica-member.ts';
import { AskedProcess } from './replica-process.ts';

const program = fileURLToPath(new URL('replica-member.ts', import.meta.url));

export class ReplicaMember extends AskedProcess<MemberCalls> {
  readonly plan: ReplicaMemberPlan;

  constructor(plan: ReplicaMemberPlan) {
    super(plan.name, program, plan);
    this.plan = plan;
  }

  /** One of its own counts, over all labels; or over those that hold `label`. */
  async counted(metric: string, label = ''): Promise<number> {
    const text = await (await fetch(`http://127.0.0.1:${this.plan.httpPort}/metrics`)).text();
    const lines = text.split('\n').filter((line) => line.startsWith(`polity_${metric}`) && line.includes(label));
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
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
