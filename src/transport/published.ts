// Seals and opens what is published (machines/admission/envelope.ts) with this node's name, epoch and numbers, and with the
// platform's HMAC, which is several times faster than the portable one.
import { createHmac } from 'node:crypto';
import type { PeerId } from '../../actors/ports/index.ts';
import {
  createSeen,
  type Mac,
  openPublished,
  type PublishedMessage,
  type PublishedRefusal,
  sealPublished,
} from '../../machines/admission/index.ts';

export type Published = PublishedMessage;

export type PublishedEnvelopes = {
  seal(topic: string, body: Uint8Array): Uint8Array;
  open(topic: string, bytes: Uint8Array): PublishedMessage | PublishedRefusal;
};

export type EnvelopeOptions = {
  gossipKey: Uint8Array;
  self: PeerId;
  epoch(): number;
  wallMs(): number;
  /** How long an envelope is valid. */
  publishedMs: number;
};

const mac: Mac = (key, message) => new Uint8Array(createHmac('sha256', key).update(message).digest());

/** For all: who must not read a body gets it sealed (seal.ts). */
const everybody = '*';

export const createEnvelopes = (options: EnvelopeOptions): PublishedEnvelopes => {
  const { gossipKey, self } = options;
  const seen = createSeen();
  let sequence = 0;
  return {
    seal: (topic, body) => {
      const expiresAtMs = Math.floor(options.wallMs()) + options.publishedMs;
      const numbers = { epoch: options.epoch(), sequence: sequence++, expiresAtMs };
      return sealPublished({ gossipKey, topic, mac }, { source: self, target: everybody, ...numbers, body });
    },
    open: (topic, bytes) => openPublished({ gossipKey, topic, mac }, bytes, Math.floor(options.wallMs()), seen),
  };
};
