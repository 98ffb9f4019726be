// The topics of a node (row K4): brings what is published and asked to the gossip or to a group's log, and keeps the feeds of this
// process. Outlives every actor: a feed goes on when the group beside it starts again.
import { type Failure, failure } from '../machines/errors.ts';
import type { MemberView } from '../machines/membership/index.ts';
import type { FencingToken, Holder, RegisterRead, RegisterResult, RegisterWrite } from '../machines/register/index.ts';
import type { CallOptions, GossipApi, NodeApi, Outcome, PeerStatus, WriteOptions } from './api.ts';
import type { ClockPort, PeerId, SinkPort } from './ports/index.ts';
import type { Feed, FeedWanted, HostedFeed, Published, TopicsApi } from './topic-api.ts';
import { createLogFeed } from './topic-feed.ts';
import { createLiveFeed } from './topic-live.ts';
import { createFeedOutlet } from './topic-outlet.ts';
import { createPublisher, optionsOf, passes, readSlackMs, strange } from './topic-publish.ts';

export const topicDoorLimits = {
  feedsMax: 4_096,
  /** Subscriptions of which the log does not know yet that they were let go. */
  releasesMax: 4_096,
} as const;

const releaseEveryMs = 1_000;
/** Who stands by forgives a node that it has not met so long, then takes over. */
const strangerMs = 10_000;

export type TopicsArguments = Pick<NodeApi, 'write' | 'read'> & {
  name: string;
  self: PeerId;
  epoch: number;
  clock: ClockPort;
  sink: SinkPort;
  gossip: GossipApi;
  members: () => readonly MemberView[];
  peers: () => readonly PeerStatus[];
  isStopping: () => boolean;
};

