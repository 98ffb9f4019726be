// The reference pages and the code say the same, both ways.
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Command } from 'commander';
import { errorTable } from '../../machines/errors.ts';
import { exitCodes } from '../../src/cli/exit.ts';
import { createProgram } from '../../src/cli/program.ts';
import { options } from '../../src/config/options.ts';
import { sourceKinds } from '../../src/discovery/index.ts';
import { everyRoute } from '../../src/gateway/index.ts';
import { createMetrics } from '../../src/metrics.ts';

const root = new URL('../../', import.meta.url);
const pages = ['README.md', ...globSync('docs/**/*.md', { cwd: root.pathname })];

const page = (name: string): string => readFileSync(new URL(`../../docs/reference/${name}.md`, import.meta.url), 'utf8');

/** Cells of the table rows whose first cell matches, without code marks. */
const rows = (text: string, first: RegExp): string[][] =>
  text
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| ---'))
    .map((line) =>
      line
        .slice(2, -2)
        .split(/ (?<!\\)\| /)
        .map((cell) => cell.replaceAll('`', '').replaceAll('\\|', '|').trim()),
    )
    .filter(([cell]) => first.test(cell!));

test('errors', () => {
  const yes = (is: boolean): string => (is ? 'yes' : 'no');
  const expected = Object.entries(errorTable).map(([code, row]) => [
    code,
    String(row.status),
    yes(row.retryable),
    yes(row.definite),
    row.title,
  ]);
  assert.deepEqual(rows(page('errors'), /^[A-Z_]+$/), expected);
});

test('options of a node', () => {
  const expected = options.map(({ path, env, flag, value, help }) => [path, env, `${flag} ${value}`, help]);
  assert.deepEqual(rows(page('configuration'), /^[a-z][A-Za-z.]*$/), expected);
});

test('sources of discovery', () => {
  const documented = rows(page('configuration'), /^[a-z]+:/).map(([form]) => form!);
  assert.deepEqual(documented.toSorted(), sourceKinds.map(({ form }) => form).toSorted());
});

test('metrics', async () => {
  const { registry } = createMetrics({ name: 'n', version: '0' });
  const expected = (await registry.getMetricsAsJSON())
    .filter(({ name }) => name.startsWith('polity_'))
    .map(({ name, type, help }) => {
      const { labelNames } = registry.getSingleMetric(name) as unknown as { labelNames: string[] };
      return [name, String(type), labelNames.join(', ') || '-', help];
    });
  const documented = rows(page('metrics'), /^polity_/);
  const byName = ([a]: string[], [b]: string[]): number => (a! < b! ? -1 : 1);
  assert.deepEqual(documented.toSorted(byName), expected.toSorted(byName));
});

test('routes', () => {
  const routes = everyRoute(createMetrics({ name: 'n', version: '0' })).map(({ method, path }) => `${method} ${path}`);
  const documented = rows(page('http'), /^(GET|PUT|POST|DELETE)$/).map(([method, path]) => `${method} ${path}`);
  assert.deepEqual(documented.toSorted(), [...routes, 'GET /v1/events', 'GET /v1/inspect'].toSorted());
});

const commandsOf = (command: Command, prefix: string): string[] =>
  command.commands.length === 0 ? [prefix] : command.commands.flatMap((sub) => commandsOf(sub, `${prefix} ${sub.name()}`));

test('commands and exit codes', () => {
  const documented = rows(page('cli'), /^polity /).map(([name]) => name!);
  assert.deepEqual(documented.toSorted(), commandsOf(createProgram(), 'polity').toSorted());
  const expected = Object.values(exitCodes).map(({ code, meaning }) => [String(code), meaning]);
  assert.deepEqual(rows(page('cli'), /^\d$/), expected);
});

test('links lead somewhere', () => {
  assert.ok(pages.length > 15);
  for (const name of pages)
    for (const [, link] of readFileSync(new URL(name, root), 'utf8').matchAll(/\]\(([^)#\s]+)[^)]*\)/g))
      if (!/^https?:/.test(link!)) assert.ok(existsSync(new URL(link!, new URL(name, root))), `${name} links to ${link}`);
});

/** The command that these words begin with, and whether every option among them is its own. */
const unknownIn = (words: readonly string[]): string | null => {
  let command = createProgram();
  let at = 0;
  for (; at < words.length; at++) {
    const next = command.commands.find((one) => one.name() === words[at]);
    if (next === undefined) break;
    command = next;
  }
  if (at === 0) return words[0] ?? 'nothing';
  for (const word of words.slice(at)) {
    if (word === '--') return null;
    if (word.startsWith('--') && !command.options.some(({ long }) => long === word)) return word;
  }
  return null;
};

test('commands in the README and the guides exist, with their options', () => {
  let seen = 0;
  for (const name of pages.filter((one) => one === 'README.md' || one.startsWith('docs/guides/')))
    for (const [, block] of readFileSync(new URL(name, root), 'utf8').matchAll(/```sh\n([\s\S]*?)```/g))
      for (const line of block!.replaceAll('\\\n', ' ').split('\n')) {
        const words = line.replace(/ +#.*$/, '').split(/\s+/);
        const start = words[0] === 'npx' ? 1 : 0;
        if (words[start] !== 'polity') continue;
        assert.equal(unknownIn(words.slice(start + 1)), null, `${name}: ${line}`);
        seen++;
      }
  assert.ok(seen > 30, `${seen}`);
});
