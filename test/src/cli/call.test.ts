// `polity call` against a gateway over a node that serves, as processes.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { z } from 'zod';
import type { Gateway } from '../../../src/gateway/index.ts';
import { hostedFrom } from '../../../src/service/hosted.ts';
import { defineService, ServiceError } from '../../../src/service/index.ts';
import { FakeNode } from '../gateway/fake-node.ts';
import { openTestGateway } from '../gateway/open.ts';
import { many, polity } from './polity.ts';

const words = defineService({
  ...{ name: 'words', version: '1.0.0' },
  methods: { say: { input: z.object({ a: z.string() }) }, echo: {}, who: {}, refuse: {}, list: { stream: true } },
});

let gateway: Gateway;
before(async () => {
  const node = new FakeNode();
  gateway = await openTestGateway(node);
  const sink = { log: () => {}, count: () => {} };
  const handlers = {
    say: ({ a }: { a: string }) => `${a}!`,
    echo: (input: unknown) => input,
    who: (_input: unknown, { principal, requestId }: { principal: string | null; requestId: string }) => [principal, requestId],
    refuse() {
      throw new ServiceError('NO', 'not today');
    },
    list: (input: unknown) => (Array.isArray(input) ? (input as unknown[]) : []),
  };
  node.host.add(hostedFrom(words, handlers, { node: 'n1', calls: node.calls, sink }));
});
after(() => gateway.close());

test('results, streams, refusals and what makes no sense', async () => {
  const lines: [string[], number, string, RegExp?][] = [
    [['say', '{"a":"hallo"}'], 0, 'hallo!\n'],
    [['say', '{"a":"hallo"}', '--json'], 0, '"hallo!"\n'],
    [['echo', '{"a":[1]}', '--json'], 0, '{"a":[1]}\n'],
    [['echo', '{"a":1}'], 0, '{\n  "a": 1\n}\n'],
    [['echo'], 0, 'null\n'],
    [['who', '--principal', 'ada', '--request-id', 'r1', '--json'], 0, '["ada","r1"]\n'],
    [['list', '["a",{"b":1}]', '--stream'], 0, 'a\n{"b":1}\n'],
    [['list', '["a"]'], 1, '', /INVALID_REQUEST: words\.list gives a stream/],
    [['refuse'], 1, '', /SERVICE_REFUSED: not today/],
    [['say', '{"a":1}'], 1, '', /INVALID_REQUEST: words\.say: input\.a/],
    [['say', 'hallo'], 2, '', /is not JSON; a text is JSON too/],
    [['echo', '--strategy', 'best'], 2, '', /there is no strategy 'best'/],
    [['echo', '--timeout', '2m'], 2, '', /--timeout is at most 60s/],
    [['echo', '--version', '^2', '--timeout', '200ms'], 1, '', /SERVICE_NOT_FOUND/],
  ];
  const ran = await many(
    lines.map(([line]) => ['call', 'words', ...line]),
    { POLITY_NODE: gateway.url },
  );
  for (const [n, { code, stdout, stderr }] of ran.entries()) {
    const [line, exit, out, error] = lines[n]!;
    assert.deepEqual([code, stdout], [exit, out], `${line.join(' ')}: ${stderr}`);
    assert.match(stderr, error ?? /^$/);
  }
});

test('an input from standard input', async () => {
  const { code, stdout } = await polity(['call', 'words', 'say', '-', '--node', gateway.url], { input: '{"a":"du"}' });
  assert.deepEqual([code, stdout], [0, 'du!\n']);
});
