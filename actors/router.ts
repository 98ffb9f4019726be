// Between the network's bytes and the actors' messages: encodes envelopes, binds each to the authenticated peer it came from,
// hands it to the address it names, and matches answers to questions. Owns no rule of any protocol.
import type { ErrorCode } from '../machines/errors.ts';
import { decodeEnvelope, type Envelope, encodeEnvelope, wireVersion } from '../machines/wire/envelope.ts';
import { limits } from '../machines/wire/limits.ts';
import type { ClockPort, Lane, NetworkPort, PeerId, SinkPort, Timer } from './ports/index.ts';
import { createRefusals, type Refuse } from './refusals.ts';

/** A received message. `answer` sends the reply to whoever asked; a no-op where nobody waits. */
export type Delivery = { peer: PeerId; type: string; body: unknown; timeLeftMs: number; answer: (body: unknown) => void };

/** Why a question has no answer. `definite`: it surely never left this node. */
export type AskFailure = {
  code: Extract<ErrorCode, 'OVERLOADED' | 'OUTCOME_UNKNOWN' | 'NO_QUORUM' | 'STOPPING'>;
  definite: boolean;
};

type Question = { peer: PeerId; timer: Timer; done: (failure: AskFailure | null, body: unknown) => void };

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
  ask(
    question: { peer: PeerId; lane: Lane; source: string; target: string; type: string; body: unknown; timeoutMs: number },
    done: (failure: AskFailure | null, body: unknown) => void,
  ): void;
  receive(peer: PeerId, lane: Lane, bytes: Uint8Array): void;
  peerClosed(peer: PeerId): void;
  /** A message that arrived is not taken: counted, and told with the peer's name. */
  refuse: Refuse;
  stop(): void;
}

const answerType = 'answer';

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
  network: NetworkPort;
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

  const transmit = (peer: PeerId, lane: Lane, envelope: Envelope) => network.send(peer, lane, encodeEnvelope(envelope));

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

  return {
    refuse,
    on(target, handle) {
      if (handlers.has(target)) throw new Error(`two handlers for ${target}`);
      handlers.set(target, handle);
      return () => void handlers.delete(target);
    },

    send: (peer, lane, source, target, type, body) =>
      stopped ? 'unreachable' : transmit(peer, lane, envelopeOf(source, target, type, 0, 0, 0, body)),

    ask({ peer, lane, source, target, type, body, timeoutMs }, done) {
      if (stopped) return done({ code: 'STOPPING', definite: true }, null);
      if (questions.size >= limits.pendingCallsMax) return done({ code: 'OVERLOADED', definite: true }, null);
      const id = ++lastId;
      const timeLeftMs = Math.max(1, Math.ceil(timeoutMs));
      const sent = transmit(peer, lane, envelopeOf(source, target, type, id, 0, timeLeftMs, body));
      if (sent === 'full') return done({ code: 'OVERLOADED', definite: true }, null);
      if (sent === 'unreachable') return done({ code: 'NO_QUORUM', definite: true }, null);
      const timer = clock.after(timeLeftMs, () => settle(id, { code: 'OUTCOME_UNKNOWN', definite: false }, null));
      questions.set(id, { peer, timer, done });
    },

    receive(peer, lane, bytes) {
      const envelope = decodeEnvelope(bytes);
      if ('refused' in envelope) return refuse(peer, envelope.refused, envelope.message);
      if (envelope.type === answerType) return receiveAnswer(peer, envelope);
      const handle = handlers.get(envelope.target);
      if (handle === undefined) {
        sink.count('dead_letters_total', { address: 'unknown' });
        return;
      }
      const { source, target, id } = envelope;
      handle({
        peer,
        type: envelope.type,
        body: envelope.body,
        timeLeftMs: Math.min(envelope.timeLeftMs, limits.callTimeoutMsMax),
        answer(body) {
          if (id === 0 || stopped) return;
          if (transmit(peer, lane, envelopeOf(target, source, answerType, 0, id, 0, body)) !== 'queued')
            sink.count('answers_lost_total');
        },
      });
    },

    peerClosed(peer) {
      for (const [id, question] of questions)
        if (question.peer === peer) settle(id, { code: 'OUTCOME_UNKNOWN', definite: false }, null);
    },

    stop() {
      stopped = true;
      for (const id of [...questions.keys()]) settle(id, { code: 'STOPPING', definite: false }, null);
    },
  };
};
