// A process of its own for one copy of the source: runs seeds in order and tells of each on a line of JSON, until one fails or
// all have held. `node seeds.ts FOLDER FIRST LAST TIME_MS [SCENARIO]`
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { runSeed as Run } from '../../sim/index.ts';

/** What is told of a seed. */
export type SeedLine = {
  seed: number;
  verdict: 'held' | 'crash' | 'liveness' | 'correctness';
  reason: string;
  virtualMs: number;
  steps: number;
};

const reasonCharsMax = 2_000;

const [folder, first, last, timeMs, scenario] = process.argv.slice(2);
if (folder !== undefined) {
  const { runSeed } = (await import(pathToFileURL(join(folder, 'sim/index.ts')).href)) as { runSeed: typeof Run };
  for (let seed = Number(first); seed <= Number(last); seed++) {
    const { verdict, reason, virtualMs, steps } = runSeed(seed, {
      timeMs: Number(timeMs),
      ...(scenario === undefined ? {} : { scenario }),
    });
    const line: SeedLine = { seed, verdict, reason: reason.slice(0, reasonCharsMax), virtualMs, steps };
    process.stdout.write(`${JSON.stringify(line)}\n`);
    if (verdict !== 'held') break;
  }
}
