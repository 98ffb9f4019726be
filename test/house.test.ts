// The borders of the house that the compiler cannot see: what the language itself offers, and who may import whom.
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { filesOf, groups } from './as-one/groups.ts';

const root = new URL('..', import.meta.url).pathname;
const sourcesOf = (folder: string): string[] => globSync(`${folder}/**/*.ts`, { cwd: root });

/** Code without comments and without the text of strings. */
const codeOf = (file: string): string =>
  readFileSync(`${root}${file}`, 'utf8')
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/(^|[^:])\/\/.*$/gm, '$1')
    .replace(/'(?:[^'\\\n]|\\.)*'/g, "''");

const importsOf = (file: string): string[] =>
  [...readFileSync(`${root}${file}`, 'utf8').matchAll(/\bfrom '([^'\s]+)';|\bimport\(?\s*'([^'\s]+)'/g)].map(
    (match) => (match[1] ?? match[2])!,
  );

/** The folder of the house that a relative import of `file` leads to, or the package's name. */
const targetOf = (file: string, specifier: string): string =>
  specifier.startsWith('.') ? new URL(specifier, `file:///${file}`).pathname.slice(1).split('/')[0]! : specifier;

const pure = /\b(Date|Promise|setTimeout|setInterval|setImmediate|queueMicrotask|console|process|async|await)\b|Math\.random/;

for (const folder of ['machines', 'actors'])
  test(`${folder}/ names no time, chance, promise or process`, () => {
    for (const file of sourcesOf(folder)) {
      const found = codeOf(file)
        .replace(/\bsetTimeout(?=: \()/g, '')
        .match(pure);
      assert.equal(found?.[0], undefined, `${file} names ${found?.[0]}`);
    }
  });

/** Its promises are those of applications, and wait for the world alone. */
const real = /\b(Date|performance|setTimeout|setInterval|setImmediate|queueMicrotask|console)\b|\bMath\.random|\bcrypto\./;

test('sim/ names no real time, chance or terminal', () => {
  for (const file of sourcesOf('sim')) {
    const found = codeOf(file).match(real);
    assert.equal(found?.[0], undefined, `${file} names ${found?.[0]}`);
  }
});

const allowed: Record<string, RegExp> = {
  machines: /^(machines|xstate|msgpackr|@noble\/hashes\/.*)$/,
  actors: /^(machines|actors|xstate|@xstate\/store|@noble\/hashes\/.*)$/,
  sim: /^(machines|actors|sim|xstate|@xstate\/store|msgpackr|@noble\/hashes\/.*)$/,
};

for (const [folder, imports] of Object.entries(allowed))
  test(`${folder}/ imports only what it may`, () => {
    for (const file of sourcesOf(folder))
      for (const specifier of importsOf(file)) assert.match(targetOf(file, specifier), imports, `${file} imports ${specifier}`);
  });

test('in src/, only the command line knows the simulator', () => {
  for (const file of sourcesOf('src'))
    for (const specifier of importsOf(file))
      if (targetOf(file, specifier) === 'sim') assert.match(file, /^src\/cli\//, `${file} imports ${specifier}`);
});

test('`npm test` runs every file of tests, each once', () => {
  const { scripts } = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as { scripts: { test: string } };
  const patterns = [...scripts.test.matchAll(/'([^']+)'/g)].map(([, pattern]) => pattern!);
  const named = globSync(patterns, { cwd: root });
  const together = (Object.keys(groups) as (keyof typeof groups)[]).flatMap((group) => {
    assert.ok(named.includes(`test/as-one/${group}.test.ts`), group);
    return filesOf(group).map((file) => `test/${file}`);
  });
  assert.deepEqual([...named, ...together].sort(), globSync('test/**/*.test.ts', { cwd: root }).sort());
});
