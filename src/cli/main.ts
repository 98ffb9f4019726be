#!/usr/bin/env -S node --max-semi-space-size=8
// The command `polity`. Nothing but a file without imports is loaded before the version of Node is known to be good enough: on an old one the imports
// themselves fail, with words that help nobody.
import { runtimeProblem } from '../runtime.ts';

const problem = runtimeProblem(process.versions.node);

if (problem !== null) {
  console.error(
    `${problem} (${process.execPath}).\n` +
      'In a checkout, `npm ci` brings one along: use `npm start`, `npm test` and `npx polity`.',
  );
  process.exitCode = 2;
} else {
  const { run } = await import('./program.ts');
  await run(process.argv);
}
