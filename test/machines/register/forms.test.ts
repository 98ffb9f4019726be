// What is stored or sent keeps its bytes; what comes from outside is checked field by field.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  decodeCommand,
  encodeCommand,
  formOutcome,
  formRequestRead,
  formRequestWrite,
  formResult,
  type KeyValue,
  listRange,
  listResult,
  parseIdempotencyKey,
  parseOutcome,
  parseRead,
  parseRequestRead,
  parseRequestWrite,
  parseResult,
  parseWrite,
  type RegisterOutcome,
  type RegisterResult,
  type RegisterWrite,
} from '../../../machines/register/index.ts';
import { pack, unpack } from '../../../machines/wire/envelope.ts';
import { limits } from '../../../machines/wire/limits.ts';
import {
  createInk,
  cursorOf,
  dry,
  inkCount,
  isSpent,
  isWellFormed,
  readCount,
  readUtf8,
  utf8,
} from '../../../machines/wire/octets.ts';
import { bytes, createReplica } from './replica.ts';

const hex = (data: Uint8Array): string => Buffer.from(data).toString('hex');

const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }).filter((text) => !text.includes('\0'));
const token = fc.record({ term: fc.maxSafeNat(), index: fc.maxSafeNat() });
const value = fc.uint8Array({ maxLength: 20 });
const ttlMs = fc.integer({ min: limits.ttlMsMin, max: limits.ttlMsMax });
const guards = {
  condition: fc.oneof(
    fc.record({ kind: fc.constant('value' as const), value }),
    fc.record({ kind: fc.constant('index' as const), index: fc.maxSafeNat() }),
  ),
  fence: fc.record({ lock: name, token }),
};
const write: fc.Arbitrary<RegisterWrite> = fc.oneof(
  fc.record(
    { op: fc.constant('put' as const), key: name, value, ttlMs, lease: name, ...guards },
    { requiredKeys: ['op', 'key', 'value'] },
  ),
  fc.record({ op: fc.constant('delete' as const), key: name, ...guards }, { requiredKeys: ['op', 'key'] }),
  fc.record({ op: fc.constant('lease-grant' as const), lease: name, ttlMs }),
  fc.record({ op: fc.constantFrom('lease-renew' as const, 'lease-revoke' as const), lease: name }),
  fc.record({ op: fc.constant('lock-acquire' as const), lock: name, lease: name, owner: name }),
  fc.record({ op: fc.constant('lock-release' as const), lock: name, token }),
) as fc.Arbitrary<RegisterWrite>;

const plain = <T>(data: T): T => structuredClone(data);

