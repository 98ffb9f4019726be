// Topics of a node for tests of the doors: the real door over the fake node's register, waits included, and announcements that this node
// alone hears.
import type { Announced, GossipApi, NodeApi } from '../../../actors/api.ts';
import type { ClockPort } from '../../../actors/ports/index.ts';
import { createRegisterWaits, type RegisterWaits } from '../../../actors/register-waits.ts';
import type { TopicsApi } from '../../../actors/topic-api.ts';
import { createTopics } from '../../../actors/topics.ts';
import { type PointRequest, parseRead, parseWrite, type RegisterOutcome } from '../../../machines/register/index.ts';
import { realClock } from '../../../src/clock.ts';

/** What waits for news must not keep a test from ending. */
const clock: ClockPort = {
  ...realClock,
  after(delayMs, wake) {
    const timeout = setTimeout(wake, delayMs).unref();
    return { cancel: () => clearTimeout(timeout) };
  },
};

const createLoopback = (): GossipApi => {
  const listeners = new Map<string, Set<(announced: Announced) => void>>();
  let sequence = 0;
  return {
    publish(topic, body, _options, done) {
      const announced: Announced = { source: 'peer-1', epoch: 1, sequence: ++sequence, topic, body, late: false, leftMs: 0 };
      for (const on of [...(listeners.get(topic) ?? [])]) on(announced);
      done({ ok: true, value: { sequence } });
    },
    subscribe(topic, on) {
      const all = listeners.get(topic) ?? new Set();
      listeners.set(topic, all.add(on));
      return () => void all.delete(on);
    },
    summary: () => ({ kept: 0, keptBytes: 0, sources: 0, waiting: 0, peers: 0 }),
  };
};

export const fakeWaits = (query: (read: PointRequest) => RegisterOutcome): RegisterWaits =>
  createRegisterWaits({
    clock,
    scope: { address: 'register', guard: (run) => run, after: clock.after, soon: clock.soon },
    query,
  });

export const fakeTopics = (node: Pick<NodeApi, 'write' | 'read'>): TopicsApi =>
  createTopics({
    ...{ name: 'n1', self: 'peer-1', epoch: 1, clock, sink: { count() {}, log() {} }, gossip: createLoopback() },
    // A group checks what programs hand in.
    write(write, options, done) {
      const parsed = parseWrite(write);
      if (parsed.ok) node.write(parsed.value, options, done);
      else done({ ok: false, failure: parsed.failure });
    },
    read(read, options, done) {
      const parsed = parseRead(read);
      if (parsed.ok) node.read(parsed.value, options, done);
      else done({ ok: false, failure: parsed.failure });
    },
    ...{ members: () => [], peers: () => [], isStopping: () => false },
  }).api;
