// A feed of what is announced now: fire and forget. It keeps a little for a reader that is busy, and says how much it could not keep.
import type { Announced, GossipApi } from './api.ts';
import type { ClockPort, SinkPort } from './ports/index.ts';
import type { HostedFeed } from './topic-api.ts';
import { createFeedOutlet } from './topic-outlet.ts';

export const liveLimits = { waitingMax: 1_024, waitingBytesMax: 4 << 20 } as const;

/** In the one space of announcements, apart from what programs announce themselves. */
export const liveTopic = (topic: string): string => `topic:${topic}`;

/** Throws what `subscribe` throws: OVERLOADED at too many listeners. */
export const createLiveFeed = (
  topic: string,
  ports: { gossip: GossipApi; clock: ClockPort; sink: SinkPort; onEnd: () => void },
): HostedFeed => {
  const { gossip, clock, sink } = ports;
  let waitingBytes = 0;
  let dropped = 0;
  const outlet = createFeedOutlet({ soon: clock.soon, sink, onWanted: () => {} });

  const tellDropped = (): void => {
    if (dropped === 0) return;
    outlet.offer({ type: 'lost', from: null, count: dropped });
    dropped = 0;
  };
  const hear = ({ source, body }: Announced): void => {
    if (outlet.waiting >= liveLimits.waitingMax || waitingBytes + body.byteLength > liveLimits.waitingBytesMax) {
      dropped++;
      return sink.count('topic_messages_lost_total');
    }
    tellDropped();
    waitingBytes += body.byteLength;
    outlet.offer({ type: 'message', sequence: null, timeMs: null, source, body });
  };
  const stop = gossip.subscribe(liveTopic(topic), hear);
  let isOver = false;

  const finish = (): void => {
    if (isOver) return;
    isOver = true;
    stop();
    ports.onEnd();
  };

  return {
    fail(why) {
      outlet.fail({ type: 'failed', failure: why });
      finish();
    },
    next(on) {
      if (outlet.waiting === 0) tellDropped();
      outlet.next((event) => {
        if (event.type === 'message') waitingBytes -= event.body.byteLength;
        on(event);
      });
    },
    handled() {},
    end(done = () => {}) {
      outlet.close();
      finish();
      done();
    },
  };
};
