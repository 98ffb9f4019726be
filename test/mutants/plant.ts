// A copy of the source with one bug in it, in a folder of its own outside of the project, so that nothing can leak back.
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { editedFiles, lawsOf, type Mutant, MutantUnfit, mutate } from './mutant.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const folders = ['machines', 'actors', 'sim'];
/** Where there are laws, and what their tests import besides the folders above. */
const lawsFolders = ['test/machines', 'test/actors', 'test/ports'];

/** What the mutant's files say with the bug in them, by name. Throws MutantUnfit. */
export const mutated = (mutant: Mutant): Map<string, string> => {
  const laws = lawsOf(mutant);
  if (laws !== null && !isCopied(laws))
    throw new MutantUnfit(mutant.name, `is hunted by ${laws}, which no copy of the source has`);
  return new Map(editedFiles(mutant).map((file) => [file, mutate(mutant, file, readFileSync(join(root, file), 'utf8'))]));
};

const isCopied = (laws: string): boolean =>
  lawsFolders.some((folder) => laws.startsWith(`${folder}/`)) && existsSync(join(root, laws));

export type Planted = { folder: string; remove(): void };

/** `null`: the source as it is. `withLaws`: what its tests need comes with it. */
export const plant = (mutant: Mutant | null, withLaws = lawsOf(mutant) !== null): Planted => {
  // Before anything is copied: a mutant that does not fit leaves nothing behind.
  const files = mutant === null ? new Map<string, string>() : mutated(mutant);
  const folder = mkdtempSync(join(tmpdir(), 'polity-mutant-'));
  for (const name of folders) cpSync(join(root, name), join(folder, name), { recursive: true });
  if (withLaws) for (const name of lawsFolders) cpSync(join(root, name), join(folder, name), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n');
  for (const [file, text] of files) writeFileSync(join(folder, file), text);
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
};
