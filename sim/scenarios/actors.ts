// Actors of every durability live on every node while paths fail, processes crash, members change, clocks jump and disks break.
import { deaths, often, paths, type Scenario } from './scenario.ts';

export const actors: Scenario = {
  name: 'actors',
  sentence:
    'Actors of every durability live on every node while paths fail, processes crash, members change, clocks jump and disks break.',
  faults: [
    ...paths,
    ...deaths,
    'power-loss-all',
    'restart',
    'pause',
    'transfer',
    'membership',
    'slow-process',
    'clock-jump',
    'clock-drift',
    'slow-disk',
    'full-disk',
    'broken-disk',
    'unreadable-disk',
    'lost-disk',
    'actor-rot',
  ],
  byNameOnly: true,
  knobs: ({ nodes, clients, thinkMs, everyMs, lastsMs }) => ({
    everyMs: [Math.max(100, everyMs[0]), Math.max(700, everyMs[1])],
    lastsMs: [often.lastsMs[0], Math.min(3_000, lastsMs[1])],
    nodes: Math.max(2, nodes),
    // The register is not what this is about.
    ...{ clients: Math.min(2, clients), works: ['register'], thinkMs: Math.max(200, thinkMs) },
    actorClients: 5,
  }),
};
