// A node that hosts actors in a process of its own: createNode from the built package, as a program that embeds it would. Answers its
// parent's questions over the channel, one after the other.
import { setTimeout as sleep } from 'node:timers/promises';
import { createNode, defineActor, type Ref } from 'polity';
import { assign, setup } from 'xstate';
import { cpuSeconds } from './cpu.ts';
import { quantile } from './figures.ts';
import type { Answer, Question } from './replica-process.ts';

export type ActorsMemberPlan = {
  name: string;
  data: string;
  listenPort: number;
  joinPorts: number[];
  /** The nodes that form the cluster, where this one writes its genesis. */
  bootstrap: string[];
};

/** So many asks under way over so many actors of one kind. */
export type AskPlan = { kind: 'replicated' | 'memory'; actors: number; inFlight: number; forMs: number; node: string | null };
export type AskSample = { perSecond: number; p50Us: number; p99Us: number; cpuUs: number; asks: number; failed: number };
type Share = Omit<AskSample, 'cpuUs'>;

export type ActorsMemberCalls = {
  /** Resolves once an actor of each kind has answered here. */
  warm(given: { node: string }): Promise<null>;
  load(plan: AskPlan): Promise<Share>;
  cpuUs(given: null): number;
  /** Which node leads the group in which this key lives. */
  leader(given: { key: string }): string | null;
  /** Asks until somebody answers; the moment of the first answer, on the clock that all processes share. */
  firstAnswer(given: { key: string }): Promise<{ atMs: number; count: number }>;
};

const counter = setup({ types: { context: {} as { count: number }, events: {} as { type: 'add'; by: number } } }).createMachine(
  {
    id: 'counter',
    context: { count: 0 },
    initial: 'counting',
    states: { counting: { on: { add: { actions: assign({ count: ({ context, event }) => context.count + event.by }) } } } },
  },
);
const replies = { add: ({ snapshot }: { snapshot: { context: { count: number } } }) => snapshot.context.count };
const Replicated = defineActor('replicated', { logic: counter, durability: 'replicated', replies });
const Memory = defineActor('memory', { logic: counter, replies });

const plan = JSON.parse(process.argv[2]!) as ActorsMemberPlan;
const at = (port: number): string => `/ip4/127.0.0.1/tcp/${port}`;
const node = await createNode({
  ...{ name: plan.name, cluster: 'bench', data: plan.data, secret: 'a secret of the benchmark, 32 bytes' },
  ...{ bootstrap: plan.bootstrap, listen: [at(plan.listenPort)], join: plan.joinPorts.map(at), log: { level: 'error' } },
});
node.host(Replicated);
node.host(Memory);

type Counter = Pick<Ref<typeof Memory>, 'ask'>;
const refOf = (kind: AskPlan['kind'], key: string, at_: string | null): Counter =>
  kind === 'replicated' ? node.ref(Replicated, key) : node.ref(Memory, key, at_ === null ? {} : { node: at_ });

const firstAnswerMsMax = 60_000;
const answered = async (ref: Counter): Promise<number> => {
  const endMs = performance.now() + firstAnswerMsMax;
  for (;;)
    try {
      return await ref.ask({ type: 'add', by: 1 }, { timeoutMs: 5_000 });
    } catch (error) {
      if (performance.now() > endMs) throw error;
      await sleep(5);
    }
};

const samplesMax = 1_000_000;

const load = async ({ kind, actors, inFlight, forMs, node: at_ }: AskPlan): Promise<Share> => {
  const refs = Array.from({ length: actors }, (_, key) => refOf(kind, `key-${key}`, at_));
  const tookMs = new Float64Array(samplesMax);
  let [asks, failed] = [0, 0];
  const beganMs = performance.now();
  const endMs = beganMs + forMs;
  const loop = async (first: number): Promise<void> => {
    for (let turn = first; ; turn++) {
      const startMs = performance.now();
      if (startMs >= endMs) return;
      try {
        await refs[turn % refs.length]!.ask({ type: 'add', by: 1 });
        tookMs[asks++ % samplesMax] = performance.now() - startMs;
      } catch {
        failed++;
        await sleep(1);
      }
    }
  };
  await Promise.all(Array.from({ length: inFlight }, (_, first) => loop(first)));
  const tookSeconds = (performance.now() - beganMs) / 1_000;
  const times = [...tookMs.subarray(0, Math.min(asks, samplesMax))];
  return {
    ...{ perSecond: asks / tookSeconds, p50Us: quantile(times, 0.5) * 1_000, p99Us: quantile(times, 0.99) * 1_000 },
    ...{ asks, failed },
  };
};

const calls: ActorsMemberCalls = {
  async warm({ node: other }) {
    await answered(refOf('replicated', 'key-0', null));
    await answered(refOf('memory', 'key-0', other));
    return null;
  },
  load,
  cpuUs: () => cpuSeconds() * 1_000_000,
  leader({ key }) {
    const whereabouts = node.api.actors.placing.locate(Replicated, { type: 'replicated', key, node: null });
    return whereabouts.where === 'here' ? plan.name : whereabouts.where === 'at' ? whereabouts.node : null;
  },
  async firstAnswer({ key }) {
    const count = await answered(refOf('replicated', key, null));
    return { atMs: performance.timeOrigin + performance.now(), count };
  },
};

process.on('message', async ({ name, given }: Question) => {
  let answer: Answer;
  try {
    answer = { value: await calls[name as keyof ActorsMemberCalls](given as never) };
  } catch (error) {
    answer = { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
  process.send?.(answer);
});
process.once('disconnect', async () => {
  await node.stop();
  process.exit(0);
});
await node.ready(60_000);
process.send?.({ value: 'ready' } satisfies Answer);
