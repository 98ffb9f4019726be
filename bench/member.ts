// A member of a cluster that loads itself through the embedded API, in a process of its own: createNode from the built package, as
// a program that embeds it would. Speaks with its parent over the channel.
import { setTimeout as sleep } from 'node:timers/promises';
import { createNode } from 'polity';
import { keysOfClient, type Load, refusedPauseMs, Tally } from './load.ts';

export type MemberPlan = {
  name: string;
  names: string[];
  data: string;
  listenPort: number;
  httpPort: number;
  joinPorts: number[];
};

/** 'put' a key; 'send' a message to a queue; 'work': receive one and acknowledge it. */
export type MemberLoad = 'put' | 'send' | 'work';
export type MemberQuestion =
  | { type: 'role' }
  | { type: 'load'; kind: MemberLoad; clients: number; forMs: number }
  | { type: 'stop' };
export type MemberAnswer =
  | { type: 'ready' }
  | { type: 'role'; role: string }
  | { type: 'load'; load: Load }
  | { type: 'stopped' };

const answer = (message: MemberAnswer): void => {
  process.send?.(message);
};

const plan = JSON.parse(process.argv[2]!) as MemberPlan;
const at = (port: number): string => `/ip4/127.0.0.1/tcp/${port}`;
const node = await createNode({
  ...{
    name: plan.name,
    cluster: 'bench',
    data: plan.data,
    bootstrap: plan.names,
    secret: 'a secret of the benchmark, 32 bytes',
  },
  ...{ listen: [at(plan.listenPort)], join: plan.joinPorts.map(at), http: `127.0.0.1:${plan.httpPort}` },
});
const kv = node.kv();
const value = new Uint8Array(100);

const jobs = node.queue('jobs', { raw: true });

const loads: Record<MemberLoad, (client: number, request: number) => Promise<unknown>> = {
  put: (client, request) => kv.put(`c${client}-${request % keysOfClient}`, value),
  send: () => jobs.send(value),
  async work() {
    const [delivery] = await jobs.receive({ waitMs: 1_000 });
    if (delivery === undefined) throw new Error('the queue is empty');
    await delivery.ack();
  },
};

const loadItself = async (kind: MemberLoad, clients: number, forMs: number): Promise<Load> => {
  const tally = new Tally(forMs);
  const client = async (id: number): Promise<void> => {
    for (let requests = 0; !tally.isOver; ) {
      const startMs = performance.now();
      try {
        await loads[kind](id, requests++);
        tally.acknowledged(startMs);
      } catch {
        tally.failed();
        await sleep(refusedPauseMs);
      }
    }
  };
  await Promise.all(Array.from({ length: clients }, (_, id) => client(id)));
  return tally.load(clients);
};

process.on('message', async (question: MemberQuestion) => {
  if (question.type === 'role') answer({ type: 'role', role: node.status().groups[0]?.role ?? 'none' });
  if (question.type === 'load')
    answer({ type: 'load', load: await loadItself(question.kind, question.clients, question.forMs) });
  if (question.type !== 'stop') return;
  await node.stop();
  answer({ type: 'stopped' });
  process.disconnect?.();
});
process.on('disconnect', () => process.exit(0));
await node.ready();
await jobs.configure({ messagesMax: 1_000_000 });
answer({ type: 'ready' });
