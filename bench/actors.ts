// Actors within one process beside raw XState 5 and nact (actor-ts, which the benchmark would like to have beside them, is in no registry).
// Each measurement is a process of its own; systems take turns, ratios are to raw XState of the same round. Processor time of the thread
// that everything runs on, so that a busy machine does not decide.
import { fileURLToPath } from 'node:url';
import type { ActorsSample, ActorsShape, ActorsSystem, ActorsWhat } from './actors-run.ts';
import { outputOf } from './children.ts';
import { median, type Row, round } from './figures.ts';

const program = fileURLToPath(new URL('actors-run.ts', import.meta.url));

type Sample = ActorsSample & { what: ActorsWhat; shape: ActorsShape; system: ActorsSystem };

const shapes = ['chart', 'transition'] as const;
const systems = ['xstate', 'polity', 'nact'] as const;

const units: Record<ActorsWhat, string> = {
  ...{ spawn: '/s', 'spawn many': '/s', tell: '/s', ask: '/s', 'ping-pong': '/s' },
  ...{ memory: 'bytes', idle: 'ms', stop: 'ms' },
};

/** What is measured of whom: nact has one kind of actor, and only Polity promises that nothing pauses. */
const plan: readonly { what: ActorsWhat; shape: ActorsShape; system: ActorsSystem }[] = [
  ...(['spawn', 'spawn many', 'tell', 'ask', 'ping-pong', 'memory'] as const).flatMap((what) =>
    shapes.flatMap((shape) =>
      systems.filter((system) => system !== 'nact' || shape === 'transition').map((system) => ({ what, shape, system })),
    ),
  ),
  ...(['xstate', 'polity'] as const).map((system) => ({ what: 'stop' as const, shape: 'chart' as const, system })),
  ...(['xstate', 'polity'] as const).map((system) => ({ what: 'idle' as const, shape: 'chart' as const, system })),
];

const rowOf = (samples: readonly Sample[], { what, shape, system }: (typeof plan)[number]): Row => {
  const of = (which: ActorsSystem): Sample[] =>
    samples.filter((one) => one.what === what && one.shape === shape && one.system === which);
  const mine = of(system);
  const raw = of('xstate');
  const ratio = system === 'xstate' ? '' : round(median(mine.map(({ value }, n) => value / raw[n]!.value)));
  const more = Object.entries(mine[0]?.more ?? {}).map(
    ([name]) => `${name} ${round(median(mine.map((one) => one.more?.[name] ?? Number.NaN)))}`,
  );
  return {
    ...{ what, shape: system === 'nact' ? '' : shape, system, runs: mine.length },
    ...{ median: round(median(mine.map(({ value }) => value)), 3), unit: units[what], '×': ratio, besides: more.join(', ') },
  };
};

export const measureActors = async (quick: boolean): Promise<{ rows: Row[]; samples: Sample[] }> => {
  const samples: Sample[] = [];
  for (let run = 0; run < (quick ? 1 : 5); run++)
    for (const one of plan) {
      const words = ['--expose-gc', program, one.system, one.shape, one.what, quick ? 'quick' : 'whole'];
      samples.push({ ...(JSON.parse(await outputOf(words, 120_000)) as ActorsSample), ...one });
    }
  return { rows: plan.map((one) => rowOf(samples, one)), samples };
};
