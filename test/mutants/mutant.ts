// A mutant is a bug planted on purpose: what somebody once got wrong in a real implementation of Raft (or we in this one), as an
// exact piece of our source and what stands there instead. Whoever judges the simulator asks how soon it notices (DeMillo, Lipton
// and Sayward 1978, program mutation).

export type Edit = {
  /** Below the root of the project, in machines/, actors/ or sim/. */
  file: string;
  /** Occurs in the file exactly once. */
  find: string;
  replace: string;
};

export type Hunted = { scenario: string } | { laws: string };

export type Mutant = {
  /** Short, of lower-case words and hyphens. */
  name: string;
  /** What is wrong with it. */
  sentence: string;
  /** Where the bug is known from. */
  from: 'known-bugs' | 'own-history';
  /** Where it can show: in a scenario that no seed draws by itself, or by one file of tests, below test/; else in any seed. */
  hunted?: Hunted;
  /** One; more only where the source guards against the bug twice. */
  edits: readonly [Edit, ...Edit[]];
};

export const scenarioOf = (mutant: Mutant | null): string | null =>
  mutant?.hunted !== undefined && 'scenario' in mutant.hunted ? mutant.hunted.scenario : null;

/** The file of tests, below the root of the project. */
export const lawsOf = (mutant: Mutant | null): string | null =>
  mutant?.hunted !== undefined && 'laws' in mutant.hunted ? `test/${mutant.hunted.laws}.test.ts` : null;

/** The source has moved on, or the mutant never fitted it. */
export class MutantUnfit extends Error {
  constructor(mutant: string, message: string) {
    super(`mutant '${mutant}' ${message}`);
    this.name = 'MutantUnfit';
  }
}

export const editedFiles = (mutant: Mutant): string[] => [...new Set(mutant.edits.map((edit) => edit.file))];

/** The text of `file` with the mutant's edits. Throws MutantUnfit unless each piece to replace occurs exactly once. */
export const mutate = (mutant: Mutant, file: string, source: string): string => {
  let text = source;
  for (const { find, replace } of mutant.edits.filter((edit) => edit.file === file)) {
    if (find === replace) throw new MutantUnfit(mutant.name, `changes nothing in ${file}`);
    const pieces = text.split(find);
    if (pieces.length !== 2)
      throw new MutantUnfit(mutant.name, `looks for this in ${file}, where it occurs ${pieces.length - 1} times:\n${find}`);
    text = pieces.join(replace);
  }
  return text;
};