describe('commands', () => {
  it('come back as they were, and from another node too', () => {
    fc.assert(
      fc.property(write, fc.option(fc.string({ minLength: 1, maxLength: 20 })), (wanted, id) => {
        const session = id === null ? {} : { session: { id } };
        const decoded = decodeCommand(encodeCommand({ write: wanted, ...session }));
        assert.deepEqual(plain(decoded?.write), plain(wanted));
        assert.equal(decoded?.session?.id, id ?? undefined);
        assert.equal(decoded?.digest?.byteLength, id === null ? undefined : 16);
        const request = { write: plain(wanted), idempotencyKey: id };
        assert.deepEqual(plain(parseRequestWrite(unpack(pack(formRequestWrite(request))))), request);
        assert.equal(parseRequestWrite([request.write, id]), null, 'there is one form');
        assert.deepEqual(parseWrite(request.write), { ok: true, value: request.write });
      }),
      { numRuns: 400, seed: 3 },
    );
  });

  it('have bytes that never change', () => {
    const golden: [RegisterWrite, string, string | null][] = [
      [{ op: 'put', key: 'k', value: bytes('v') }, '01000100016b76', null],
      [{ op: 'expire' }, '010008', null],
      [{ op: 'lease-grant', lease: 'l', ttlMs: 300 }, '010003016cac02', null],
      [{ op: 'lock-release', lock: 'm', token: { term: 1, index: 2 ** 40 } }, '010007016d01808080808020', null],
      [{ op: 'delete', key: 'k' }, '0101731546d416e8dae14a8c50beb8ab3495050200016b', 's'],
    ];
    for (const [wanted, expected, id] of golden)
      assert.equal(hex(encodeCommand({ write: wanted, ...(id === null ? {} : { session: { id } }) })), expected, wanted.op);
  });

  it('leave records whose bytes never change', () => {
    const replica = createReplica();
    replica.done({ op: 'lease-grant', lease: 'l', ttlMs: 300 });
    replica.put('k', 'v', { ttlMs: 50, lease: 'l' });
    replica.done({ op: 'lock-acquire', lock: 'm', lease: 'l', owner: 'o' });
    replica.put('p', 'v', {}, 's');
    assert.deepEqual(
      replica.keyspace.records().map(([key, record]) => `${hex(key)} ${hex(record)}`),
      [
        '6c6c 10ac02940a',
        '6d6d 10016f016c0103',
        '730000000000000004 100173e8078f823354b02b4d89ee968d8a8e1903f5010401',
        '766b 1302010201' + '9a08' + '016c' + '76',
        '7670 1004010401' + '76',
      ],
    );
  });

  it('that no parse would let through are refused when applied', () => {
    const replica = createReplica();
    const put = (change: object): RegisterWrite => ({ op: 'put', key: 'k', value: bytes(''), ...change });
    const wrong: RegisterWrite[] = [
      put({ key: '' }),
      put({ key: 'a\0b' }),
      put({ key: '\ud800' }),
      put({ key: 'x'.repeat(limits.keyBytesMax + 1) }),
      put({ key: 'x'.repeat(100_000) }),
      put({ ttlMs: 0 }),
      put({ ttlMs: -1 }),
      put({ ttlMs: 1.5 }),
      put({ ttlMs: limits.ttlMsMax + 1 }),
      put({ condition: { kind: 'index', index: Number.NaN } }),
      put({ condition: { kind: 'value', value: new Uint8Array(limits.conditionValueBytesMax + 1) } }),
      put({ lease: 'x'.repeat(limits.registerIdBytesMax + 1) }),
      { op: 'lock-acquire', lock: 'm', lease: '', owner: 'me' },
    ];
    for (const one of wrong) {
      assert.equal(replica.code(one), 'INVALID_REQUEST');
      assert.equal(parseWrite(one).ok, false);
    }
    for (const id of ['', 'ü', 'a\n', 'x'.repeat(129)]) {
      assert.equal(replica.code(put({}), id), 'INVALID_REQUEST');
      assert.equal(parseIdempotencyKey(id).ok, false);
    }
    assert.equal(replica.keyspace.records().length, 0);
  });

  it('cut anywhere are no commands, but for the value, which has no end of its own', () => {
    const data = encodeCommand({
      write: { op: 'put', key: 'key', value: bytes('value'), ttlMs: 9, lease: 'l' },
      session: { id: 's' },
    });
    for (let length = 0; length < data.byteLength - 5; length++) assert.equal(decodeCommand(data.subarray(0, length)), null);
  });
});

describe('octets', () => {
  it('counts have one encoding', () => {
    fc.assert(
      fc.property(fc.oneof(fc.maxSafeNat(), fc.nat(300), fc.constantFrom(2 ** 31 - 1, 2 ** 31, 2 ** 53 - 1)), (count) => {
        const ink = createInk();
        inkCount(ink, count);
        const cursor = cursorOf(dry(ink));
        assert.equal(readCount(cursor), count);
        assert.ok(isSpent(cursor));
      }),
      { numRuns: 500, seed: 4 },
    );
    for (const bad of ['8000', 'ff00', '', '80', 'ffffffffffffff1f', 'ffffffffffffffff01']) {
      const cursor = cursorOf(Buffer.from(bad, 'hex'));
      readCount(cursor);
      assert.ok(cursor.failed, bad);
    }
  });

  it('texts agree with the platform’s UTF-8, well-formed or not', () => {
    const fatal = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    const expected = (data: Uint8Array): string | null => {
      try {
        return fatal.decode(data);
      } catch {
        return null;
      }
    };
    const lead = fc.constantFrom(
      0x41,
      0x80,
      0xbf,
      0xc0,
      0xc2,
      0xdf,
      0xe0,
      0xa0,
      0x9f,
      0xed,
      0xef,
      0xbb,
      0xf0,
      0x90,
      0x8f,
      0xf4,
      0xf5,
      0xff,
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 8 }),
          fc.array(lead, { maxLength: 8 }).map((list) => Uint8Array.from(list)),
        ),
        (data) => {
          assert.equal(readUtf8(data, 0, data.byteLength), expected(data));
        },
      ),
      { numRuns: 5_000, seed: 5 },
    );
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 3_000 }), (text) => {
        assert.equal(isWellFormed(text), !/\p{Surrogate}/u.test(text));
        if (!isWellFormed(text)) return assert.equal(readUtf8(utf8(text), 0, utf8(text).byteLength), null);
        assert.deepEqual(utf8(text), bytes(text));
        assert.equal(readUtf8(bytes(text), 0, bytes(text).byteLength), text);
      }),
      { numRuns: 300, seed: 6 },
    );
    assert.equal(isWellFormed('\ud800'), false);
    assert.equal(readUtf8(utf8('a\udc00'), 0, 4), null);
  });
});

