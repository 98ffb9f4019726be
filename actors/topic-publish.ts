// Publishing with one of three promises: told to whoever listens, in the log of a group, or in the log and handled by enough.
import { errorTable, type Failure, failure } from '../machines/errors.ts';
import { parseIdempotencyKey, publishKey, topicLimits } from '../machines/register/index.ts';
import { limits } from '../machines/wire/limits.ts';
import type { CallOptions, GossipApi, NodeApi, Outcome } from './api.ts';
import type { ClockPort } from './ports/index.ts';
import type { Publication, Published, TopicsApi } from './topic-api.ts';
import { feedTimes } from './topic-feed.ts';
import { liveTopic } from './topic-live.ts';

/** How long fire-and-forget holds: who was told by no push is told by an exchange within that. */
const liveMs = 10_000;
/** For the way of a question that waits. */
export const readSlackMs = 5_000;
const tellMs = 200;

export type Publishing = Pick<NodeApi, 'write' | 'read'> & { clock: ClockPort; gossip: GossipApi };

const timeOf = ({ timeoutMs }: CallOptions): number =>
  typeof timeoutMs === 'number' && timeoutMs >= 1 ? Math.min(timeoutMs, limits.callTimeoutMsMax) : limits.callTimeoutMsDefault;

/** It may be otherwise the next time. */
export const passes = ({ code }: Failure): boolean =>
  code !== 'STOPPING' && (errorTable[code].retryable || !errorTable[code].definite);

export const invalid = (message: string): { ok: false; failure: Failure } => ({
  ok: false,
  failure: failure('INVALID_REQUEST', message),
});

const uncounted = "acknowledgements are counted with the delivery 'quorum' only";

export const strange = ({ op }: { op: string }): { ok: false; failure: Failure } => ({
  ok: false,
  failure: failure('INTERNAL', `a question about topics was answered by '${op}'`),
});

/** What of the options of a call a group takes. */
export const optionsOf = ({ group, timeoutMs }: CallOptions): CallOptions => ({
  ...(group === undefined ? {} : { group }),
  ...(timeoutMs === undefined ? {} : { timeoutMs }),
});

export const createPublisher = (args: Publishing): TopicsApi['publish'] => {
  const { clock, gossip } = args;

  const publishLive = (
    { topic, body, id, acknowledgements }: Publication,
    done: (outcome: Outcome<Published>) => void,
  ): void => {
    if (id !== undefined) return done(invalid('what is told once and forgotten has no id'));
    if (acknowledgements !== undefined) return done(invalid(uncounted));
    gossip.publish(liveTopic(topic), body, { ttlMs: liveMs }, (outcome) =>
      done(outcome.ok ? { ok: true, value: { sequence: null, acknowledged: null } } : outcome),
    );
  };

  const publishLogged = (
    { topic, body, id, delivery, acknowledgements }: Publication,
    options: CallOptions,
    done: (outcome: Outcome<Published>) => void,
  ): void => {
    const key = id === undefined ? null : parseIdempotencyKey(id);
    if (key !== null && !key.ok) return done({ ok: false, failure: key.failure });
    if (acknowledgements !== undefined && delivery !== 'quorum') return done(invalid(uncounted));
    // Who has not acknowledged is told before whoever waits hangs up.
    const timeoutMs = timeOf(options);
    const deadlineMs = clock.nowMs() + timeoutMs - Math.min(tellMs, timeoutMs / 5);
    const subscriptionsMin = delivery === 'quorum' ? (acknowledgements ?? 1) : 0;
    const once = key === null ? {} : { idempotencyKey: publishKey(topic, key.value) };
    args.write({ op: 'topic-publish', topic, body, subscriptionsMin }, { ...optionsOf(options), ...once }, (outcome) => {
      if (!outcome.ok) return done(outcome);
      if (outcome.value.op !== 'topic-publish') return done(strange(outcome.value));
      const { sequence, index } = outcome.value;
      if (delivery !== 'quorum') return done({ ok: true, value: { sequence, acknowledged: null } });
      awaitAcknowledgements({ topic, sequence, published: index, needed: acknowledgements ?? 0 }, options, deadlineMs, done);
    });
  };

  type Awaited = { topic: string; sequence: number; published: number; needed: number };

  const awaitAcknowledgements = (
    awaited: Awaited,
    options: CallOptions,
    deadlineMs: number,
    done: (outcome: Outcome<Published>) => void,
  ): void => {
    const { topic, sequence } = awaited;
    let last: { acknowledged: number; needed: number; missing: string[] } | null = null;
    const giveUp = (): void => {
      const { acknowledged = 0, needed = awaited.needed, missing = [] } = last ?? {};
      const of = last === null ? '' : ` ${acknowledged} of ${needed}`;
      const message = `message ${sequence} of '${topic}' is published, but not acknowledged by enough in time:${of}`;
      const details = { sequence, acknowledged, needed, missing: missing.join(', ').slice(0, 1_000) };
      const who = missing.length === 0 ? '' : `; not by ${details.missing.slice(0, 200)}`;
      done({ ok: false, failure: failure('NOT_ACKNOWLEDGED', message + who, details) });
    };
    const ask = (): void => {
      const leftMs = Math.floor(deadlineMs - clock.nowMs());
      if (leftMs < 1) return giveUp();
      const waitMs = Math.min(leftMs, topicLimits.waitMsMax);
      const { group } = options;
      args.read(
        { op: 'topic-acknowledged', ...awaited, waitMs },
        { ...(group === undefined ? {} : { group }), timeoutMs: Math.min(waitMs + readSlackMs, limits.callTimeoutMsMax) },
        (outcome) => {
          if (!outcome.ok) return passes(outcome.failure) ? void clock.after(feedTimes.retryMsMin, ask) : giveUp();
          if (outcome.value.op !== 'topic-acknowledged') return done(strange(outcome.value));
          last = outcome.value;
          const { acknowledged, needed, of } = outcome.value;
          if (acknowledged >= needed) return done({ ok: true, value: { sequence, acknowledged } });
          // Those who could still acknowledge are too few by now.
          if (of < needed) return giveUp();
          clock.after(Math.max(0, Math.min(feedTimes.restMs, deadlineMs - clock.nowMs())), ask);
        },
      );
    };
    ask();
  };

  return (publication, options, done) => {
    switch (publication.delivery) {
      case 'fire-and-forget':
        return publishLive(publication, done);
      case 'at-least-once':
      case 'quorum':
        return publishLogged(publication, options, done);
      default:
        return done(invalid("a delivery is 'fire-and-forget', 'at-least-once' or 'quorum'"));
    }
  };
};
