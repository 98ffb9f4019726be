// Who waits for messages at the leader, on a clock moved by hand: nothing is proposed without something to give, nobody is forgotten.
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { createQueueWaits, type QueueWaits, type ReceiveRequest } from '../../actors/queue-waits.ts';
import type { ReadEnd } from '../../actors/raft.ts';
import type { Attempt } from '../../actors/requests.ts';
import type { QueueMessage } from '../../machines/queue/index.ts';
import type { RegisterResult } from '../../machines/register/types.ts';
import { createHandClock, type HandClock } from './hand-clock.ts';
import { createHandScope } from './hand-scope.ts';

let clock: HandClock;
let waits: QueueWaits;
/** Messages that are free, by queue. */
let free: Map<string, number>;
let proposed: {
  request: ReceiveRequest;
  apply: (given?: number) => void;
  reject: (attempt: Attempt<RegisterResult>) => void;
}[];
let confirms: ((end: ReadEnd) => void)[];

const message = (number: number): QueueMessage => ({
  ...{ message: number, body: new Uint8Array(), ordering: null, sentMs: 0, deliveries: 1, visibleMs: 0 },
  token: { term: 1, index: 1 },
});

beforeEach(() => {
  clock = createHandClock();
  free = new Map();
  proposed = [];
  confirms = [];
  waits = createQueueWaits({
    scope: createHandScope(clock),
    clock,
    free: (queue) => free.get(queue) ?? 0,
    isKnown: (key) => key === 'known',
    propose(request, done) {
      const { queue, max } = request.write;
      proposed.push({
        request,
        apply(given = Math.min(max, free.get(queue) ?? 0)) {
          free.set(queue, (free.get(queue) ?? 0) - given);
          const messages = Array.from({ length: given }, (_, at) => message(at));
          done({ type: 'done', outcome: { ok: true, value: { op: 'queue-receive', queue, messages, index: 1, term: 1 } } });
        },
        reject: done,
      });
    },
    confirm: (done) => void confirms.push(done),
    at: () => ({ index: 7, term: 2 }),
  });
});

type Answered = { attempt: Attempt<RegisterResult> | null };

const receive = (
  queue: string,
  { max = 1, waitMs = 0, idempotencyKey = null as string | null, timeLeftMs = 60_000 } = {},
): Answered => {
  const answered: Answered = { attempt: null };
  waits.receive({ write: { op: 'queue-receive', queue, max, waitMs }, idempotencyKey }, timeLeftMs, (attempt) => {
    assert.equal(answered.attempt, null, 'answered once');
    answered.attempt = attempt;
  });
  return answered;
};

const given = ({ attempt }: Answered): number | string => {
  if (attempt === null) return 'waits';
  if (attempt.type !== 'done' || !attempt.outcome.ok || attempt.outcome.value.op !== 'queue-receive') return attempt.type;
  return attempt.outcome.value.messages.length;
};

const arrive = (queue: string, messages: number): void => {
  free.set(queue, (free.get(queue) ?? 0) + messages);
  waits.wake();
};

describe('a receive', () => {
  it('goes to the log when there is something, and ends empty only when a quorum has confirmed it', () => {
    free.set('q', 2);
    const one = receive('q');
    assert.equal(proposed.length, 1);
    proposed[0]!.apply();
    assert.equal(given(one), 1);
    const other = receive('empty');
    assert.equal(given(other), 'waits');
    confirms[0]!({ type: 'ready', index: 9 });
    assert.equal(given(other), 0);
    assert.equal(proposed.length, 1);
  });

  it('that finds something at the confirmation after all is given it', () => {
    const one = receive('q');
    free.set('q', 1);
    confirms[0]!({ type: 'ready', index: 9 });
    proposed[0]!.apply();
    assert.equal(given(one), 1);
  });

  it('goes elsewhere if this node leads no more', () => {
    const now = receive('q');
    confirms[0]!({ type: 'rejected', reason: 'not-leader', leader: 'p2' });
    assert.deepEqual(now.attempt, { type: 'not-leader', leader: 'p2' });
    const waiting = receive('q', { waitMs: 5_000 });
    waits.dismiss('p3');
    assert.deepEqual(waiting.attempt, { type: 'not-leader', leader: 'p3' });
    arrive('q', 1);
    assert.equal(proposed.length, 0);
  });

  it('waits as long as it was asked to, and no longer than who asked', () => {
    const short = receive('q', { waitMs: 1_000 });
    const hurried = receive('q', { waitMs: 10_000, timeLeftMs: 2_000 });
    clock.pass(900);
    assert.equal(confirms.length, 0);
    clock.pass(200);
    confirms.shift()!({ type: 'ready', index: 9 });
    assert.equal(given(short), 0);
    clock.pass(500);
    confirms.shift()!({ type: 'ready', index: 9 });
    assert.equal(given(hurried), 0);
  });

  it('whose outcome the log knows is not kept waiting for something new', () => {
    receive('q', { waitMs: 5_000, idempotencyKey: 'known' });
    receive('q', { waitMs: 5_000, idempotencyKey: 'new' });
    assert.deepEqual(
      proposed.map(({ request }) => request.idempotencyKey),
      ['known'],
    );
  });
});

describe('those who wait', () => {
  it('are served in the order in which they came, as many as there is something for', () => {
    const all = [receive('q', { waitMs: 5_000 }), receive('q', { waitMs: 5_000 }), receive('q', { waitMs: 5_000 })];
    receive('other', { waitMs: 5_000 });
    arrive('q', 2);
    assert.equal(proposed.length, 2);
    for (const { apply } of proposed) apply();
    assert.deepEqual(all.map(given), [1, 1, 'waits']);
    arrive('q', 1);
    proposed[2]!.apply();
    assert.equal(given(all[2]!), 1);
  });

  it('wait on when somebody who asked for much leaves nothing, and get what he leaves', () => {
    const greedy = receive('q', { max: 10, waitMs: 5_000 });
    const modest = receive('q', { waitMs: 5_000 });
    arrive('q', 1);
    assert.equal(proposed.length, 1, 'only one entry for one message');
    arrive('q', 2);
    assert.equal(proposed.length, 1, 'he may take all of it');
    proposed[0]!.apply(2);
    assert.equal(given(greedy), 2);
    proposed[1]!.apply();
    assert.equal(given(modest), 1);
  });

  it('wait on where others were faster', () => {
    const one = receive('q', { waitMs: 5_000 });
    arrive('q', 1);
    free.set('q', 0);
    proposed[0]!.apply(0);
    assert.equal(given(one), 'waits');
    arrive('q', 1);
    proposed[1]!.apply();
    assert.equal(given(one), 1);
  });

  it('are answered what became of it when it came to nothing', () => {
    const one = receive('q', { waitMs: 5_000 });
    arrive('q', 1);
    proposed[0]!.reject({ type: 'lost' });
    assert.equal(given(one), 'lost');
    const next = receive('q');
    assert.equal(proposed.length, 2, 'what it had claimed is free again');
    proposed[1]!.apply();
    assert.equal(given(next), 1);
  });
});
