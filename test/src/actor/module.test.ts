// Definitions out of modules of the user's, and what is said of modules that have none.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { definitionsIn } from '../../../src/actor/index.ts';
import { failureIn } from '../service/alone.ts';

const directory = mkdtempSync(join(tmpdir(), 'polity-actors-'));
after(() => rmSync(directory, { recursive: true, force: true }));

const moduleOf = (name: string, text: string): string => {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
};

const defining = `
import { defineActor } from '${new URL('../../../src/actor/index.ts', import.meta.url).href}';
const logic = { transition: (state) => state, getInitialSnapshot: () => ({ status: 'active' }) };
`;

test('what it exports that was defined, once', async () => {
  const path = moduleOf(
    'good.mjs',
    `${defining}export const a = defineActor('a', { logic }); export { a as b }; export const n = 5; export default defineActor('c', { logic });`,
  );
  assert.deepEqual((await definitionsIn(path)).map(({ name }) => name).toSorted(), ['a', 'c']);
  const typed = moduleOf('typed.mts', `${defining}export const a = defineActor('a' as string, { logic } as never);`);
  assert.deepEqual(
    (await definitionsIn(typed)).map(({ name }) => name),
    ['a'],
  );
});

test('a bad one is told by its path', async () => {
  const why = async (path: string): Promise<string> => {
    const { code, message } = await failureIn(definitionsIn(path));
    assert.equal(code, 'INVALID_REQUEST');
    return message.replace(path, 'PATH');
  };
  assert.equal(await why(join(directory, 'none.js')), 'the actors of PATH: there is no such file');
  assert.equal(await why(directory), 'the actors of PATH: there is no such file');
  assert.match(
    await why(moduleOf('broken.mjs', 'export const a = ;')),
    /^the actors of PATH: it cannot be imported: SyntaxError/,
  );
  assert.match(await why(moduleOf('throws.mjs', "throw new Error('no luck');")), /it cannot be imported: Error: no luck$/);
  assert.match(
    await why(moduleOf('wrong.mjs', `${defining}export const a = defineActor('A', { logic });`)),
    /PolityError: the actor 'A': its name/,
  );
  assert.equal(
    await why(moduleOf('empty.mjs', 'export const a = 5;')),
    'the actors of PATH: it exports nothing that defineActor made',
  );
});
