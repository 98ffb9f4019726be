// `polity queue …` against a gateway over a fake node: what it prints and how it exits.
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

const run = (...lines: string[]): Promise<Ran[]> =>
  many(
    lines.map((line) => line.split(' ')),
    { POLITY_NODE: gateway.url },
  );

test('messages go in and out, are done or become dead letters', async () => {
  const ran = await run(
    'queue configure jobs --max-deliveries 1 --retention 7d',
    'queue send jobs hello --ordering a --dedup x',
    'queue send jobs hello --dedup x',
    'queue send jobs other',
    'queue receive jobs --max 1 --json',
    'queue receive jobs --ack',
    'queue receive jobs',
    'queue stats jobs --json',
    'queue list',
  );
  const [configured, sent, again, , received, acked, nothing, stats, list] = ran as [
    Ran,
    Ran,
    Ran,
    Ran,
    Ran,
    Ran,
    Ran,
    Ran,
    Ran,
  ];
  assert.match(configured.stdout, /^jobs: visibilityMs 30000, maxDeliveries 1, .*retentionMs 604800000/);
  assert.match(sent.stdout, /^sent message \d+\n$/);
  assert.match(again.stdout, /was sent under this id before/);
  const message = JSON.parse(received.stdout) as { message: number; body: string; receipt: string; ordering: string };
  assert.deepEqual([message.body, message.ordering], ['hello', 'a']);
  assert.match(acked.stdout, /^other\n {2}message \d+, delivery 1, receipt \d+\.3\.\d+, until \d{4}-/);
  assert.equal(nothing.code, 1);
  assert.match(nothing.stderr, /there is nothing to be had of jobs/);
  assert.deepEqual(JSON.parse(stats.stdout).out, 1);
  assert.match(list.stdout, /^QUEUE +READY +DELAYED +OUT +DEAD +BYTES +OLDEST\njobs +0 +0 +1 +0 +5 /);
  const { receipt, message: id } = message;
  const later = await run(
    `queue extend jobs ${receipt} 1m`,
    `queue nack jobs ${receipt} --reason broken`,
    `queue ack jobs ${receipt}`,
    'queue dead jobs',
    `queue redrive jobs ${id}`,
    'queue purge jobs',
    'queue purge jobs --all',
    'queue purge jobs --dead --json',
    'queue delete jobs',
    'queue stats jobs',
    'queue ack jobs nonsense',
  );
  assert.deepEqual(
    later.map(({ code }) => code),
    [0, 0, 1, 0, 0, 2, 0, 0, 0, 1, 1],
  );
  const [, nacked, expired, dead, redriven, , purged] = later as [Ran, Ran, Ran, Ran, Ran, Ran, Ran];
  assert.match(nacked.stdout, /it is a dead letter/);
  assert.match(expired.stderr, /RECEIPT_EXPIRED/);
  assert.match(dead.stdout, new RegExp(`MESSAGE.*\\n${id} +1 +broken +hello`));
  assert.match(redriven.stdout, /new life to 1 message\n/);
  assert.match(purged.stdout, /removed 1 message\n/);
});