describe('parse', () => {
  const messageOf = (parsed: { ok: boolean; failure?: { code: string; message: string } }): string =>
    parsed.ok ? 'ok' : `${parsed.failure?.code}: ${parsed.failure?.message}`;

  it('names what is wrong with a write', () => {
    const put = { op: 'put', key: 'k', value: bytes('v') };
    const cases: [unknown, RegExp][] = [
      [null, /^INVALID_REQUEST: op must be one of put, delete/],
      [{ op: 'toString' }, /op must be one of/],
      [{ op: 'expire' }, /op must be one of/],
      [{ ...put, key: 7 }, /key must be a string/],
      [{ ...put, key: '' }, /key must not be empty/],
      [{ ...put, key: 'ü'.repeat(513) }, /^TOO_LARGE: key is longer than 1024 bytes/],
      [{ ...put, key: '\udc00' }, /key is not well-formed/],
      [{ ...put, key: 'a\0' }, /key contains NUL/],
      [{ ...put, value: 'v' }, /value must be bytes/],
      [{ ...put, value: new Uint8Array(limits.valueBytesMax + 1) }, /^TOO_LARGE: value has 1048577 bytes/],
      [{ ...put, ttl: 5 }, /a put has no field 'ttl'/],
      [{ ...put, ttlMs: 0 }, /ttlMs must be/],
      [{ ...put, condition: {} }, /condition.kind must be/],
      [{ ...put, condition: { kind: 'index', index: -1 } }, /condition.index must be/],
      [{ ...put, condition: { kind: 'index', index: 0, value: bytes('') } }, /condition has no field 'value'/],
      [{ ...put, fence: { lock: 'm', token: 5 } }, /token must be an object/],
      [{ ...put, fence: { lock: 'm', token: { term: 1 } } }, /token.index must be/],
      [{ op: 'delete', key: 'k', value: bytes('') }, /a delete has no field 'value'/],
      [{ op: 'lease-grant', lease: 'l' }, /ttlMs must be/],
      [{ op: 'lock-acquire', lock: 'm', lease: 'l' }, /owner must be a string/],
      [{ op: 'lock-acquire', lock: 'm', lease: 'x'.repeat(257), owner: 'o' }, /^TOO_LARGE: lease is longer than 256 bytes/],
    ];
    for (const [input, expected] of cases) assert.match(messageOf(parseWrite(input)), expected);
    assert.deepEqual(parseWrite({ ...put, ttlMs: undefined, lease: undefined }), { ok: true, value: put });
  });

  it('names what is wrong with a read', () => {
    const list = { op: 'list', prefix: '', limit: 10 };
    const cases: [unknown, RegExp][] = [
      [[], /op must be one of get, list/],
      [{ op: 'get' }, /key must be a string/],
      [{ ...list, limit: 0 }, /limit must be/],
      [{ ...list, limit: limits.listItemsMax + 1 }, /limit must be/],
      [{ ...list, prefix: 5 }, /prefix must be a string/],
      [{ ...list, after: 'x'.repeat(1_025) }, /^TOO_LARGE: after/],
      [{ op: 'lease-get', lease: '' }, /lease must not be empty/],
    ];
    for (const [input, expected] of cases) assert.match(messageOf(parseRead(input)), expected);
    for (const fine of [list, { ...list, after: 'a' }, { op: 'get', key: 'k' }, { op: 'lock-get', lock: 'm' }])
      assert.deepEqual(parseRead(fine), { ok: true, value: fine });
  });

  it('never throws, whatever comes', () => {
    const anything = fc.anything({ withTypedArray: true, withNullPrototype: true, withBigInt: true });
    const shaped = fc.record(
      {
        op: fc.constantFrom('put', 'delete', 'get', 'list', 'lock-release'),
        key: anything,
        value: anything,
        condition: anything,
        fence: anything,
        token: anything,
        limit: anything,
      },
      { requiredKeys: ['op'] },
    );
    fc.assert(
      fc.property(fc.oneof(anything, shaped, fc.array(anything, { maxLength: 6 })), (input) => {
        for (const parse of [parseWrite, parseRead, parseIdempotencyKey]) assert.equal(typeof parse(input).ok, 'boolean');
        for (const parse of [parseRequestWrite, parseRequestRead, parseResult, parseOutcome]) parse(input);
      }),
      { numRuns: 1_500, seed: 8 },
    );
  });
});

