// What is stored or sent of queues keeps its bytes; what comes from outside is checked field by field.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  type QueueResult,
  type QueueWrite,
  queueDefaults,
  queueLimits,
  receiptOf,
  receiptText,
} from '../../../machines/queue/index.ts';
import {
  decodeCommand,
  encodeCommand,
  formResult,
  parseRead,
  parseRequestWrite,
  parseResult,
  parseWrite,
} from '../../../machines/register/index.ts';
import { pack, unpack } from '../../../machines/wire/envelope.ts';

const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }).filter((text) => !text.includes('\0'));
const token = fc.record({ term: fc.maxSafeNat(), index: fc.maxSafeNat() });
const receipt = fc.record({ message: fc.maxSafeNat(), token });
const body = fc.uint8Array({ maxLength: 20 });
const within = (least: number, most: number) => fc.integer({ min: least, max: most });
const visibilityMs = within(1, queueLimits.visibilityMsMax);
const delayMs = within(0, queueLimits.delayMsMax);
const options = {
  visibilityMs,
  maxDeliveries: within(1, queueLimits.deliveriesMax),
  dedupMs: within(1, queueLimits.dedupMsMax),
  retentionMs: fc.option(within(1, queueLimits.retentionMsMax), { nil: null }),
  messagesMax: within(1, queueLimits.messagesMax),
};
const messages = fc.array(fc.maxSafeNat(), { minLength: 1, maxLength: 4 });

const some = <T extends Record<string, fc.Arbitrary<unknown>>>(fields: T, ...requiredKeys: (keyof T)[]) =>
  fc.record(fields, { requiredKeys: requiredKeys as never });

const op = <Name extends QueueWrite['op']>(value: Name) => fc.constant(value);
const write = fc.oneof(
  some({ op: op('queue-configure'), queue: name, options: some(options) }, 'op', 'queue', 'options'),
  fc.record({ op: op('queue-delete'), queue: name }),
  some({ op: op('queue-send'), queue: name, body, delayMs, ordering: name, dedup: name }, 'op', 'queue', 'body'),
  some(
    {
      ...{ op: op('queue-receive'), queue: name, max: within(1, queueLimits.receiveMax) },
      ...{ waitMs: within(0, queueLimits.waitMsMax), visibilityMs },
    },
    ...(['op', 'queue', 'max', 'waitMs'] as const),
  ),
  fc.record({ op: op('queue-ack'), queue: name, receipt }),
  some(
    { op: op('queue-nack'), queue: name, receipt, delayMs, reason: name, unseen: fc.constant(true) },
    ...(['op', 'queue', 'receipt'] as const),
  ),
  fc.record({ op: op('queue-extend'), queue: name, receipt, visibilityMs }),
  some({ op: op('queue-redrive'), queue: name, messages }, 'op', 'queue'),
  some({ op: op('queue-purge'), queue: name, which: fc.constant('dead'), messages }, 'op', 'queue', 'which'),
  fc.record({ op: op('queue-purge'), queue: name, which: fc.constant('all') }),
) as fc.Arbitrary<QueueWrite>;

