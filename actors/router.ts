// Between the network's bytes and the actors' messages: encodes envelopes, binds each to the authenticated peer it came from,
// hands it to the address it names, and matches answers to questions. Owns no rule of any protocol.
import type { ErrorCode } from '../machines/errors.ts';
import { decodeEnvelope, type Envelope, encodeEnvelope, wireVersion } from '../machines/wire/envelope.ts';
import { limits } from '../machines/wire/limits.ts';
import { decodePosted, encodePosted } from '../machines/wire/plain-envelope.ts';
import type { ClockPort, Lane, PeerId, SinkPort, Timer } from './ports/index.ts';
import { createRefusals, type Refuse } from './refusals.ts';

/** A received message. `answer` sends the reply to whoever asked; a no-op where nobody waits. */
export type Delivery = {
  peer: PeerId;
  type: string;
  body: unknown;
  timeLeftMs: number;
  /** W3C traceparent; absent or '': there is none. */
  trace?: string;
  answer: (body: unknown) => void;
};

/** Why a question has no answer. `definite`: it surely never left this node. */
export type AskFailure = {
  code: Extract<ErrorCode, 'OVERLOADED' | 'OUTCOME_UNKNOWN' | 'NO_QUORUM' | 'STOPPING'>;
  definite: boolean;
};

/** What becomes of a message that waits for a connection: one of these, once. */
export type Fate = { left: () => void; dropped: () => void };

/**
 * Takes a message to a peer; `target` is the address there. `NetworkPort.send` is one, and so is what opens a connection first:
 * 'waits' says that the message has not left yet.
 */
export type Post = {
  send(peer: PeerId, lane: Lane, bytes: Uint8Array, target: string, fate: Fate): 'queued' | 'waits' | 'full' | 'unreachable';
};

type Question = { peer: PeerId; timer: Timer; hasLeft: boolean; done: (failure: AskFailure | null, body: unknown) => void };

/** A message whose sender sees to answers himself. */
export type Posted = {
  peer: PeerId;
  lane: Lane;
  source: string;
  target: string;
  type: string;
  body: unknown;
  /** Milliseconds until nobody wants it any more; 0: no such moment. */
  timeLeftMs: number;
  trace: string;
};

export interface Router {
  /** One handler an address; returns what ends it. */
  on(target: string, handle: (delivery: Delivery) => void): () => void;
  send(
    peer: PeerId,
    lane: Lane,
    source: string,
    target: string,
    type: string,
    body: unknown,
  ): 'queued' | 'full' | 'unreachable';
  /** As `send`; 'waits' says that it waits for a connection, and then `fate` what becomes of it. */
  post(posted: Posted, fate: Fate): ReturnType<Post['send']>;
  ask(
    question: { peer: PeerId; lane: Lane; source: string; target: string; type: string; body: unknown; timeoutMs: number },
    done: (failure: AskFailure | null, body: unknown) => void,
  ): void;
  /** Answers the address that it was for; null if it was none. */
  receive(peer: PeerId, lane: Lane, bytes: Uint8Array): string | null;
  /** A question to this peer waits for its answer. */
  isAsking(peer: PeerId): boolean;
  peerClosed(peer: PeerId): void;
  /** A message that arrived is not taken: counted, and told with the peer's name. */
  refuse: Refuse;
  stop(): void;
}

const answerType = 'answer';
const whatever: Fate = { left: () => {}, dropped: () => {} };

const envelopeOf = (
  source: string,
  target: string,
  type: string,
  id: number,
  correlation: number,
  timeLeftMs: number,
  body: unknown,
): Envelope => ({ version: wireVersion, source, target, type, id, correlation, timeLeftMs, trace: '', body });

const idsPerEpoch = 0x1_0000_0000;
const epochsMax = 0x20_0000;

