// Where in a node's data directory its database lies. The directory itself has room for what is not in the database.
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

export const databaseIn = (data: string): string => join(data, 'db');

/** True if a node has run on this directory. */
export const holdsDatabase = (data: string): boolean => existsSync(join(databaseIn(data), 'CURRENT'));

/**
 * Makes a directory and those above it that are missing, for their owner only. One by one, because Node's own recursive way never
 * returns where a file system says ENOENT of a directory whose parent exists (/proc does). Throws what mkdir does.
 */
export const makeDirectory = (path: string): void => {
  const missing: string[] = [];
  for (let at = resolve(path); !existsSync(at); at = dirname(at)) missing.unshift(at);
  for (const one of missing) {
    try {
      mkdirSync(one, { mode: 0o700 });
    } catch (error) {
      // Somebody else was first.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
  // A file stands there: EEXIST.
  if (!statSync(path).isDirectory()) mkdirSync(path);
};