const at = { index: fc.maxSafeNat(), term: fc.maxSafeNat() };
const count = fc.maxSafeNat();
const nullable = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null });
const stats = fc.record({
  ...{ queue: name, options: fc.record(options), ready: count, delayed: count, out: count, dead: count, bytes: count },
  oldestMs: nullable(count),
});
const message = fc.record({
  ...{ message: count, body, ordering: nullable(name), sentMs: count, deliveries: count, visibleMs: count, token },
});
const letter = fc.record({
  ...{ message: count, body, ordering: nullable(name), sentMs: count, deliveries: count, reason: nullable(name) },
});
const result = fc.oneof(
  fc.record({ op: op('queue-configure'), queue: name, options: fc.record(options), ...at }),
  fc.record({ op: op('queue-send'), queue: name, message: count, duplicate: fc.boolean(), ...at }),
  fc.record({ op: op('queue-receive'), queue: name, messages: fc.array(message, { maxLength: 3 }), ...at }),
  fc.record({ op: op('queue-ack'), queue: name, message: count, ...at }),
  fc.record({ op: op('queue-nack'), queue: name, message: count, dead: fc.boolean(), ...at }),
  fc.record({ op: op('queue-extend'), queue: name, message: count, visibleMs: count, ...at }),
  ...(['queue-delete', 'queue-redrive', 'queue-purge'] as const).map((batch) =>
    fc.record({ op: op(batch), queue: name, count, left: count, ...at }),
  ),
  fc.record({ op: fc.constant('queue-stats'), stats, index: count }),
  fc.record({ op: fc.constant('queue-list'), queues: fc.array(stats, { maxLength: 3 }), more: fc.boolean(), index: count }),
  fc.record({ op: fc.constant('queue-dead'), letters: fc.array(letter, { maxLength: 3 }), more: fc.boolean(), index: count }),
) as unknown as fc.Arbitrary<QueueResult>;

const plain = <T>(data: T): T => structuredClone(data);
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const hex = (data: Uint8Array): string => Buffer.from(data).toString('hex');

describe('requests of queues', () => {
  it('come back as they were, from the log, from a user and from another node', () => {
    fc.assert(
      fc.property(write, fc.option(fc.constantFrom('s1', 's2')), (wanted, id) => {
        const session = id === null ? {} : { session: { id } };
        const data = encodeCommand({ write: wanted, ...session });
        assert.deepEqual(plain(decodeCommand(data)?.write), plain(wanted));
        assert.deepEqual(plain(parseWrite(wanted)), { ok: true, value: plain(wanted) });
        assert.deepEqual(plain(parseRequestWrite(unpack(pack(data)))), { write: plain(wanted), idempotencyKey: id });
      }),
      { numRuns: 300, seed: 3 },
    );
  });

  it('keep the bytes that logs have', () => {
    const token57 = { message: 42, token: { term: 3, index: 57 } };
    const golden: [QueueWrite, string][] = [
      [{ op: 'queue-send', queue: 'q', body: bytes('hi') }, '010012017100' + '6869'],
      [
        { op: 'queue-send', queue: 'q', body: bytes('hi'), delayMs: 300, ordering: 'o', dedup: 'd' },
        '010012017107' + 'ac02' + '016f' + '0164' + '6869',
      ],
      [{ op: 'queue-receive', queue: 'q', max: 5, waitMs: 0, visibilityMs: 1_000 }, '010013017101' + '0500' + 'e807'],
      [{ op: 'queue-ack', queue: 'q', receipt: token57 }, '0100140171' + '2a0339'],
      [{ op: 'queue-nack', queue: 'q', receipt: token57, unseen: true }, '010015017104' + '2a0339'],
      [{ op: 'queue-extend', queue: 'q', receipt: token57, visibilityMs: 9 }, '0100160171' + '2a0339' + '09'],
      [{ op: 'queue-configure', queue: 'q', options: { maxDeliveries: 2, retentionMs: null } }, '01001001710a' + '0200'],
      [{ op: 'queue-delete', queue: 'q' }, '0100110171'],
      [{ op: 'queue-redrive', queue: 'q', messages: [1, 2] }, '010017017102' + '020102'],
      [{ op: 'queue-purge', queue: 'q', which: 'all' }, '010018017101'],
    ];
    for (const [wanted, expected] of golden) assert.equal(hex(encodeCommand({ write: wanted })), expected, wanted.op);
  });

  it('are nothing when a bit is wrong, and never throw', () => {
    fc.assert(
      fc.property(write, fc.nat(), fc.nat(255), (wanted, place, byte) => {
        const data = encodeCommand({ write: wanted });
        data[place % data.byteLength] = byte;
        const decoded = decodeCommand(data);
        // Whatever it is now has one form only, and is what a user may ask for.
        if (decoded === null) return;
        const session = decoded.session === undefined ? {} : { session: decoded.session };
        if (decoded.session === undefined) assert.deepEqual(encodeCommand({ write: decoded.write, ...session }), data);
        if (decoded.write.op !== 'expire') assert.equal(parseWrite(decoded.write).ok, true);
      }),
      { numRuns: 500, seed: 5 },
    );
  });

  it('are refused with the name of what is wrong', () => {
    const reason = (value: unknown): string => {
      const parsed = parseWrite(value);
      return parsed.ok ? 'nothing' : `${parsed.failure.code} ${parsed.failure.message}`;
    };
    const sends = { op: 'queue-send', queue: 'q', body: bytes('x') };
    assert.match(reason({ ...sends, queue: '' }), /queue must not be empty/);
    assert.match(reason({ ...sends, queue: 'a\0' }), /NUL/);
    assert.match(reason({ ...sends, body: 'text' }), /body must be bytes/);
    assert.match(reason({ ...sends, body: new Uint8Array(queueLimits.bodyBytesMax + 1) }), /^TOO_LARGE/);
    assert.match(reason({ ...sends, delay: 1 }), /has no field 'delay'/);
    assert.match(reason({ ...sends, dedup: 'x'.repeat(257) }), /^TOO_LARGE dedup/);
    assert.match(reason({ op: 'queue-receive', queue: 'q', max: 0, waitMs: 0 }), /max must be/);
    assert.match(reason({ op: 'queue-receive', queue: 'q', max: 1 }), /waitMs must be/);
    assert.match(reason({ op: 'queue-ack', queue: 'q', receipt: '1.2.3' }), /receipt must be an object/);
    assert.match(reason({ op: 'queue-redrive', queue: 'q', messages: [] }), /messages must be 1 to 1000 numbers/);
    assert.match(reason({ op: 'queue-configure', queue: 'q', options: { retentionMs: 0 } }), /retentionMs must be/);
    assert.deepEqual(parseRead({ op: 'queue-dead', queue: 'q', limit: 0 }).ok, false);
    assert.deepEqual(parseRead({ op: 'queue-stats' }).ok, false);
    assert.deepEqual(parseRead({ op: 'queue-list', limit: 1, after: 'x' }).ok, true);
  });
});

