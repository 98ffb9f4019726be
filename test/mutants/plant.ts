// A copy of the source with one bug in it, in a folder of its own outside of the project, so that nothing can leak back.
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { editedFiles, lawsOf, type Mutant, mutate } from './mutant.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const folders = ['machines', 'actors', 'sim'];
/** Where there are laws, and what their tests import besides the folders above. */
const lawsFolders = ['test/machines', 'test/actors', 'test/ports'];

/** What the mutant's files say with the bug in them, by name. Throws MutantUnfit. */
export const mutated = (mutant: Mutant): Map<string, string> =>
  new Map(editedFiles(mutant).map((file) => [file, mutate(mutant, file, readFileSync(join(root, file), 'utf8'))]));

export type Planted = { folder: string; remove(): void };

/** `null`: the source as it is. Its laws come with it, if it is hunted by them. */
export const plant = (mutant: Mutant | null): Planted => {
  // Before anything is copied: a mutant that does not fit leaves nothing behind.
  const files = mutant === null ? new Map<string, string>() : mutated(mutant);
  const folder = mkdtempSync(join(tmpdir(), 'polity-mutant-'));
  for (const name of folders) cpSync(join(root, name), join(folder, name), { recursive: true });
  if (lawsOf(mutant) !== null)
    for (const name of lawsFolders) cpSync(join(root, name), join(folder, name), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n');
  for (const [file, text] of files) writeFileSync(join(folder, file), text);
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
};
