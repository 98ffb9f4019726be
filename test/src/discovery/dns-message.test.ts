// What is read of DNS answers: also of those that no server should send.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import dnsPacket, { type Answer, type Packet } from 'dns-packet';
import fc from 'fast-check';
import {
  areLabels,
  formQuestion,
  labelsOf,
  nameOf,
  type Question,
  readReply,
  recordsAt,
} from '../../../src/discovery/dns-message.ts';

const service: Question = { labels: ['_polity', '_tcp', 'example', 'org'], type: 'SRV' };
const id = 0x1234;
const name = '_polity._tcp.example.org';
const srv: Answer = {
  type: 'SRV',
  name,
  ttl: 60,
  class: 'IN',
  data: { target: 'N1.Example.org', port: 7401, priority: 1, weight: 2 },
};

const message = (answers: Answer[], more: Partial<Packet> = {}): Buffer =>
  dnsPacket.encode({ type: 'response', id, flags: 0, questions: [{ type: 'SRV', name }], answers, ...more });
const readBytes = (bytes: Buffer, question = service) => readReply(dnsPacket, Buffer.from(bytes), id, question);

test('a question is what dns-packet would have asked, with EDNS of 1232 bytes', () => {
  const query = dnsPacket.decode(formQuestion(id, service, true));
  assert.equal(query.id, id);
  assert.equal(query.flag_rd, true);
  assert.deepEqual(query.questions, [{ name, type: 'SRV', class: 'IN' }]);
  const [option] = query.additionals ?? [];
  assert.equal(option?.type === 'OPT' && option.udpPayloadSize, 1232);
  assert.deepEqual(dnsPacket.decode(formQuestion(id, service, false)).additionals, []);
});

test('records are read with names in lower case and times in milliseconds', () => {
  const reply = readBytes(message([{ ...srv, name: '_Polity._TCP.example.ORG' }]));
  assert.equal(reply?.code, 'NOERROR');
  assert.deepEqual(reply?.answers, [
    { type: 'SRV', name, ttlMs: 60_000, target: 'n1.example.org', port: 7401, priority: 1, weight: 2 },
  ]);
});

test('a time with the highest bit is none (RFC 2181 §8), other classes and types are left out', () => {
  const reply = readBytes(
    message([
      { ...srv, ttl: 2 ** 31 },
      { ...srv, class: 'CH' },
      { type: 'NSEC', name, ttl: 1, data: { nextDomain: 'a.example.org', rrtypes: ['A'] } },
    ]),
  );
  assert.deepEqual(
    reply?.answers.map(({ ttlMs }) => ttlMs),
    [0],
  );
});

test('what is no answer to this question is none', () => {
  const good = message([srv]);
  assert.notEqual(readBytes(good), null);
  const changed = (at: number, value: number): Buffer => {
    const bytes = Buffer.from(good);
    bytes[at] = value;
    return bytes;
  };
  assert.equal(readBytes(changed(1, 0x35)), null, 'another id');
  assert.equal(readBytes(changed(2, 0x00)), null, 'a question');
  assert.equal(readBytes(changed(2, 0x90)), null, 'another opcode');
  assert.equal(readBytes(changed(5, 0)), null, 'no question');
  assert.equal(readBytes(good, { ...service, type: 'TXT' }), null, 'another type');
  assert.equal(readBytes(good, { ...service, labels: ['_polity', '_tcp', 'example', 'com'] }), null, 'another name');
  assert.equal(
    readBytes(
      message([srv], {
        questions: [
          { type: 'SRV', name },
          { type: 'TXT', name },
        ],
      }),
    ),
    null,
    'two questions',
  );
  assert.equal(readBytes(Buffer.alloc(0)), null, 'nothing');
  assert.equal(readBytes(good.subarray(0, good.length - 1)), null, 'cut off without saying so');
});