describe('answers of queues', () => {
  it('come back as they were', () => {
    fc.assert(
      fc.property(result, (wanted) => {
        assert.deepEqual(plain(parseResult(unpack(pack(formResult(wanted))))), plain(wanted));
      }),
      { numRuns: 300, seed: 4 },
    );
  });

  it('are nothing when they are longer, shorter or other than ours', () => {
    fc.assert(
      fc.property(result, fc.nat(), fc.constantFrom(null, -1, 'x', [], {}, 1.5), (wanted, place, instead) => {
        const form = formResult(wanted) as unknown[];
        assert.equal(parseResult(form.slice(0, -1)), null);
        assert.equal(parseResult([...form, 0]), null);
        const other = [...form];
        other[place % other.length] = instead;
        const parsed = parseResult(other);
        if (parsed !== null) assert.deepEqual(plain(formResult(parsed)), plain(other));
      }),
      { numRuns: 300, seed: 6 },
    );
  });
});

it('a receipt is a word that people can carry', () => {
  fc.assert(
    fc.property(receipt, (wanted) => assert.deepEqual(receiptOf(receiptText(wanted)), plain(wanted))),
    { numRuns: 50 },
  );
  for (const text of ['', '1', '1.2', '1.2.3.4', '1.2.x', '-1.2.3', '1.2.99999999999999999', ' 1.2.3'])
    assert.equal(receiptOf(text), null, text);
});

it('defaults are those of the requirements', () => {
  const { visibilityMs: visibility, dedupMs, maxDeliveries } = queueDefaults;
  assert.deepEqual([visibility, dedupMs, maxDeliveries], [30_000, 300_000, 5]);
});
