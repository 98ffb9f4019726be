// The five messages of a call: there and back, and nothing else is taken for one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type CallMessage,
  formAnswer,
  formCall,
  formItem,
  formMore,
  parseAnswer,
  parseCall,
  parseCancel,
  parseItem,
  parseMore,
} from '../../../machines/rpc/index.ts';
import { pack, unpack } from '../../../machines/wire/envelope.ts';

const sent = (body: unknown): unknown => unpack(pack(body));
const text = (maxLength: number) => fc.string({ minLength: 1, maxLength });
const count = fc.nat(2 ** 30);
const bytes = fc.uint8Array({ maxLength: 30 });
const number = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });

const call: fc.Arbitrary<CallMessage> = fc.record({
  ...{ number, service: text(128), method: text(64), range: fc.option(fc.string({ maxLength: 256 })) },
  ...{ requestId: fc.oneof(number, text(128)), principal: fc.option(text(256)) },
  ...{ importance: fc.constantFrom(null, 'critical' as const, 'normal' as const, 'background' as const) },
  ...{ takesItems: fc.constantFrom(undefined, true, false), idempotent: fc.boolean(), epoch: count },
  ...{ credit: fc.nat(65_536), heard: count, chain: fc.array(text(40), { maxLength: 5 }), input: bytes },
});

const same = (one: unknown, other: unknown): void => assert.deepEqual(JSON.stringify(one), JSON.stringify(other));

test('a message is what was formed', () => {
  fc.assert(
    fc.property(call, (message) => {
      const parsed = parseCall(sent(formCall(message)))!;
      const { input, ...rest } = parsed;
      const { input: given, ...facts } = message;
      assert.deepEqual(rest, facts);
      same([...input], [...given]);
    }),
    { numRuns: 300 },
  );
  const value = Uint8Array.from([1, 2]);
  const why = { code: 'OVERLOADED' as const, message: 'no room', details: { retryAfterMs: 5 } };
  assert.deepEqual(parseAnswer(sent(formAnswer({ number: 3, serial: 0, result: { failure: why } }))), {
    ...{ number: 3, serial: 0, result: { failure: why } },
  });
  same(parseAnswer(formAnswer({ number: 3, serial: 9, result: { value } })), { number: 3, serial: 9, result: { value } });
  same(parseItem(formItem({ number: 3, at: 0, value })), { number: 3, at: 0, value });
  assert.deepEqual(parseMore(formMore({ number: 3, items: 7 })), { number: 3, items: 7 });
  assert.equal(parseCancel(3), 3);
});

test('one field that is something else, and it is no message', () => {
  const good = formCall({
    ...{ number: 1, service: 's', method: 'm', range: null, requestId: 1, principal: null, importance: null },
    ...{ takesItems: undefined, idempotent: false, epoch: 0, credit: 0, heard: 0, chain: [], input: new Uint8Array(1) },
  });
  assert.ok(parseCall(good) !== null);
  const junk = [undefined, -1, 1.5, '', 'x'.repeat(2_000), {}, [7], new Array(40).fill('x'), 2 ** 60, Number.NaN];
  for (let at = 0; at < good.length; at++)
    for (const one of junk) {
      const parsed = parseCall(good.with(at, one));
      // Some are good in some places: an empty range, a name as an id.
      if (parsed !== null) assert.deepEqual(formCall(parsed), good.with(at, one));
    }
  assert.equal(parseCall(good.slice(1)), null);
  fc.assert(
    fc.property(fc.anything(), (body) => {
      for (const parse of [parseCall, parseAnswer, parseItem, parseMore, parseCancel]) parse(body);
    }),
    { numRuns: 300 },
  );
});
