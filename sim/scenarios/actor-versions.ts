// Nodes are replaced by ones of a newer build and of newer versions of their actors, one after the other, while paths fail and processes crash.
import { often, type Scenario } from './scenario.ts';

export const actorVersions: Scenario = {
  name: 'actor-versions',
  sentence:
    'Nodes are replaced by ones of a newer build and of newer versions of their actors, one after the other, while paths fail and processes crash.',
  faults: [
    'partition',
    'reset',
    'slow-network',
    'loss',
    'kill',
    'restart',
    'pause',
    'slow-process',
    'clock-drift',
    'slow-disk',
  ],
  byNameOnly: true,
  knobs: ({ clients, thinkMs, everyMs, lastsMs }) => ({
    everyMs: [Math.max(200, everyMs[0]), Math.max(1_000, everyMs[1])],
    lastsMs: [often.lastsMs[0], Math.min(1_000, lastsMs[1])],
    nodes: 3,
    // The register is not what this is about.
    ...{ clients: Math.min(2, clients), works: ['register'], thinkMs: Math.max(200, thinkMs) },
    ...{ actorClients: 5, actorVersions: 3 },
  }),
};