test('codes, also the long ones of EDNS', () => {
  assert.equal(readBytes(message([], { flags: 2 }))?.code, 'SERVFAIL');
  assert.equal(readBytes(message([], { flags: 3 }))?.code, 'NXDOMAIN');
  assert.equal(readBytes(message([], { flags: 9 }))?.code, 'code 9');
  const option: Answer = {
    type: 'OPT',
    name: '.',
    udpPayloadSize: 512,
    extendedRcode: 1,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options: [],
  };
  assert.equal(readBytes(message([], { additionals: [option] }))?.code, 'code 16');
  assert.equal(readBytes(message([], { flags: 1, questions: [] }))?.code, 'FORMERR', 'a server that understood nothing');
});

test('of an answer that is cut off only the question counts, wherever it ends', () => {
  const bytes = message([srv, srv, srv], { flags: dnsPacket.TRUNCATED_RESPONSE });
  for (const length of [bytes.length, bytes.length - 1, bytes.length - 30]) {
    const reply = readBytes(bytes.subarray(0, length));
    assert.deepEqual([reply?.truncated, reply?.answers], [true, []]);
  }
});

test('how long there is nothing: the shorter of the time and the minimum of the SOA (RFC 2308 §5)', () => {
  const soa = (ttl: number, minimum: number): Answer => ({
    type: 'SOA',
    name: 'example.org',
    ttl,
    data: { mname: 'a', rname: 'b', minimum },
  });
  assert.equal(readBytes(message([], { flags: 3, authorities: [soa(60, 7)] }))?.emptyTtlMs, 7_000);
  assert.equal(readBytes(message([], { flags: 3, authorities: [soa(6, 70)] }))?.emptyTtlMs, 6_000);
  assert.equal(readBytes(message([], { flags: 3 }))?.emptyTtlMs, null);
});

test('a server that names others instead of an answer does not look up names', () => {
  const authorities: Answer[] = [{ type: 'NS', name: 'org', ttl: 60, data: 'ns.org' }];
  assert.equal(readBytes(message([], { authorities }))?.referral, true);
  assert.equal(readBytes(message([], { authorities, flags: dnsPacket.AUTHORITATIVE_ANSWER }))?.referral, false);
  assert.equal(readBytes(message([srv], { authorities }))?.referral, false);
});

/** Header, question `a`, and then these bytes as so many answers. */
const raw = (count: number, ...rest: number[]): Buffer =>
  Buffer.from([0x12, 0x34, 0x80, 0, 0, 1, count >> 8, count & 0xff, 0, 0, 0, 0, 1, 0x61, 0, 0, 1, 0, 1, ...rest]);
const a: Question = { labels: ['a'], type: 'A' };
const address = [0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 0, 0, 1];

test('pointers that lead to themselves, forwards, round in a circle or out of the message end at once', () => {
  const at = 19;
  assert.equal(readBytes(raw(1, 0xc0, 12, ...address), a)?.answers.length, 1, 'a good one');
  for (const pointer of [at, at + 2, at + 4, 0x3fff])
    assert.equal(readBytes(raw(1, 0xc0 | (pointer >> 8), pointer & 0xff, ...address), a), null, `to ${pointer}`);
  const circle = raw(2, 0xc0, at + 16, ...address, 0xc0, at, ...address);
  assert.equal(readBytes(circle, a), null);
});

test('counts and lengths that lead out of the message make it malformed', () => {
  assert.equal(readBytes(raw(2, 0xc0, 12, ...address), a), null, 'one answer of two');
  assert.equal(readBytes(raw(0xffff, 0xc0, 12, ...address), a), null, 'one of 65535');
  assert.equal(readBytes(raw(1, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 9, 10, 0, 0, 1), a), null, 'an address beyond the end');
  assert.equal(readBytes(raw(1, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 3, 10, 0, 0), a), null, 'an address of three bytes');
  assert.equal(readBytes(raw(1, 0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 60, 0, 2, 9, 9), a), null, 'a text beyond its record');
  assert.equal(readBytes(raw(1, 0xc0, 12, 0, 33, 0, 1, 0, 0, 0, 60, 0, 2, 9, 9), a), null, 'a service without a target');
});

