// Members that follow actors of this node. Each asks for what comes next and is answered when there is something, or after a while; what
// waits between two questions is bounded, and who does not ask any more is forgotten. So a slow reader slows nobody, and a lost one
// costs nothing.
import { failure } from '../machines/errors.ts';
import { pack } from '../machines/wire/envelope.ts';
import type { InspectBatch, InspectItem } from './inspect-api.ts';
import type { Chart } from './inspect-chart.ts';
import type { LocalFollow, LocalWanted } from './inspect-follow.ts';
import { answerBytesMax, formBatch, formOutcome } from './inspect-wire.ts';
import type { ClockPort, PeerId, Timer } from './ports/index.ts';
import type { Scope } from './supervise.ts';

/** A question is held for so long at most; then it is answered with nothing. */
export const holdMs = 5_000;
const idleMs = 15_000;
const waitingMax = 2_000;
const answerItemsMax = 200;
const perPeerMax = 16;
const inAllMax = 64;

type Answer = (body: unknown) => void;

type Session = {
  readonly peer: PeerId;
  /** What is wanted, as it came: another wish begins anew. */
  readonly wish: string;
  follow: LocalFollow | null;
  waiting: InspectItem[];
  charts: Record<string, Chart>;
  leftOut: number;
  answer: Answer | null;
  timer: Timer | null;
};

export interface Sessions {
  next(peer: PeerId, id: number, wanted: LocalWanted, answer: Answer): void;
  peerClosed(peer: PeerId): void;
  stop(): void;
}

export const createSessions = (args: {
  scope: Scope;
  clock: ClockPort;
  follow: (wanted: LocalWanted, on: (batch: InspectBatch) => void) => LocalFollow;
}): Sessions => {
  const { scope } = args;
  const sessions = new Map<string, Session>();

  const end = (key: string, session: Session): void => {
    session.timer?.cancel();
    session.follow?.stop();
    if (session.answer !== null) say(session);
    if (sessions.get(key) === session) sessions.delete(key);
  };

  /** As much as fits: charts go with the first item that names them. */
  const take = (session: Session): InspectBatch => {
    const { waiting, charts, leftOut } = session;
    for (let count = Math.min(answerItemsMax, waiting.length); ; count >>= 1) {
      const items = waiting.slice(0, count);
      const named = new Set(items.flatMap((item) => (item.type === 'actor' && item.chart !== null ? [item.chart] : [])));
      const own = Object.fromEntries(Object.entries(charts).filter(([name]) => named.has(name)));
      if (count > 1 && pack([items, own]).byteLength > answerBytesMax) continue;
      session.waiting = waiting.slice(count);
      session.charts = Object.fromEntries(Object.entries(charts).filter(([name]) => !named.has(name)));
      session.leftOut = 0;
      return { items, charts: own, leftOut };
    }
  };

  const say = (session: Session): void => {
    const { answer } = session;
    session.answer = null;
    answer?.(formOutcome({ ok: true, value: formBatch(take(session)) }));
  };

  const wait = (key: string, session: Session, delayMs: number, run: () => void): void => {
    session.timer?.cancel();
    session.timer = scope.after(delayMs, () => {
      session.timer = null;
      if (sessions.get(key) === session) run();
    });
  };

  const answerNow = (key: string, session: Session): void => {
    say(session);
    wait(key, session, idleMs, () => end(key, session));
  };

  const heard = (key: string, session: Session, { items, charts, leftOut }: InspectBatch): void => {
    const room = Math.max(0, waitingMax - session.waiting.length);
    session.waiting.push(...items.slice(0, room));
    Object.assign(session.charts, charts);
    session.leftOut += leftOut + Math.max(0, items.length - room);
    if (session.answer !== null) answerNow(key, session);
  };

  const open = (key: string, peer: PeerId, wish: string, wanted: LocalWanted): Session | null => {
    let ofPeer = 0;
    for (const session of sessions.values()) if (session.peer === peer) ofPeer++;
    if (ofPeer >= perPeerMax || sessions.size >= inAllMax) return null;
    const session: Session = {
      ...{ peer, wish, follow: null, waiting: [], charts: {}, leftOut: 0, answer: null, timer: null },
    };
    sessions.set(key, session);
    session.follow = args.follow(wanted, (batch) => heard(key, session, batch));
    return session;
  };

  return {
    next(peer, id, wanted, answer) {
      const key = `${peer} ${id}`;
      const wish = JSON.stringify(wanted);
      const before = sessions.get(key);
      if (before !== undefined && before.wish !== wish) end(key, before);
      const session = sessions.get(key) ?? open(key, peer, wish, wanted);
      if (session === null)
        return answer(formOutcome({ ok: false, failure: failure('OVERLOADED', 'too many follow actors of this node') }));
      // Whoever asks twice has given up the first question.
      if (session.answer !== null) say(session);
      session.answer = answer;
      if (session.waiting.length > 0 || session.leftOut > 0) answerNow(key, session);
      else wait(key, session, holdMs, () => answerNow(key, session));
    },
    peerClosed(peer) {
      for (const [key, session] of [...sessions]) if (session.peer === peer) end(key, session);
    },
    stop() {
      for (const [key, session] of [...sessions]) end(key, session);
    },
  };
};
