// What is published: every door of the package leads to files that are in it, and so does every import behind them.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));
type Manifest = {
  exports: Record<string, { types: string; default: string }>;
  dependencies: Record<string, string>;
  /** The user's to install, or not where they are optional: then they are imported when they are needed only. */
  peerDependencies: Record<string, string>;
};
const manifest = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as Manifest;

const publishedFiles = (): Set<string> => {
  const words = ['pack', '--dry-run', '--json', '--ignore-scripts'];
  const [packed] = JSON.parse(
    execFileSync('npm', words, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
  ) as {
    files: { path: string }[];
  }[];
  return new Set(packed!.files.map(({ path }) => path));
};

/** Types name modules in `import()` too. */
const importsOf = (file: string): string[] =>
  [...readFileSync(`${root}${file}`, 'utf8').matchAll(/\b(?:from\s+|import\s*\(?\s*)["']([^"'\s]+)["']/g)].map(
    (match) => match[1]!,
  );

/** Every file that this one leads to, and every package. */
const closureOf = (entry: string): { files: Set<string>; packages: Set<string> } => {
  const files = new Set<string>();
  const packages = new Set<string>();
  const visit = (file: string): void => {
    if (files.has(file)) return;
    files.add(file);
    for (const name of importsOf(file)) {
      if (!name.startsWith('.')) packages.add(name);
      else visit(posix.join(posix.dirname(file), file.endsWith('.d.ts') ? name.replace(/\.[jt]s$/, '.d.ts') : name));
    }
  };
  visit(posix.normalize(entry));
  return { files, packages };
};

test('doors lead to published files, through published files and declared packages', () => {
  const published = publishedFiles();
  for (const [door, targets] of Object.entries(manifest.exports))
    for (const target of [targets.default, targets.types]) {
      const { files, packages } = closureOf(target);
      assert.ok(files.size > 3, door);
      for (const file of files) assert.ok(published.has(file), `${door}: ${file} is not published`);
      for (const name of packages) {
        const [scope, rest] = name.split('/');
        const dependency = name.startsWith('@') ? `${scope}/${rest}` : scope!;
        const declared = dependency in manifest.dependencies || dependency in manifest.peerDependencies;
        assert.ok(name.startsWith('node:') || declared, `${door} imports ${name}`);
      }
    }
});

test('the simulator needs nothing of the outside world', () => {
  const sim = manifest.exports['./sim']!;
  for (const target of [sim.default, sim.types]) {
    const { files, packages } = closureOf(target);
    for (const file of files) assert.match(file, /^dist\/(sim|actors|machines)\//);
    for (const name of packages) assert.match(name, /^(xstate|msgpackr|@xstate\/store|@noble\/hashes\/.*)$/);
  }
});
