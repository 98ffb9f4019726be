// `polity topic …` against a gateway over a fake node: what it prints, for people and for machines, and what it refuses.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Gateway } from '../../../src/gateway/index.ts';
import { FakeNode } from '../gateway/fake-node.ts';
import { openTestGateway } from '../gateway/open.ts';
import { many, type Ran } from './polity.ts';

let node: FakeNode;
let gateway: Gateway;
before(async () => {
  node = new FakeNode();
  gateway = await openTestGateway(node);
});
after(() => gateway.close());

const all = (lines: readonly string[]): Promise<Ran[]> =>
  many(
    lines.map((line) => ['topic', ...line.split(' ')]),
    { POLITY_NODE: gateway.url },
  );

test('publishes, prints, handles under a name, lists, skips, removes', async () => {
  const cases: [string, number, RegExp][] = [
    ['publish t {"n":1}', 0, /^published message 1\n$/],
    ['publish t word --id x --json', 0, /^{"topic":"t","sequence":2,"acknowledged":null}\n$/],
    ['publish t word --id x', 0, /^published message 2\n$/],
    ['subscribe t --from oldest --count 2', 0, /^1 {2}{"n":1}\n2 {2}"word"\n$/],
    ['subscribe t --subscription s --from oldest --count 1 --json', 0, /^{"sequence":1,"timeMs":\d+,"value":{"n":1}}\n$/],
    ['publish t 3 --delivery quorum --timeout 300ms', 4, /^polity: NOT_ACKNOWLEDGED: message 3 of 't' .*; not by s\n/],
    ['subscriptions t', 0, /^SUBSCRIPTION {2}NEXT {2}BEHIND {2}LOST {2}HANDLED AT\ns +2 +2 +0 +-\n$/],
    ['skip t s 4', 0, /^s goes on with message 4\n$/],
    ['list', 0, /^TOPIC .*\nt +3 +1-3 +\d+ +1 +10000 messages/],
    ['configure t --messages-max 1 --age 2h', 0, /^configured t\n$/],
    ['list --json', 0, /^{"topic":"t",.*"messagesMax":1,.*"ageMs":7200000/],
    ['unsubscribe t s', 0, /^removed s\n$/],
    ['unsubscribe t s', 1, /NOT_FOUND/],
    ['delete t', 0, /^deleted t\n$/],
    ['subscriptions t', 1, /NOT_FOUND/],
    ['publish t', 2, /give a VALUE/],
    ['publish t 1 --delivery never', 2, /--delivery is/],
    ['subscribe t --from before', 2, /--from must be/],
    ['publish t 1 --delivery fire-and-forget', 0, /^told to whoever listens\n$/],
  ];
  const ran = await all(cases.map(([line]) => line));
  for (const [at, [line, code, pattern]] of cases.entries()) {
    const { stdout, stderr } = ran[at]!;
    assert.match(stdout + stderr, pattern, line);
    assert.equal(ran[at]!.code, code, line);
  }
});
