// Where in a node's data directory its database lies. The directory itself has room for what is not in the database.
import { existsSync } from 'node:fs';
import { join } from 'node:path';

export const databaseIn = (data: string): string => join(data, 'db');

/** True if a node has run on this directory. */
export const holdsDatabase = (data: string): boolean => existsSync(join(databaseIn(data), 'CURRENT'));
