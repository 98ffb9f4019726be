// The version of this package, read once from its package.json: sources and build lie at different depths below it.
import { existsSync, readFileSync } from 'node:fs';

const find = (): string => {
  for (let directory = new URL('./', import.meta.url); ; directory = new URL('../', directory)) {
    const file = new URL('package.json', directory);
    if (existsSync(file)) {
      const found = JSON.parse(readFileSync(file, 'utf8')) as { name?: unknown; version?: unknown };
      if (found.name === 'polity' && typeof found.version === 'string') return found.version;
    }
    if (directory.pathname === '/' || new URL('../', directory).href === directory.href) return '0.0.0';
  }
};

export const version: string = find();
