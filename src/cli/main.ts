#!/usr/bin/env node
// The command `polity`. Nothing is imported before the version of Node is known to be good enough: on an old one the imports
// themselves fail, with words that help nobody.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

if (major < 22 || (major === 22 && minor < 18)) {
  console.error(
    `polity needs Node 22.18 or newer, this is ${process.versions.node} (${process.execPath}).\n` +
      'In a checkout, `npm ci` brings one along: use `npm start`, `npm test` and `npx polity`.',
  );
  process.exitCode = 2;
} else {
  const { run } = await import('./program.ts');
  await run(process.argv);
}

export {};
