// Topics are published to and read while leaders change, nodes crash and lose their power, paths fail and members come and go.
import { deaths, leaders, often, plainPaths, type Scenario } from './scenario.ts';

export const topics: Scenario = {
  name: 'topics',
  sentence:
    'Topics are published to and read while leaders change, nodes crash and lose their power, paths fail and members come and go.',
  faults: [...plainPaths, ...deaths, ...leaders, 'clock-drift', 'slow-disk'],
  byNameOnly: true,
  knobs: ({ clients, thinkMs, timeoutMs }) => ({
    ...often,
    ...{ clients: Math.max(4, clients), works: ['topic'], keys: 2, thinkMs: Math.min(200, thinkMs) },
    timeoutMs: Math.max(1_000, timeoutMs),
  }),
};
