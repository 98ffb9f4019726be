// Services are called by every node while paths fail, processes crash, pause and come back.
import { deaths, often, paths, type Scenario } from './scenario.ts';

export const calls: Scenario = {
  name: 'calls',
  sentence: 'Services are called by every node while paths fail, processes crash, pause and come back.',
  faults: [...paths, ...deaths, 'restart', 'pause', 'slow-process', 'clock-drift'],
  byNameOnly: true,
  knobs: ({ nodes, clients, thinkMs }) => ({
    ...often,
    nodes: Math.max(2, nodes),
    // The register is not what this is about.
    ...{ clients: Math.min(2, clients), works: ['register'], thinkMs: Math.max(200, thinkMs) },
    callClients: 8,
  }),
};
