// Definitions out of a module of the user's: `polity start --actors ./actors.js` hosts whatever it exports that `defineActor` made.
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { failure, PolityError, readable } from '../../machines/errors.ts';
import { isDefinedActor } from './define.ts';
import type { AnyDefinedActor } from './types.ts';

const invalid = (path: string, why: string, cause?: unknown): PolityError =>
  new PolityError(failure('INVALID_REQUEST', `the actors of ${path}: ${why}`), cause === undefined ? {} : { cause });

const said = (error: unknown): string => {
  const thrown = readable(error);
  return thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
};

const imported = async (path: string): Promise<Record<string, unknown>> => {
  const file = resolve(path);
  if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true) throw invalid(path, 'there is no such file');
  try {
    return (await import(pathToFileURL(file).href)) as Record<string, unknown>;
  } catch (error) {
    throw invalid(path, `it cannot be imported: ${said(error)}`, error);
  }
};

/** `path` is relative to the working directory. Rejects with INVALID_REQUEST: no file, no module, or one that exports no definition. */
export const definitionsIn = async (path: string): Promise<AnyDefinedActor[]> => {
  const found = new Set(Object.values(await imported(path)).filter(isDefinedActor));
  if (found.size === 0) throw invalid(path, 'it exports nothing that defineActor made');
  return [...found];
};