export const createRouter = (ports: {
  network: Post;
  clock: ClockPort;
  sink: SinkPort;
  /**
   * Of this start of the process: its questions have numbers of their own, so that an answer to a question asked before a crash
   * is late and not the answer to another one.
   */
  epoch?: number;
  nameOf?: (peer: PeerId) => string | null;
}): Router => {
  const { network, clock, sink, epoch = 0, nameOf = () => null } = ports;
  const handlers = new Map<string, (delivery: Delivery) => void>();
  const questions = new Map<number, Question>();
  let lastId = (epoch % epochsMax) * idsPerEpoch;
  let stopped = false;

  const transmit = (peer: PeerId, lane: Lane, envelope: Envelope, fate: Fate = whatever) =>
    network.send(peer, lane, encodeEnvelope(envelope), envelope.target, fate);

  const settle = (id: number, failure: AskFailure | null, body: unknown): void => {
    const question = questions.get(id);
    if (question === undefined) return;
    questions.delete(id);
    question.timer.cancel();
    question.done(failure, body);
  };

  const refuse = createRefusals({ clock, sink, nameOf });

  const receiveAnswer = (peer: PeerId, envelope: Envelope): void => {
    const question = questions.get(envelope.correlation);
    // Late answers are ordinary; an answer from another peer than was asked is not.
    if (question === undefined) return sink.count('answers_late_total');
    if (question.peer !== peer) return refuse(peer, 'SPOKE_FOR_ANOTHER', `answered a question put to ${question.peer}`);
    settle(envelope.correlation, null, envelope.body);
  };

  const handle = (peer: PeerId, lane: Lane, envelope: Envelope): void => {
    const { source, target, type, body, id } = envelope;
    const handler = handlers.get(target);
    if (handler === undefined) return sink.count('dead_letters_total', { address: 'unknown' });
    handler({
      peer,
      type,
      body,
      trace: envelope.trace,
      timeLeftMs: Math.min(envelope.timeLeftMs, limits.callTimeoutMsMax),
      answer(answered) {
        if (id === 0 || stopped) return;
        const sent = transmit(peer, lane, envelopeOf(target, source, answerType, 0, id, 0, answered));
        if (sent === 'full' || sent === 'unreachable') sink.count('answers_lost_total');
      },
    });
  };

  return {
    refuse,
    on(target, handle) {
      if (handlers.has(target)) throw new Error(`two handlers for ${target}`);
      handlers.set(target, handle);
      return () => void handlers.delete(target);
    },

    send(peer, lane, source, target, type, body) {
      const sent = stopped ? 'unreachable' : transmit(peer, lane, envelopeOf(source, target, type, 0, 0, 0, body));
      return sent === 'waits' ? 'queued' : sent;
    },

    post({ peer, lane, source, target, type, body, timeLeftMs, trace }, fate) {
      if (stopped) return 'unreachable';
      const bytes = encodePosted({ version: wireVersion, source, target, type, timeLeftMs, trace, body });
      return network.send(peer, lane, bytes, target, fate);
    },

    ask({ peer, lane, source, target, type, body, timeoutMs }, done) {
      if (stopped) return done({ code: 'STOPPING', definite: true }, null);
      if (questions.size >= limits.pendingCallsMax) return done({ code: 'OVERLOADED', definite: true }, null);
      const id = ++lastId;
      const timeLeftMs = Math.max(1, Math.ceil(timeoutMs));
      const unsent: AskFailure = { code: 'NO_QUORUM', definite: true };
      const envelope = envelopeOf(source, target, type, id, 0, timeLeftMs, body);
      const sent = transmit(peer, lane, envelope, {
        left() {
          const question = questions.get(id);
          if (question !== undefined) question.hasLeft = true;
        },
        dropped: () => settle(id, unsent, null),
      });
      if (sent === 'full') return done({ code: 'OVERLOADED', definite: true }, null);
      if (sent === 'unreachable') return done(unsent, null);
      const timer = clock.after(timeLeftMs, () => {
        const isUnsent = questions.get(id)?.hasLeft === false;
        settle(id, isUnsent ? unsent : { code: 'OUTCOME_UNKNOWN', definite: false }, null);
      });
      questions.set(id, { peer, timer, hasLeft: sent !== 'waits', done });
    },

    receive(peer, lane, bytes) {
      const envelope = lane === 'calls' ? decodePosted(bytes) : decodeEnvelope(bytes);
      if ('refused' in envelope) {
        refuse(peer, envelope.refused, envelope.message);
        return null;
      }
      if (envelope.type === answerType) receiveAnswer(peer, envelope);
      else handle(peer, lane, envelope);
      return envelope.target;
    },

    isAsking(peer) {
      for (const question of questions.values()) if (question.peer === peer) return true;
      return false;
    },

    peerClosed(peer) {
      for (const [id, question] of questions)
        if (question.peer === peer && question.hasLeft) settle(id, { code: 'OUTCOME_UNKNOWN', definite: false }, null);
    },

    stop() {
      stopped = true;
      for (const [id, { hasLeft }] of [...questions]) settle(id, { code: 'STOPPING', definite: !hasLeft }, null);
    },
  };
};
