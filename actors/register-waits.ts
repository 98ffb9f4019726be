// Reads that wait for something to tell, e.g. for messages of a topic: each sleeps under a name until an entry touches that name, or its
// time is over. Nothing is asked or written while nothing happens.
import { type Failure, failure } from '../machines/errors.ts';
import {
  isTopicNews,
  isTopicRead,
  type PointRequest,
  type RegisterOutcome,
  type RegisterRead,
  topicWaitOf,
} from '../machines/register/index.ts';
import { createDeadlines } from './deadlines.ts';
import type { ClockPort } from './ports/index.ts';
import type { Scope } from './supervise.ts';

/** At one replica. */
export const registerWaitsMax = 8_192;

type Waiting = {
  read: PointRequest;
  name: string;
  untilMs: number;
  done: (outcome: RegisterOutcome) => void;
};

/** Under which name a read waits and how long at most; null: it is answered as things are. */
export const waitOf = (read: RegisterRead): { name: string; waitMs: number } | null =>
  isTopicRead(read) ? topicWaitOf(read) : null;

export interface RegisterWaits {
  /** Answers at once or later, exactly once. */
  answer(read: PointRequest, done: (outcome: RegisterOutcome) => void): void;
  /** Entries up to `index` were applied and touched these names. */
  applied(index: number, touched: ReadonlySet<string>): void;
  /** Everybody looks again: the state was replaced. */
  lookAgain(): void;
  /** Answers all as things are; from now on nobody waits here. */
  close(): void;
  fail(why: Failure): void;
}

export const createRegisterWaits = (args: {
  scope: Scope;
  clock: ClockPort;
  query: (read: PointRequest) => RegisterOutcome;
}): RegisterWaits => {
  const { scope, clock, query } = args;
  const byName = new Map<string, Set<Waiting>>();
  /** Who asked for what this replica has not applied when they asked. */
  const behind = new Set<Waiting>();
  let count = 0;
  let isClosed = false;

  const leave = (waiting: Waiting): boolean => {
    const others = byName.get(waiting.name);
    if (others?.delete(waiting) !== true) return false;
    if (others.size === 0) byName.delete(waiting.name);
    count--;
    behind.delete(waiting);
    deadlines.delete(waiting, waiting.untilMs);
    return true;
  };

  const finish = (waiting: Waiting, outcome: RegisterOutcome): void => {
    if (leave(waiting)) waiting.done(outcome);
  };

  const deadlines = createDeadlines<Waiting>(scope, clock.nowMs, (waiting) => finish(waiting, query(waiting.read)));

  const look = (all: Iterable<Waiting>): void => {
    for (const waiting of [...all]) {
      const outcome = query(waiting.read);
      if (isNews(waiting.read, outcome)) finish(waiting, outcome);
    }
  };

  const everybody = (): Waiting[] => [...byName.values()].flatMap((waiting) => [...waiting]);

  return {
    answer(read, done) {
      const outcome = query(read);
      const wait = waitOf(read);
      if (wait === null || isClosed || isNews(read, outcome)) return done(outcome);
      if (count >= registerWaitsMax)
        return done({ ok: false, failure: failure('OVERLOADED', `${count} readers wait at this node already`) });
      const waiting: Waiting = { read, name: wait.name, untilMs: clock.nowMs() + wait.waitMs, done };
      const others = byName.get(wait.name) ?? new Set();
      byName.set(wait.name, others.add(waiting));
      count++;
      deadlines.add(waiting, waiting.untilMs);
      if (outcome.ok && sinceOf(read) > outcome.result.index) behind.add(waiting);
    },
    applied(index, touched) {
      for (const name of touched) look(byName.get(name) ?? []);
      if (behind.size === 0) return;
      const caughtUp = [...behind].filter(({ read }) => sinceOf(read) <= index);
      for (const waiting of caughtUp) behind.delete(waiting);
      look(caughtUp);
    },
    lookAgain: () => look(everybody()),
    close() {
      isClosed = true;
      for (const waiting of everybody()) finish(waiting, query(waiting.read));
    },
    fail(why) {
      for (const waiting of everybody()) finish(waiting, { ok: false, failure: why });
    },
  };
};

const sinceOf = (read: PointRequest): number => (read.op === 'topic-read' ? read.since : 0);

const isNews = (read: PointRequest, outcome: RegisterOutcome): boolean => !isTopicRead(read) || isTopicNews(read, outcome);