describe('results between nodes', () => {
  const found: KeyValue = {
    ...{ key: 'k', value: bytes('v'), index: 5, term: 2, createIndex: 3, version: 2, expiresAtMs: 9, lease: 'l' },
  };
  const at = { index: 7, term: 3 };
  const lockToken = { term: 3, index: 6 };
  const results: RegisterResult[] = [
    { op: 'put', key: 'k', ...at },
    { op: 'delete', key: 'k', ...at },
    { op: 'lease-grant', lease: 'l', expiresAtMs: 5, ...at },
    { op: 'lease-renew', lease: 'l', expiresAtMs: 5, ...at },
    { op: 'lease-revoke', lease: 'l', expiresAtMs: 5, ...at },
    { op: 'lock-acquire', lock: 'm', token: lockToken, ...at },
    { op: 'lock-release', lock: 'm', token: lockToken, ...at },
    { op: 'expire', ...at },
    { op: 'get', found, index: 7 },
    { op: 'get', found: null, index: 7 },
    { op: 'list', items: [found, { ...found, key: 'l', expiresAtMs: null, lease: null }], more: true, index: 7 },
    { op: 'list', items: [], more: false, index: 7 },
    { op: 'lock-get', holder: { owner: 'o', lease: 'l', token: lockToken }, index: 7 },
    { op: 'lock-get', holder: null, index: 7 },
    { op: 'lease-get', lease: { ttlMs: 1, expiresAtMs: 2 }, index: 7 },
    { op: 'lease-get', lease: null, index: 7 },
  ];
  const outcomes: RegisterOutcome[] = [
    ...results.map((result): RegisterOutcome => ({ ok: true, result })),
    { ok: false, failure: { code: 'CAS_MISMATCH', message: 'm', details: { index: 5, x: null, y: true, z: 's' } } },
    { ok: false, failure: { code: 'NO_QUORUM', message: 'm' } },
  ];

  it('come back as they were', () => {
    for (const outcome of outcomes) assert.deepEqual(plain(parseOutcome(unpack(pack(formOutcome(outcome))))), outcome);
    for (const result of results) assert.deepEqual(plain(parseResult(unpack(pack(formResult(result))))), result);
    for (const request of [{ read: { op: 'get' as const, key: 'k' }, lease: true }])
      assert.deepEqual(parseRequestRead(unpack(pack(formRequestRead(request)))), request);
  });

  it('with any element missing, added or replaced are no results of ours', () => {
    for (const result of results) {
      const form = formResult(result) as unknown[];
      for (let at = 0; at < form.length; at++) {
        assert.equal(parseResult(form.toSpliced(at, 1)), null);
        // A name may be any text; everything else has one kind.
        const isName = typeof form[at] === 'string' && at > 0;
        for (const alien of [-1, 0.5, {}, [1], undefined, ...(isName ? [] : ['alien'])])
          assert.equal(parseResult(form.with(at, alien)), null, `${result.op} ${at} ${String(alien)}`);
      }
      assert.equal(parseResult([...form, 0]), null);
    }
  });

  it('of a failure need a known code, bounded text and plain details', () => {
    for (const form of [
      [false, 'TOSTRING', 'm', null],
      [false, 'toString', 'm', null],
      [false, 'NO_QUORUM', 'm'.repeat(1_001), null],
      [false, 'NO_QUORUM', 'm', { x: {} }],
      [false, 'NO_QUORUM', 'm', Object.fromEntries(Array.from({ length: 17 }, (_, n) => [`k${n}`, n]))],
      [false, 'NO_QUORUM', 'm', [1]],
      [false, 'NO_QUORUM', 'm'],
      [true],
      [1, formResult(results[0]!)],
    ])
      assert.equal(parseOutcome(form), null);
  });
});

describe('list', () => {
  it('says more where a page was cut by its bytes, and a strange `after` reads nothing backwards', () => {
    const request = { op: 'list', prefix: 'b', limit: 10 } as const;
    const replica = createReplica();
    for (const key of ['a', 'b1', 'b2', 'c']) replica.put(key, key);
    const page = (after: string) => {
      const range = listRange({ ...request, after });
      assert.ok(Buffer.compare(range.gte, range.lt) <= 0);
      return replica.keyspace.range(range.gte, range.lt, range.limit).length;
    };
    assert.deepEqual([page('a'), page('b1'), page('b2'), page('c'), page('')], [2, 1, 0, 0, 2]);
    const range = listRange(request);
    const records = replica.keyspace.range(range.gte, range.lt, range.limit);
    const more = (complete: boolean): unknown => {
      const outcome = listResult(request, records, 4, complete);
      return outcome.ok && outcome.result.op === 'list' && outcome.result.more;
    };
    assert.deepEqual([more(true), more(false)], [false, true]);
    const large = createReplica();
    large.done({ op: 'put', key: 'b', value: new Uint8Array(1 << 20) });
    const outcome = listResult(request, large.keyspace.range(range.gte, range.lt, range.limit), 1);
    assert.ok(outcome.ok && outcome.result.op === 'list' && outcome.result.more);
  });
});
