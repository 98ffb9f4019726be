// Actors of durability 'local' in one process: events that are acknowledged once they are on the disk, beside puts of as many bytes by the
// same writer on the same disk, and beside the same chart in memory. One client waits for one answer at a time.
import { join } from 'node:path';
import { assign, createActor, setup } from 'xstate';
import { type ActorDefinition, type LiveActor, restartDefault } from '../actors/actor-api.ts';
import { createJournal } from '../actors/actor-journal.ts';
import type { SinkPort } from '../actors/ports/index.ts';
import { createWriter } from '../actors/writer.ts';
import { realClock } from '../src/clock.ts';
import { realRandom } from '../src/random.ts';
import { openLevelStorage } from '../src/storage/level.ts';
import { makeDirectory, removeDirectory } from './children.ts';
import { median, quantile, type Row, round } from './figures.ts';

const quiet: SinkPort = { log() {}, count() {} };
const text = 'x'.repeat(64);

const chart = setup({ types: {} as { context: { n: number } } }).createMachine({
  context: { n: 0 },
  initial: 'a',
  states: {
    a: { on: { go: { target: 'b', actions: assign({ n: ({ context }) => context.n + 1 }) } } },
    b: { on: { go: { target: 'a', actions: assign({ n: ({ context }) => context.n + 1 }) } } },
  },
});

const definition: ActorDefinition = {
  ...{ name: 'local', version: 1, logic: chart, durability: 'local', placement: 'node', input: () => undefined, replies: {} },
  ...{ restart: restartDefault, mailboxMax: 1_000, passivateAfterMs: null, remember: false, timers: 'deadline' },
  ...{ resume: {}, migrate: {}, redact: [] },
};

type Load = { perSecond: number; p50Ms: number; p99Ms: number };

/** So many clients, each with one request at a time, for so long. */
const loaded = (clients: number, forMs: number, once: (client: number, done: () => void) => void): Promise<Load> =>
  new Promise((resolve) => {
    const tookMs: number[] = [];
    const startMs = performance.now();
    let busy = clients;
    const next = (client: number): void => {
      const atMs = performance.now();
      if (atMs - startMs >= forMs) {
        if (--busy > 0) return;
        const perSecond = Math.round((tookMs.length * 1_000) / (atMs - startMs));
        return resolve({ perSecond, p50Ms: quantile(tookMs, 0.5), p99Ms: quantile(tookMs, 0.99) });
      }
      once(client, () => {
        tookMs.push(performance.now() - atMs);
        next(client);
      });
    };
    for (let client = 0; client < clients; client++) next(client);
  });

type Bench = {
  put: (client: number, done: () => void) => void;
  tell: (actor: number, done: () => void) => void;
  stop(): Promise<void>;
};

const actorsMax = 64;

const openBench = async (directory: string): Promise<Bench> => {
  const storage = await openLevelStorage(join(directory, 'level'));
  const writer = createWriter({ storage, clock: realClock, sink: quiet });
  const journal = createJournal({
    ...{ clock: realClock, random: realRandom, sink: quiet, writer, node: 'n1', formRef: undefined },
    ...{ deliver: () => () => {}, events: { onGone() {}, onGivenUp() {}, onDeadLetter() {} } },
  });
  const lives: LiveActor[] = [];
  for (let key = 0; key < actorsMax; key++)
    lives.push(
      await new Promise<LiveActor>((resolve, reject) =>
        journal.open(definition, { type: 'local', key: String(key), node: 'n1' }, null, (outcome) =>
          outcome.ok ? resolve(outcome.value) : reject(new Error(outcome.failure.message)),
        ),
      ),
    );
  const value = new Uint8Array(160);
  let puts = 0;
  const how = { id: null, wantsReply: false, leftMs: 60_000, trail: { source: '', correlation: '' } };
  return {
    put(_client, done) {
      const key = new Uint8Array(Buffer.from(`x/${puts++ % 100_000}`));
      writer.write([{ key, value }], { durable: true }, done);
    },
    tell: (actor, done) => void lives[actor % actorsMax]!.deliver({ type: 'go', text } as never, how, done),
    stop: async () => {
      await new Promise<void>((resolve) => journal.stop(resolve));
      await new Promise<void>((resolve) => writer.stop(resolve));
      await new Promise<void>((resolve) => storage.stop(resolve));
    },
  };
};

const inMemory = (events: number): number => {
  const actor = createActor(chart).start();
  const startMs = performance.now();
  for (let at = 0; at < events; at++) actor.send({ type: 'go' });
  return Math.round((events * 1_000) / (performance.now() - startMs));
};

export const measureActorsLocal = async (quick: boolean): Promise<{ rows: Row[]; samples: unknown }> => {
  const directory = makeDirectory();
  const [rounds, forMs] = quick ? [1, 1_000] : [3, 2_000];
  const kinds = [
    { what: 'events of one actor', clients: 1, spread: 1 },
    { what: 'events of one actor', clients: 64, spread: 1 },
    { what: 'events of 64 actors', clients: 64, spread: 64 },
    { what: 'events of 64 actors', clients: 1_024, spread: 64 },
  ];
  const samples: { kind: number; events: Load; puts: Load }[] = [];
  const bench = await openBench(directory);
  let memory: number[] = [];
  try {
    await loaded(64, 500, bench.tell);
    for (let at = 0; at < rounds; at++) {
      memory = [...memory, inMemory(50_000)];
      for (const [kind, { clients, spread }] of kinds.entries()) {
        const puts = await loaded(clients, forMs, bench.put);
        const events = await loaded(clients, forMs, (client, done) => bench.tell(client % spread, done));
        samples.push({ kind, events, puts });
      }
    }
  } finally {
    await bench.stop();
    removeDirectory(directory);
  }
  const rows = kinds.map(({ what, clients }, kind): Row => {
    const mine = samples.filter((one) => one.kind === kind);
    const of = (pick: (load: Load) => number): number => median(mine.map(({ events }) => pick(events)));
    return {
      ...{ what, clients, 'per second': of((load) => load.perSecond) },
      ...{ 'p50 ms': round(of((load) => load.p50Ms)), 'p99 ms': round(of((load) => load.p99Ms)) },
      'puts per second': median(mine.map(({ puts }) => puts.perSecond)),
      '× puts': round(median(mine.map(({ events, puts }) => events.perSecond / puts.perSecond))),
      '× in memory': round(median(mine.map(({ events }) => events.perSecond)) / median(memory)),
    };
  });
  return { rows, samples: { samples, memory } };
};
