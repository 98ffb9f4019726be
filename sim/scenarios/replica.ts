// Replicated objects are changed at every node while paths fail, nodes crash, clocks jump and disks rot.
import { deaths, often, paths, type Scenario } from './scenario.ts';

export const replica: Scenario = {
  name: 'replica',
  sentence: 'Replicated objects are changed at every node while paths fail, nodes crash, clocks jump and disks rot.',
  faults: [
    ...paths,
    ...deaths,
    'power-loss-all',
    'restart',
    'pause',
    'slow-process',
    'clock-jump',
    'clock-drift',
    'clock-leap',
    'slow-disk',
    'full-disk',
    'unreadable-disk',
    'lost-disk',
    'replica-rot',
  ],
  byNameOnly: true,
  knobs: ({ nodes, clients, thinkMs }) => ({
    ...often,
    nodes: Math.max(2, nodes),
    // The register is not what this is about.
    ...{ clients: Math.min(2, clients), works: ['register'], thinkMs: Math.max(200, thinkMs) },
    replicaClients: 6,
    // Often enough that removed things are forgotten while others have not heard of them.
    replicaRoundMs: 300,
  }),
};
