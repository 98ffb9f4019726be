// Messages about actors come back as they were formed; of anything else the parsers say that it is none, and never throw.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { postLimits } from '../../../machines/entity/post-limits.ts';
import * as post from '../../../machines/entity/post-messages.ts';

const address = fc.record(
  { type: fc.constantFrom('cart', 'a-1'), key: fc.constantFrom('-', 'x y', 'ü@%'), node: fc.constantFrom(null, 'n1') },
  { noNullPrototype: true },
);
const number = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const bytes = fc.uint8Array({ maxLength: 5 });
const failure = fc.constant({ code: 'NOT_READY' as const, message: 'no', details: { retryAfterMs: 5 } });
const text = fc.string({ maxLength: 20 });
const plain = { noNullPrototype: true };

test('every message comes back as it was formed', () => {
  const ask = fc.record(
    {
      ...{ number, kind: fc.constantFrom('deliver', 'ask', 'stop', 'stop-hard'), address, source: text, correlation: text },
      id: fc.oneof(number, fc.constant('given')),
      ...{ epoch: fc.nat(), heard: fc.array(number, { maxLength: postLimits.heardMax }), event: bytes },
    },
    plain,
  );
  const result = fc.oneof(
    fc.record({ type: fc.constant('ok'), value: bytes }, plain),
    fc.record({ type: fc.constant('failed'), failure }, plain),
    fc.record({ type: fc.constant('elsewhere'), peer: fc.constant('p-n1') }, plain),
  );
  const end = fc.record(
    {
      reason: fc.constantFrom('done', 'stopped', 'failed', 'never-lived', 'unreachable'),
      ...{ output: fc.option(bytes), failure: fc.option(failure) },
    },
    plain,
  );
  const why = fc.oneof(
    fc.record({ type: fc.constant('end'), end }, plain),
    fc.constant({ type: 'moved' }),
    fc.record({ type: fc.constant('failed'), failure }, plain),
    fc.record({ type: fc.constant('elsewhere'), peer: fc.constant('p-n1') }, plain),
  );
  const all = [
    [
      fc.record({ number, address, source: text, correlation: text, hops: fc.nat(3), event: bytes }, plain),
      post.formSend,
      post.parseSend,
    ],
    [ask, post.formAsk, post.parseAsk],
    [fc.record({ number, result, isKept: fc.boolean() }, plain), post.formDone, post.parseDone],
    [
      fc.record(
        { number, isWatch: fc.constant(false), address, select: fc.constantFrom(null, 'context.a'), isRedacted: fc.boolean() },
        plain,
      ),
      ...[post.formFollow, post.parseFollow],
    ],
    [fc.record({ number, at: fc.nat(), value: fc.option(bytes) }, plain), post.formNext, post.parseNext],
    [fc.record({ number, at: fc.nat() }, plain), post.formMore, post.parseMore],
    [fc.record({ number, why, isKept: fc.boolean() }, plain), post.formOver, post.parseOver],
  ] as [fc.Arbitrary<unknown>, (message: never) => unknown, (body: unknown) => unknown][];
  for (const [message, form, parse] of all)
    fc.assert(
      fc.property(message, (one) => assert.deepEqual(parse(form(one as never)), one)),
      { numRuns: 60 },
    );
});

test('what is no message is none, whatever it is', () => {
  const parsers = [
    post.parseSend,
    post.parseAsk,
    post.parseDone,
    post.parseFollow,
    post.parseNext,
    post.parseMore,
    post.parseOver,
  ];
  const part = fc.oneof(
    number,
    text,
    bytes,
    fc.boolean(),
    fc.constant(null),
    fc.constant('cart/1'),
    fc.constant([]),
    fc.constant({}),
  );
  fc.assert(
    fc.property(fc.oneof(fc.array(part, { minLength: 1, maxLength: 10 }), fc.anything()), (body) => {
      for (const parse of [...parsers, post.parseNumber]) parse(body);
    }),
    { numRuns: 300 },
  );
  assert.equal(post.parseSend([1, 'cart/1', '', '', postLimits.hopsMax + 1, new Uint8Array(1)]), null);
  assert.equal(post.parseSend([1, 'Cart/1', '', '', 0, new Uint8Array(1)]), null);
  assert.equal(post.parseSend([1, 'cart/1', '', '', 0, new Uint8Array(postLimits.bytesMax + 1)]), null);
  assert.equal(post.parseAsk([1, 9, null, 'cart/1', '', '', 0, [], new Uint8Array(1)]), null);
  assert.equal(
    post.parseAsk([1, 0, null, 'cart/1', '', '', 0, new Array(postLimits.heardMax + 1).fill(1), new Uint8Array(1)]),
    null,
  );
  assert.equal(post.parseFollow([1, true, 'cart/1', 'context']), null);
  assert.equal(post.parseDone([1, 1, { code: 'NO_SUCH', message: '' }, false]), null);
});
