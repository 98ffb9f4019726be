// One end of the calls that are measured, in a process of its own: Polity by createNode from the built package, Moleculer by a broker
// with its defaults, as programs that embed them would. Both serve `bench.echo`, which gives back what it takes, without schemas.
// Answers its parent's questions over the channel, one after the other.
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuSeconds } from './cpu.ts';
import { quantile } from './figures.ts';
import type { Answer, Question } from './replica-process.ts';

export type System = 'polity' | 'moleculer tcp' | 'moleculer nats';

export type CallsPlan = {
  system: System;
  name: string;
  /** It has the service; the other end calls it. */
  serves: boolean;
  data: string;
  listenPort: number;
  /** Of the other end, 0: there is none. */
  otherPort: number;
  natsUrl: string | null;
};

export type LoadPlan = { inFlight: number; forMs: number };
export type CallsSample = {
  perSecond: number;
  p50Us: number;
  p99Us: number;
  /** Processor time of this process. */
  cpuUs: number;
  calls: number;
  failed: number;
};

export type PeerCalls = {
  load(plan: LoadPlan): Promise<CallsSample>;
  cpuUs(given: null): number;
};

const text = 'x'.repeat(100);
type Echo = { id: number; text: string };
type System1 = { call: (input: Echo) => Promise<unknown>; stop: () => Promise<void> };

const plan = JSON.parse(process.argv[2]!) as CallsPlan;
const firstCallMsMax = 60_000;

const startPolity = async (): Promise<System1> => {
  const { createNode, defineService } = await import('polity');
  const at = (port: number): string => `/ip4/127.0.0.1/tcp/${port}`;
  const node = await createNode({
    ...{ name: plan.name, cluster: 'bench', data: plan.data, secret: 'a secret of the benchmark, 32 bytes' },
    ...{ bootstrap: plan.serves ? [plan.name] : [], listen: [at(plan.listenPort)], log: { level: 'error' } },
    join: plan.otherPort === 0 ? [] : [at(plan.otherPort)],
    // Row R6's default is 2.8 calls a second.
    calls: { limits: { node: null } },
  });
  const bench = defineService({ name: 'bench', version: '1.0.0', methods: { echo: { idempotent: true } } });
  if (plan.serves) node.serve(bench, { echo: (input: unknown) => input });
  return { call: (input) => node.call('bench', 'echo', input), stop: () => node.stop() };
};

const startMoleculer = async (transporter: unknown): Promise<System1> => {
  const { ServiceBroker } = await import('moleculer');
  const broker = new ServiceBroker({
    nodeID: plan.name,
    logger: false,
    ...(transporter === null ? {} : { transporter: transporter as never }),
  });
  if (plan.serves) broker.createService({ name: 'bench', actions: { echo: (context: { params: unknown }) => context.params } });
  await broker.start();
  return { call: (input) => broker.call('bench.echo', input), stop: () => broker.stop() };
};

const tcp = {
  type: 'TCP',
  options: {
    ...{ udpDiscovery: false, port: plan.listenPort },
    urls: plan.otherPort === 0 ? null : [`tcp://127.0.0.1:${plan.otherPort}/${plan.serves ? 'caller' : 'server'}`],
  },
};
const started = (): Promise<System1> => {
  if (plan.system === 'polity') return startPolity();
  if (plan.system === 'moleculer nats') return startMoleculer(plan.natsUrl);
  return startMoleculer(plan.otherPort === 0 ? null : tcp);
};

const { call, stop } = await started();

/** Until the other end is found and what it serves is known. */
const firstCall = async (): Promise<void> => {
  const endMs = performance.now() + firstCallMsMax;
  for (;;)
    try {
      await call({ id: 0, text });
      return;
    } catch (error) {
      if (performance.now() > endMs) throw error;
      await sleep(50);
    }
};

/** So many closed loops; every call's time is kept up to a limit, so that keeping them costs little and always the same. */
const samplesMax = 1_000_000;

const load = async ({ inFlight, forMs }: LoadPlan): Promise<CallsSample> => {
  const tookMs = new Float64Array(samplesMax);
  let [calls, failed, id] = [0, 0, 0];
  const beganMs = performance.now();
  const endMs = beganMs + forMs;
  const cpuBefore = cpuSeconds();
  const loop = async (): Promise<void> => {
    for (;;) {
      const startMs = performance.now();
      if (startMs >= endMs) return;
      try {
        await call({ id: id++, text });
        tookMs[calls++ % samplesMax] = performance.now() - startMs;
      } catch {
        failed++;
        await sleep(1);
      }
    }
  };
  await Promise.all(Array.from({ length: inFlight }, loop));
  const tookSeconds = (performance.now() - beganMs) / 1_000;
  const cpuUs = ((cpuSeconds() - cpuBefore) * 1_000_000) / Math.max(1, calls);
  const times = [...tookMs.subarray(0, Math.min(calls, samplesMax))];
  return {
    ...{ perSecond: calls / tookSeconds, p50Us: quantile(times, 0.5) * 1_000, p99Us: quantile(times, 0.99) * 1_000 },
    ...{ cpuUs, calls, failed },
  };
};

const answers: { [Name in keyof PeerCalls]: (given: never) => unknown } = {
  load,
  cpuUs: () => cpuSeconds() * 1_000_000,
};

const answer = (message: Answer): void => {
  process.send?.(message);
};

process.on('message', async ({ name, given }: Question) => {
  try {
    answer({ value: await answers[name as keyof PeerCalls](given as never) });
  } catch (error) {
    answer({ error: error instanceof Error ? error.message : String(error) });
  }
});
process.once('disconnect', async () => {
  await stop();
  process.exit(0);
});
if (!plan.serves || plan.otherPort === 0) await firstCall();
answer({ value: null });
