// Work queues are filled and emptied while leaders change, nodes crash, paths fail and clocks jump.
import { deaths, leaders, often, plainPaths, type Scenario } from './scenario.ts';

export const queues: Scenario = {
  name: 'queues',
  sentence: 'Work queues are filled and emptied while leaders change, nodes crash, paths fail and clocks jump.',
  faults: [...plainPaths, ...deaths, ...leaders, 'clock-jump', 'clock-drift', 'slow-disk'],
  byNameOnly: true,
  knobs: ({ clients, thinkMs, timeoutMs }) => ({
    ...often,
    ...{ clients: Math.max(3, clients), works: ['queue'], keys: 2, thinkMs: Math.min(200, thinkMs) },
    // Who waits for messages shall be able to.
    timeoutMs: Math.max(1_000, timeoutMs),
  }),
};