export const createTopics = (args: TopicsArguments): { api: TopicsApi; stop(): void } => {
  const { name, self, epoch, clock, sink, gossip } = args;
  /** By a number of each that has not ended. */
  const feeds = new Map<number, HostedFeed | null>();
  let consumers = 0;
  let releasing = 0;
  const publish = createPublisher(args);

  const writeOptionsOf = (options: WriteOptions): WriteOptions => ({
    ...optionsOf(options),
    ...(options.idempotencyKey === undefined ? {} : { idempotencyKey: options.idempotencyKey }),
  });

  // -------------------------------------------------------------- feeds

  const isGone =
    (startedMs: number) =>
    (holder: Holder): boolean => {
      if (holder.peer === self) return holder.epoch < epoch;
      const peer = args.peers().find(({ peerId }) => peerId === holder.peer);
      if (peer?.connected === true) return peer.epoch > holder.epoch;
      const member = args.members().find((one) => one.peer === holder.peer);
      if (member === undefined) return clock.nowMs() - startedMs > strangerMs;
      return member.status !== 'alive' && member.status !== 'suspect';
    };

  const readHere = (group: string | undefined, read: RegisterRead, here: boolean, done: Done): void => {
    const at = group === undefined ? {} : { group };
    const waitMs = 'waitMs' in read ? read.waitMs : 0;
    const far = (): void => args.read(read, { ...at, timeoutMs: waitMs + readSlackMs }, done);
    if (!here) return far();
    args.read(read, { ...at, consistency: 'local' }, (outcome) => {
      if (outcome.ok || outcome.failure.code !== 'NOT_READY') done(outcome);
      else far();
    });
  };

  /** Until the log knows it, nobody else would be let in while this process lives. */
  const release = (at: CallOptions, write: Claim, token: FencingToken | null): void => {
    if (releasing >= topicDoorLimits.releasesMax) return sink.count('topic_releases_dropped_total');
    releasing++;
    const { topic, subscription } = write;
    const end = (): void => {
      releasing--;
    };
    const again = (held: FencingToken | null): void => {
      if (args.isStopping()) return end();
      clock.after(releaseEveryMs, () => attempt(held));
    };
    const attempt = (held: FencingToken | null): void => {
      if (args.isStopping()) return end();
      const next: RegisterWrite =
        held === null ? { ...write, instead: null } : { op: 'topic-release', topic, subscription, token: held };
      args.write(next, at, (outcome) => {
        if (!outcome.ok) return passes(outcome.failure) && outcome.failure.code !== 'LOCK_HELD' ? again(held) : end();
        if (outcome.value.op === 'topic-subscribe' && outcome.value.token !== null) attempt(outcome.value.token);
        else end();
      });
    };
    attempt(token);
  };

  const logFeed = ({ topic, group, subscription, from = 'new' }: FeedWanted): Feed => {
    const at = group === undefined ? {} : { group };
    const holder = { node: name, peer: self, epoch, consumer: `f${consumers + 1}` };
    const place = ++consumers;
    feeds.set(place, null);
    const feed = createLogFeed(
      { topic, ...(subscription === undefined ? {} : { subscription }), from: numberOf(from) },
      {
        ...{ clock, sink, holder, isGone: isGone(clock.nowMs()) },
        write: (write, done) => args.write(write, at, done),
        read: (read, here, done) => readHere(group, read, here, done),
        release: (of, token) =>
          release(at, { op: 'topic-subscribe', topic, subscription: of, from: 0, holder, instead: null }, token),
        onEnd: () => feeds.delete(place),
      },
    );
    if (feeds.has(place)) feeds.set(place, feed);
    return feed;
  };

  const feedOf = (wanted: FeedWanted): Feed => {
    const why = args.isStopping() ? failure('STOPPING', `${name} is stopping`) : wrongWith(wanted, feeds.size);
    if (why !== null) return failedFeed(why);
    if (wanted.delivery !== 'fire-and-forget') return logFeed(wanted);
    const place = ++consumers;
    try {
      const feed = createLiveFeed(wanted.topic, { gossip, clock, sink, onEnd: () => feeds.delete(place) });
      feeds.set(place, feed);
      return feed;
    } catch (error) {
      return failedFeed(failure('OVERLOADED', error instanceof Error ? error.message : String(error)));
    }
  };

  const failedFeed = (why: Failure): Feed => {
    const outlet = createFeedOutlet({ soon: clock.soon, sink, onWanted: () => {} });
    outlet.fail({ type: 'failed', failure: why });
    return { next: outlet.next, handled() {}, end: (done = () => {}) => done() };
  };

  // -------------------------------------------------------------- the rest

  const written = (write: RegisterWrite, options: WriteOptions, done: (outcome: Outcome<null>) => void): void =>
    args.write(write, writeOptionsOf(options), (outcome) => done(outcome.ok ? { ok: true, value: null } : outcome));

  const api: TopicsApi = {
    publish(publication, options, done) {
      const counted = (outcome: Outcome<Published>): void => {
        sink.count('topic_published_total', { delivery: publication.delivery, outcome: outcome.ok ? 'ok' : 'failed' });
        done(outcome);
      };
      if (args.isStopping()) return done({ ok: false, failure: failure('STOPPING', `${name} is stopping`) });
      publish(publication, options, counted);
    },
    feed: feedOf,
    configure: (topic, retention, options, done) => written({ op: 'topic-configure', topic, retention }, options, done),
    describe(topic, options, done) {
      args.read({ op: 'topic-get', topic }, optionsOf(options), (outcome) => {
        if (!outcome.ok) return done(outcome);
        done(outcome.value.op === 'topic-get' ? { ok: true, value: outcome.value.found } : strange(outcome.value));
      });
    },
    list({ after, limit }, options, done) {
      const page = { op: 'topic-list' as const, limit, ...(after === undefined ? {} : { after }) };
      args.read(page, optionsOf(options), (outcome) => {
        if (!outcome.ok) return done(outcome);
        if (outcome.value.op !== 'topic-list') return done(strange(outcome.value));
        done({ ok: true, value: { topics: outcome.value.items, more: outcome.value.more } });
      });
    },
    register(topic, subscription, from, options, done) {
      const claim: Claim = { op: 'topic-subscribe', topic, subscription, from: numberOf(from), holder: null, instead: null };
      args.write(claim, writeOptionsOf(options), (outcome) => {
        if (!outcome.ok) return done(outcome);
        if (outcome.value.op !== 'topic-subscribe') return done(strange(outcome.value));
        done({ ok: true, value: { next: outcome.value.next } });
      });
    },
    commit: (topic, subscription, commit, options, done) =>
      written({ op: 'topic-commit', topic, subscription, ...commit }, options, done),
    unsubscribe: (topic, subscription, options, done) =>
      written({ op: 'topic-unsubscribe', topic, subscription }, options, done),
    delete: (topic, options, done) => written({ op: 'topic-delete', topic }, options, done),
  };
  return {
    api,
    stop() {
      const why = failure('STOPPING', `${name} is stopping`);
      for (const feed of [...feeds.values()]) feed?.fail(why);
    },
  };
};

type Done = (outcome: Outcome<RegisterResult>) => void;
type Claim = Extract<RegisterWrite, { op: 'topic-subscribe' }>;

const numberOf = (from: 'new' | 'oldest' | number): number => (from === 'new' ? 0 : from === 'oldest' ? 1 : from);

const wrongWith = ({ topic, delivery, subscription, from }: FeedWanted, feeds: number): Failure | null => {
  const why = (message: string): Failure => failure('INVALID_REQUEST', message);
  if (typeof topic !== 'string' || topic === '') return why('a topic has a name');
  if (from !== undefined && from !== 'new' && from !== 'oldest' && !(Number.isSafeInteger(from) && from >= 1))
    return why("a feed begins at 'new', 'oldest' or the number of a message");
  if (delivery === 'fire-and-forget' && (subscription !== undefined || (from !== undefined && from !== 'new')))
    return why('what is told once and forgotten has no subscriptions with a name, and no beginning but now');
  if (feeds >= topicDoorLimits.feedsMax) return failure('OVERLOADED', `${feeds} feeds of topics at this node already`);
  return null;
};
