// What goes over the wire comes back as it was; anything else becomes a named refusal, and nothing that parses makes a node throw.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type Fact,
  formMembershipMessage,
  type MembershipMessage,
  memberStatuses,
  membershipLimits,
  parseMembershipMessage,
  profileRefusal,
  step,
} from '../../../machines/membership/index.ts';
import { messageBytes } from '../../../machines/membership/messages.ts';
import { nodeStates } from '../../../machines/membership/profile.ts';
import { pack, unpack } from '../../../machines/wire/envelope.ts';
import { createNode, profileOf } from './stage.ts';

const peer = fc.constantFrom('a', 'b', 'c', 'd', 'e');
const word = fc
  .string({ maxLength: 12, unit: 'grapheme' })
  .filter((text) => text.length <= membershipLimits.wordCharsMax && !/\p{Cc}/u.test(text));
const amount = fc.double({ min: 0, max: 1e12, noNaN: true, noDefaultInfinity: true }).map((value) => value + 0);

const profile = fc.record({
  ...{ name: fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?$/), version: word, region: word },
  ...{ tags: fc.array(word, { maxLength: 3 }), capabilities: fc.array(word, { maxLength: 3 }) },
  resources: fc
    .uniqueArray(fc.tuple(word, fc.oneof(amount, word)), { maxLength: 3, selector: ([name]) => name })
    .map((pairs) => Object.fromEntries(pairs)),
  ...{
    capacity: amount,
    load: fc.double({ min: 0, max: 1, noNaN: true }).map((value) => value + 0),
    state: fc.constantFrom(...nodeStates),
  },
  addresses: fc.array(fc.string({ minLength: 1, maxLength: 20 }), { maxLength: 3 }),
});

const incarnation = fc.oneof(fc.nat(5), fc.nat(), fc.constant(membershipLimits.incarnationMax));

const facts: fc.Arbitrary<Fact> = fc
  .record({
    ...{ peer, incarnation, status: fc.constantFrom(...memberStatuses), by: peer, agoMs: fc.nat() },
    ...{ told: fc.option(profile), at: fc.nat(5) },
  })
  .map(({ peer, incarnation, status, by, agoMs, told, at }) => ({
    ...{ peer, incarnation, status, by: status === 'suspect' ? by : null },
    agoMs: status === 'alive' || status === 'suspect' ? 0 : agoMs,
    told: told === null || incarnation === 0 ? null : { profileAt: Math.max(1, Math.min(at, incarnation)), profile: told },
  }));

const list = fc.array(facts, { maxLength: 4 });
const sequence = fc.nat(3);
const bucketNumbers = fc
  .uniqueArray(fc.nat(membershipLimits.buckets - 1), { minLength: 1, maxLength: membershipLimits.buckets })
  .map((numbers) => numbers.sort((a, b) => a - b));

const any: fc.Arbitrary<MembershipMessage> = fc.oneof(
  fc.record({ type: fc.constantFrom('probe' as const, 'ack' as const, 'nack' as const), sequence, facts: list }),
  fc.record({ type: fc.constant('ask' as const), sequence, target: peer, facts: list }),
  fc.record({ type: fc.constant('gossip' as const), facts: list }),
  fc.record({ type: fc.constant('digest' as const), root: fc.maxSafeNat(), facts: list }),
  fc.record({
    type: fc.constant('buckets' as const),
    hashes: fc.oneof(
      fc.constant<number[]>([]),
      fc.array(fc.nat(0xffff_ffff), { minLength: membershipLimits.buckets, maxLength: membershipLimits.buckets }),
    ),
  }),
  fc.record({
    ...{ type: fc.constant('versions' as const), buckets: bucketNumbers },
    versions: fc.array(
      fc
        .record({ peer, incarnation, status: fc.constantFrom('alive', 'failed', 'left', 'evicted'), at: fc.nat(5) })
        .map(({ peer, incarnation, status, at }) => ({ peer, incarnation, status, profileAt: Math.min(at, incarnation) })),
      { maxLength: 4 },
    ),
  }) as fc.Arbitrary<MembershipMessage>,
  fc.record({
    ...{ type: fc.constant('page' as const), facts: list, wants: fc.array(peer, { maxLength: 3 }) },
    done: fc.nat(membershipLimits.buckets),
  }),
);

/** With the prototypes that a parser gives. */
const messages = any.map((message) => structuredClone(message));

test('what is said is what is heard', () => {
  fc.assert(
    fc.property(messages, (message) => {
      const parsed = parseMembershipMessage(unpack(pack(formMembershipMessage(message))));
      assert.ok(parsed.ok, JSON.stringify(message));
      assert.deepEqual(parsed.message, message);
    }),
    { numRuns: 2_000 },
  );
});

test('a message is never longer than it is taken for', () => {
  fc.assert(
    fc.property(messages, (message) => {
      assert.ok(pack(formMembershipMessage(message)).byteLength <= messageBytes(message), JSON.stringify(message));
    }),
    { numRuns: 2_000 },
  );
});

