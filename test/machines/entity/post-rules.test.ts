// The rules of requests, followers and feeds, whatever happens in whatever order: each ends at most once, says that nothing happened only
// when that is sure, and asks nobody else while only one process can know.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createFeed, heard, offer } from '../../../machines/entity/post-feed.ts';
import { createFollow, type FollowEvent, stepFollow } from '../../../machines/entity/post-follow.ts';
import { createRequest, here, type RequestEvent, stepRequest } from '../../../machines/entity/post-request.ts';
import { type ErrorCode, errorTable, failure } from '../../../machines/errors.ts';

const codes: ErrorCode[] = [
  ...(['NOT_READY', 'MAILBOX_FULL', 'STOPPING', 'ACTOR_STOPPED', 'ACTOR_NOT_FOUND', 'OUTCOME_UNKNOWN'] as const),
  ...(['ACTOR_FAILED', 'INVALID_REQUEST', 'UNREACHABLE', 'MEMBER_NOT_FOUND'] as const),
];
const why = fc.constantFrom(...codes).map((code) => failure(code, 'because'));
const peer = fc.constantFrom('p1', 'p2', 'p3');

const requestEvent: fc.Arbitrary<RequestEvent> = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom<RequestEvent>({ type: 'woke' }, { type: 'changed' }) },
  { weight: 3, arbitrary: peer.map((one): RequestEvent => ({ type: 'at', peer: one })) },
  fc.constant<RequestEvent>({ type: 'here' }),
  why.map((one): RequestEvent => ({ type: 'nowhere', failure: one, againMs: 100 })),
  fc.constantFrom<RequestEvent>({ type: 'waits' }, { type: 'left' }, { type: 'unsent', failure: failure('UNREACHABLE', 'no') }),
  { weight: 3, arbitrary: why.map((one): RequestEvent => ({ type: 'failed', failure: one })) },
  peer.map((one): RequestEvent => ({ type: 'elsewhere', peer: one })),
  { weight: 2, arbitrary: fc.constantFrom<RequestEvent>({ type: 'lost' }, { type: 'gone' }, { type: 'moved' }) },
  { weight: 1, arbitrary: fc.constantFrom<RequestEvent>({ type: 'late' }, { type: 'cancelled' }) },
);

test('a request ends once, is never said not to have happened when it may have, and stays with who alone can know', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(requestEvent, fc.nat(300)), { maxLength: 40 }), fc.boolean(), (events, isKept) => {
      const state = createRequest(0, 5_000, isKept);
      let nowMs = 0;
      let ends = 0;
      /** Whom it may have reached without an answer. */
      const open = new Set<unknown>();
      let asking: unknown = null;
      let leaves = false;
      for (const [event, ms] of events) {
        nowMs += ms;
        const { phase } = state;
        if (phase === 'asked' && event.type === 'waits') leaves = false;
        if (phase === 'asked' && event.type === 'left') leaves = true;
        const next = stepRequest(state, nowMs, 0.5, event);
        if (phase === 'asked') {
          // An answer settles what is under way there; what was lost stays open, and so does what nobody knows.
          const isAnswer = event.type === 'failed' || event.type === 'elsewhere';
          if (isAnswer && !(event.type === 'failed' && event.failure.code === 'OUTCOME_UNKNOWN')) open.delete(asking);
          if (isAnswer && event.type === 'failed' && event.failure.code === 'OUTCOME_UNKNOWN') open.add(asking);
          if ((event.type === 'lost' || event.type === 'gone') && leaves) open.add(asking);
          if (event.type === 'moved' && isKept && asking !== here && leaves) open.add(asking);
        }
        assert.ok(!(ends > 0 && next !== null), 'nothing after its end');
        if (next?.do === 'ask') {
          if (!isKept) for (const target of open) assert.equal(next.target, target, 'only that process can know');
          asking = next.target;
          leaves = true;
        }
        if (next?.do === 'pause') assert.ok(next.ms >= 10 && next.ms <= 2_000);
        if (next?.do !== 'end') continue;
        ends++;
        if (open.size > 0 || (phase === 'asked' && leaves && event.type === 'late'))
          assert.ok(!errorTable[next.failure.code].definite, `${next.failure.code}, and it may have happened`);
      }
      if (ends === 0) assert.equal(stepRequest(state, nowMs, 0.5, { type: 'late' })?.do, 'end');
      assert.equal(stepRequest(state, nowMs, 0.5, { type: 'late' }), null);
    }),
    { numRuns: 2_000 },
  );
});

