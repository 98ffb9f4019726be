// `GET /v1/topics/{topic}/messages`: a feed of a topic as server-sent events. A reader that is slow is waited for, not ended: the feed gives
// the next message when there is room. Whoever reads under a name commits what it has handled by a request of its own; when the
// connection ends, the subscription is let go.
import type { NodeApi } from '../../actors/api.ts';
import type { Feed, FeedEvent, FeedWanted } from '../../actors/topic-api.ts';
import { type Failure, failure } from '../../machines/errors.ts';
import type { Plain } from '../../machines/replicator/types.ts';
import { toProblem } from '../errors.ts';
import type { Metrics } from '../metrics.ts';
import { jsonTextOf } from '../replica-json.ts';
import { valueIn } from '../topic/body.ts';
import { tokenText } from './answers.ts';
import type { Exchange } from './exchange.ts';
import type { GatewayLimits } from './limits.ts';
import { Outlet } from './outlet.ts';

const headers = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  'x-accel-buffering': 'no',
};

const failedText = (why: Failure): string => `event: failed\ndata: ${JSON.stringify(toProblem(why))}\n\n`;

/** As JSON; null for what was published by other ways and is no plain data. */
const valueText = (body: Uint8Array): string | null => {
  try {
    return jsonTextOf(valueIn(body) as Plain);
  } catch {
    return null;
  }
};

const messageText = ({ sequence, timeMs, source, body }: Extract<FeedEvent, { type: 'message' }>): string => {
  const value = valueText(body);
  const about = [
    ...(sequence === null ? [] : [`"sequence":${sequence}`, `"timeMs":${timeMs}`]),
    ...(source === null ? [] : [`"source":${JSON.stringify(source)}`]),
    value === null ? '"malformed":true' : `"value":${value}`,
  ];
  return `event: message\n${sequence === null ? '' : `id: ${sequence}\n`}data: {${about.join()}}\n\n`;
};

const eventText = (event: FeedEvent): string => {
  switch (event.type) {
    case 'message':
      return messageText(event);
    case 'lost':
      return `event: lost\ndata: ${JSON.stringify({ from: event.from, count: event.count })}\n\n`;
    case 'active':
      return `event: active\ndata: ${JSON.stringify({ token: tokenText(event.token), next: event.next })}\n\n`;
    case 'standby':
      return `event: standby\ndata: ${JSON.stringify({ node: event.node })}\n\n`;
    case 'failed':
      return failedText(event.failure);
  }
};

export interface TopicStreams {
  open(exchange: Exchange, api: NodeApi, wanted: FeedWanted): void;
  /** Ends each with an event that says why. */
  close(why: Failure): void;
}

export const createTopicStreams = ({ metrics, limits }: { metrics: Metrics; limits: GatewayLimits }): TopicStreams => {
  const streams = new Set<Outlet>();

  const run = (outlet: Outlet, feed: Feed): void => {
    const on = (event: FeedEvent): void => {
      if (event.type === 'failed') {
        metrics.streamEnded('topic', event.failure.code);
        return outlet.end(eventText(event));
      }
      outlet.write(eventText(event));
      outlet.drained(() => feed.next(on));
    };
    feed.next(on);
  };

  return {
    open(exchange, api, wanted) {
      if (streams.size >= limits.watchersMax)
        return exchange.problem(failure('OVERLOADED', `this node has ${streams.size} readers of topics already`));
      // Who left before it was answered would never be missed.
      if (exchange.reply.raw.destroyed) return;
      exchange.claim(200);
      exchange.reply.hijack();
      const feed = api.topics.feed(wanted);
      const beat = setInterval(() => outlet.write(': alive\n\n'), limits.heartbeatMs);
      const outlet: Outlet = new Outlet({
        ...{ response: exchange.reply.raw, headers, bytesMax: limits.streamBytesMax, graceMs: limits.streamGraceMs },
        onClosed() {
          clearInterval(beat);
          if (streams.delete(outlet)) metrics.streams('topic', -1);
          feed.end();
        },
      });
      streams.add(outlet);
      metrics.streams('topic', 1);
      run(outlet, feed);
    },
    close(why) {
      for (const outlet of [...streams]) outlet.end(failedText(why));
    },
  };
};