test('anything else is refused by name, never by an exception', () => {
  fc.assert(
    fc.property(fc.anything({ withNullPrototype: true }), (value) => {
      const parsed = parseMembershipMessage(value);
      if (!parsed.ok) assert.equal(parsed.refused, 'MEMBERSHIP_MALFORMED');
    }),
    { numRuns: 3_000 },
  );
});

/** Replaces one value anywhere in it. */
const damaged = (value: unknown, path: number, by: unknown): unknown => {
  if (!Array.isArray(value) || value.length === 0) return by;
  const copy = [...(value as unknown[])];
  const at = path % copy.length;
  copy[at] = damaged(copy[at], Math.floor(path / copy.length), by);
  return copy;
};

test('a message with one wrong field is refused or is another message', () => {
  const wrong = fc.oneof(fc.anything(), fc.constantFrom(-1, 1.5, Number.NaN, 2 ** 53, '', 'x'.repeat(200), null, [], {}));
  fc.assert(
    fc.property(messages, fc.nat(), wrong, (message, path, by) => {
      const parsed = parseMembershipMessage(damaged(formMembershipMessage(message), path, by));
      if (!parsed.ok) assert.equal(parsed.refused, 'MEMBERSHIP_MALFORMED');
      else parseMembershipMessage(formMembershipMessage(parsed.message));
    }),
    { numRuns: 3_000 },
  );
});

test('whatever parses, from whomever, breaks no invariant of a node', () => {
  const steps = fc.array(fc.record({ from: peer, message: messages, waitMs: fc.nat(2_000) }), { maxLength: 25 });
  fc.assert(
    fc.property(steps, (said) => {
      const node = createNode('a', { known: ['a', 'b', 'c'] });
      let nowMs = 0;
      for (const { from, message, waitMs } of said) {
        nowMs += waitMs;
        step(node, nowMs, { type: 'message', from, message });
        step(node, nowMs, { type: 'wake' });
        if (node.persisting > node.durable) step(node, nowMs, { type: 'persisted', incarnation: node.persisting });
      }
    }),
    { numRuns: 500 },
  );
});

test('every list and text has a maximum', () => {
  const refused = (message: MembershipMessage): void =>
    assert.equal(parseMembershipMessage(formMembershipMessage(message)).ok, false);
  const fact = (given: Partial<Fact>): Fact => ({
    ...{ peer: 'a', incarnation: 1, status: 'alive', by: null, agoMs: 0, told: null, ...given },
  });
  const gossip = (given: Partial<Fact>): MembershipMessage => ({ type: 'gossip', facts: [fact(given)] });
  const many = (count: number): string[] => Array.from({ length: count }, (_, at) => `${at}`);
  const tells = (given: Parameters<typeof profileOf>[1]): MembershipMessage =>
    gossip({ told: { profileAt: 1, profile: profileOf('a', given) } });
  assert.ok(parseMembershipMessage(formMembershipMessage(tells({}))).ok);
  refused(gossip({ peer: 'x'.repeat(membershipLimits.peerCharsMax + 1) }));
  refused(gossip({ incarnation: membershipLimits.incarnationMax + 1 }));
  refused({ type: 'gossip', facts: many(membershipLimits.factsPerMessageMax + 1).map((peer) => fact({ peer })) });
  for (const name of ['x'.repeat(64), '', 'N1', 'n1\u001b[2J', '-n']) refused(tells({ name }));
  // What a terminal would take for a command.
  for (const word of ['\u001b]0;x\u0007', 'two\nlines', '\u009b2J']) {
    refused(tells({ region: word }));
    refused(tells({ version: word }));
    refused(tells({ tags: [word] }));
    refused(tells({ resources: { [word]: 1 } }));
  }
  refused(tells({ tags: many(membershipLimits.tagsMax + 1) }));
  refused(tells({ capabilities: many(membershipLimits.capabilitiesMax + 1) }));
  refused(tells({ resources: Object.fromEntries(many(membershipLimits.resourcesMax + 1).map((name) => [name, 1])) }));
  refused(tells({ addresses: many(membershipLimits.addressesMax + 1) }));
  refused(tells({ addresses: ['x'.repeat(membershipLimits.addressCharsMax + 1)] }));
  refused(tells({ region: 'x'.repeat(membershipLimits.wordCharsMax + 1) }));
  const large = many(membershipLimits.addressesMax).map((name) => name.padEnd(membershipLimits.addressCharsMax, 'é'));
  refused(tells({ addresses: large }));
  assert.equal(profileRefusal(profileOf('a', { addresses: large })), 'PROFILE_TOO_LARGE');
  for (const load of [Number.NaN, -0.1, 1.1]) assert.equal(profileRefusal(profileOf('a', { load })), 'PROFILE_MALFORMED');
  assert.equal(profileRefusal(profileOf('')), 'PROFILE_MALFORMED');
});