test('a request is sent on to three nodes at most, and to none twice, before it looks again', () => {
  const state = createRequest(0, 5_000, true);
  assert.deepEqual(stepRequest(state, 0, 0, { type: 'at', peer: 'p0' }), { do: 'ask', target: 'p0' });
  for (const one of ['p1', 'p2', 'p3'])
    assert.deepEqual(stepRequest(state, 0, 0, { type: 'elsewhere', peer: one }), { do: 'ask', target: one });
  assert.equal(stepRequest(state, 0, 0, { type: 'elsewhere', peer: 'p4' })?.do, 'pause');
  assert.deepEqual(stepRequest(state, 0, 0, { type: 'changed' }), { do: 'seek' });
  assert.deepEqual(stepRequest(state, 0, 0, { type: 'here' }), { do: 'ask', target: here });
  assert.deepEqual(stepRequest(state, 0, 0, { type: 'elsewhere', peer: 'p0' }), { do: 'ask', target: 'p0' });
  assert.equal(stepRequest(state, 0, 0, { type: 'elsewhere', peer: 'p0' })?.do, 'pause');
});

const followEvent: fc.Arbitrary<FollowEvent> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom<FollowEvent>({ type: 'here' }, { type: 'at', peer: 'p1' }, { type: 'woke' }) },
  fc.constantFrom<FollowEvent>({ type: 'held' }, { type: 'unsent' }, { type: 'moved' }, { type: 'lost' }, { type: 'changed' }),
  why.map((one): FollowEvent => ({ type: 'refused', failure: one })),
  fc.tuple(why, fc.boolean()).map(([one, isGone]): FollowEvent => ({ type: 'nowhere', failure: one, againMs: 0, isGone })),
  fc.boolean().map((isGone): FollowEvent => ({ type: 'gone', isGone })),
  peer.map((one): FollowEvent => ({ type: 'elsewhere', peer: one })),
  fc
    .constantFrom('done' as const, 'stopped' as const, 'never-lived' as const)
    .map((reason): FollowEvent => ({ type: 'ended', end: { reason, output: null, failure: null } })),
);

test('a follower is told one end; never-lived only of one that nobody saw live', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(followEvent, fc.nat(300)), { maxLength: 40 }), fc.boolean(), (events, isWatch) => {
      const state = createFollow(isWatch, 0);
      let nowMs = 0;
      let ends = 0;
      let hasLived = false;
      for (const [event, ms] of events) {
        nowMs += ms;
        const { phase } = state;
        const next = stepFollow(state, nowMs, 0.5, event);
        if (phase === 'following' && event.type === 'held') hasLived = true;
        assert.ok(!(ends > 0 && next !== null));
        if (next?.do !== 'end') continue;
        ends++;
        if (hasLived) assert.notEqual(next.end.reason, 'never-lived');
      }
      assert.ok(ends <= 1);
    }),
    { numRuns: 1_000 },
  );
});

test('a feed has one value under way at most, shows the latest in the end, in order, and hears nothing twice', () => {
  const step = fc.oneof(fc.constant('offer' as const), fc.constant('heard' as const), fc.constant('again' as const));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const feed = createFeed<number>();
      const shown: number[] = [];
      let under = 0;
      let value = 0;
      const hear = (at: number): void => {
        const next = heard(feed, at);
        if (next === null) return;
        shown.push(next.value);
        under++;
      };
      for (const one of steps) {
        if (one === 'offer') {
          if (offer(feed, ++value)) {
            shown.push(value);
            under++;
          }
        } else if (one === 'heard' && under > 0) {
          under--;
          hear(feed.at);
        } else if (one === 'again') hear(feed.at - 1);
        assert.ok(under <= 1);
      }
      while (under > 0) {
        under--;
        hear(feed.at);
      }
      assert.equal(shown.at(-1) ?? 0, value);
      assert.deepEqual(
        shown,
        [...shown].sort((a, b) => a - b),
      );
    }),
    { numRuns: 500 },
  );
});

test('a request in doubt goes elsewhere as soon as it is known that its id is kept', () => {
  const state = createRequest(0, 5_000, false);
  stepRequest(state, 0, 0.5, { type: 'at', peer: 'p1' });
  stepRequest(state, 10, 0.5, { type: 'lost' });
  assert.equal(state.doubtAt, 'p1');
  assert.deepEqual(stepRequest(state, 100, 0.5, { type: 'woke' }), { do: 'ask', target: 'p1' }, 'only that process can know');
  state.isKept = true;
  stepRequest(state, 110, 0.5, { type: 'gone' });
  assert.deepEqual(stepRequest(state, 200, 0.5, { type: 'woke' }), { do: 'seek' });
  assert.deepEqual(stepRequest(state, 200, 0.5, { type: 'at', peer: 'p2' }), { do: 'ask', target: 'p2' });
  const next = stepRequest(state, 5_000, 0.5, { type: 'late' });
  assert.equal(next?.do === 'end' && next.failure.code, 'OUTCOME_UNKNOWN');
});