test('the worst 64 KiB that a server can say over TCP cost less than a second', () => {
  // Pointers to pointers to pointers, and as many records as fit that begin with the last of them.
  const chain = Array.from({ length: 8_100 }, (_, index) => {
    const to = index === 0 ? 12 : 12 + 7 + 12 + 2 * (index - 1);
    return [0xc0 | (to >> 8), to & 0xff];
  }).flat();
  const opaque = [0xc0, 12, 0, 10, 0, 1, 0, 0, 0, 60, chain.length >> 8, chain.length & 0xff, ...chain];
  const last = 12 + 7 + 12 + 2 * 8_099;
  const one = [0xc0 | (last >> 8), last & 0xff, ...address];
  const count = Math.floor((65_535 - 19 - opaque.length) / one.length);
  const bytes = raw(count + 1, ...opaque, ...Array.from({ length: count }, () => one).flat());
  const began = process.cpuUsage();
  const reply = readBytes(bytes, a);
  const tookMs = process.cpuUsage(began).user / 1_000;
  assert.ok(reply === null || reply.answers.length === count);
  assert.ok(tookMs < 1_000, `${tookMs} ms`);
});

test('whatever comes is an answer or none, never an exception', () => {
  const good = message([srv, { type: 'TXT', name, ttl: 1, data: ['a=b', 'c'] }], {
    additionals: [{ type: 'AAAA', name: 'n1.example.org', ttl: 3, data: '::1' }],
    authorities: [{ type: 'SOA', name: 'example.org', ttl: 1, data: { mname: 'a.b', rname: 'c.d', minimum: 1 } }],
  });
  const damage = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(damage, fc.nat(good.length), (changes, length) => {
      const bytes = Buffer.from(good.subarray(0, length));
      for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
      readReply(dnsPacket, bytes, id, service);
    }),
    { numRuns: 2_000, seed: 4 },
  );
});

test('a dot inside a label stays there', () => {
  const labels = ['Node 1.east.', '_polity', '_tcp', 'local'];
  assert.deepEqual(labelsOf(nameOf(labels)), ['node 1.east.', '_polity', '_tcp', 'local']);
  const question: Question = { labels, type: 'TXT' };
  const query = formQuestion(id, question, false);
  const bytes = Buffer.concat([query, Buffer.from([0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 60, 0, 2, 1, 0x78])]);
  bytes[2] = 0x80;
  bytes[7] = 1;
  assert.deepEqual(readBytes(bytes, question)?.answers, [{ type: 'TXT', name: nameOf(labels), ttlMs: 60_000, texts: ['x'] }]);
  assert.equal(readBytes(bytes, { ...question, labels: ['node 1', 'east', '_polity', '_tcp', 'local'] }), null);
});

test('which names can be asked for', () => {
  assert.ok(areLabels(['a'.repeat(63), 'b.c', 'é']));
  assert.ok(areLabels(Array(127).fill('a')), '255 bytes');
  for (const labels of [[], [''], ['a', ''], ['a'.repeat(64)], Array(128).fill('a'), ['a\n'], ['a\ufffd'], ['\u0001']])
    assert.equal(areLabels(labels), false, JSON.stringify(labels));
});

test('aliases are followed within the answer, for as long as the shortest of them lives; circles are none', () => {
  const alias = (from: string, target: string, ttlMs: number) => ({ type: 'CNAME', name: from, ttlMs, target }) as const;
  const host = { type: 'A', name: 'c', ttlMs: 60_000, address: '10.0.0.1' } as const;
  const asked: Question<'A'> = { labels: ['a'], type: 'A' };
  assert.deepEqual(recordsAt([alias('a', 'b', 50_000), host, alias('b', 'c', 9_000)], asked), [{ ...host, ttlMs: 9_000 }]);
  assert.deepEqual(recordsAt([alias('a', 'b', 1), alias('b', 'd', 1), host], asked), []);
  assert.equal(recordsAt([alias('a', 'b', 1), alias('b', 'a', 1)], asked), null);
  assert.equal(recordsAt([alias('a', 'a', 1)], asked), null);
});
