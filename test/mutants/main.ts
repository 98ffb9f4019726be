// `npm run mutants [NAME …] [--seeds 200] [--first 1] [--time 10] [--jobs 2] [--json FILE] [--markdown]`: plants known bugs, one at a
// time, and shows how many seeds the simulator needs to find each. Ends with 1 if one survives, or if the source as it is fails.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { mutants } from './bugs/index.ts';
import { type Hunt, type HuntOptions, hunt, LawsUnread } from './hunt.ts';
import { lawsOf, type Mutant, MutantUnfit, scenarioOf } from './mutant.ts';
import { mutated } from './plant.ts';
import { lineOf, markdownOf } from './table.ts';

const usage = `npm run mutants -- [NAME …] [options]

  NAME          only these mutants (default: all ${mutants.length})
  --seeds N     give a mutant up after so many seeds (default 200)
  --first N     the first seed (default 1)
  --time N      virtual seconds under fire a seed (default 10)
  --jobs N      processes at a time (default 2)
  --json FILE   write what was found as JSON
  --markdown    print the table of docs/internals/simulator.md
  --list        name the mutants and end`;

class Usage extends Error {}

const countOf = (text: string | undefined, name: string, otherwise: number, max: number): number => {
  if (text === undefined) return otherwise;
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > max) throw new Usage(`--${name} takes a whole number from 1 to ${max}`);
  return count;
};

const optionsOf = () => {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { seeds: text, first: text, time: text, jobs: text, json: text, markdown: flag, list: flag, help: flag },
  });
  const unknown = positionals.find((name) => !mutants.some((mutant) => mutant.name === name));
  if (unknown !== undefined) throw new Usage(`there is no mutant '${unknown}'; --list names them`);
  const first = countOf(values.first, 'first', 1, 2 ** 31);
  return {
    ...values,
    chosen: positionals.length === 0 ? mutants : mutants.filter(({ name }) => positionals.includes(name)),
    jobs: countOf(values.jobs, 'jobs', 2, 64),
    hunting: {
      first,
      last: first + countOf(values.seeds, 'seeds', 200, 1_000_000) - 1,
      timeMs: countOf(values.time, 'time', 10, 3_600) * 1_000,
    } satisfies HuntOptions,
  };
};

/** Works through `jobs`, so many at a time, in order of their beginning. */
const each = async <Job>(jobs: readonly Job[], atATime: number, work: (job: Job) => Promise<void>): Promise<void> => {
  const queue = jobs[Symbol.iterator]();
  const worker = async (): Promise<void> => {
    for (const job of queue) await work(job);
  };
  await Promise.all(Array.from({ length: Math.min(atATime, jobs.length) }, worker));
};

const print = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

const run = async (): Promise<number> => {
  const { chosen, jobs, hunting, list, help, json, markdown } = optionsOf();
  if (help === true) {
    print(usage);
    return 0;
  }
  if (list === true) {
    for (const { name, sentence } of chosen) print(`${name.padEnd(28)} ${sentence}`);
    return 0;
  }
  for (const mutant of chosen) mutated(mutant);
  const interrupted = new AbortController();
  process.once('SIGINT', () => interrupted.abort());
  const hunts: Hunt[] = [];
  const huntOne = async (mutant: Mutant | null, options: HuntOptions): Promise<void> => {
    const found = await hunt(mutant, options, interrupted.signal);
    hunts.push(found);
    print(lineOf(found));
    // After each, so that a night that is interrupted is not lost.
    if (json !== undefined) writeFileSync(json, `${JSON.stringify({ options: hunting, hunts }, null, 2)}\n`);
  };
  await each(chosen, jobs, (mutant) => huntOne(mutant, hunting));
  // What fails with nothing planted says nothing of mutants: laws must hold, and the seeds that were needed, scenario by scenario.
  for (const laws of new Set(chosen.map(lawsOf))) if (laws !== null) await huntOne(null, { ...hunting, laws });
  for (const scenario of new Set(chosen.filter((mutant) => lawsOf(mutant) === null).map(scenarioOf))) {
    const names = new Set(chosen.filter((mutant) => scenarioOf(mutant) === scenario).map(({ name }) => name));
    const seedsNeeded = Math.max(
      1,
      ...hunts.filter(({ mutant }) => mutant !== null && names.has(mutant)).map(({ seeds }) => seeds),
    );
    await huntOne(null, { ...hunting, scenario, last: hunting.first + seedsNeeded - 1 });
  }
  const survivors = hunts.filter(({ mutant, kill }) => mutant !== null && kill === null);
  const isSound = hunts.every(({ mutant, kill }) => mutant !== null || kill === null);
  print(`${chosen.length - survivors.length} of ${chosen.length} mutants found`);
  if (!isSound) print('the source as it is does not hold: what stands above proves nothing');
  if (markdown === true) print(`\n${markdownOf(chosen, hunts)}`);
  return survivors.length > 0 || !isSound ? 1 : 0;
};

try {
  process.exitCode = await run();
} catch (error) {
  const code = (error as { code?: unknown }).code;
  const isUnfit = error instanceof MutantUnfit || error instanceof LawsUnread;
  const isTold = error instanceof Usage || isUnfit || (typeof code === 'string' && code.startsWith('ERR_PARSE'));
  if (!isTold && (error as Error).name !== 'AbortError') throw error;
  process.stderr.write(`${(error as Error).message}\n${isUnfit ? '' : `\n${usage}\n`}`);
  process.exitCode = isUnfit ? 1 : 2;
}
