// What is handed on for another (row R4): whom it is for, over whom it came, and a message of a call or of actors that nobody on the way looks into.
// Checked field by field; what a peer sends becomes a parcel or null.

import { isPath, isPeerId, routesLimits } from '../machines/routes/index.ts';
import type { PeerId } from './ports/index.ts';
import { parcelTypes } from './relay-rules.ts';

export const relayAddress = 'relay';
export const parcelType = 'parcel';

/** Of what a refusal on the way says. */
export const undeliveredType = 'undelivered';
const isType = (value: unknown): value is string =>
  typeof value === 'string' && (parcelTypes.has(value) || value === undeliveredType);

export type Parcel = {
  readonly target: PeerId;
  /** Over whom it came, first who began; on the wire without the one who sends it. */
  readonly travelled: readonly PeerId[];
  /** Answers go back the way of the question: who is left on it, the target last, or nobody. Null: each finds the way himself. */
  readonly back: readonly PeerId[] | null;
  readonly type: string;
  readonly body: unknown;
};

export const formParcel = ({ target, travelled, back, type, body }: Parcel): unknown => [target, travelled, back, type, body];

export const parseParcel = (value: unknown): Parcel | null => {
  if (!Array.isArray(value) || value.length !== 5) return null;
  const [target, travelled, back, type, body] = value as unknown[];
  if (!isPeerId(target) || !isPath(travelled) || travelled.length >= routesLimits.pathMax) return null;
  if (back !== null && (!isPath(back) || (back.length > 0 && back.at(-1) !== target))) return null;
  if (!isType(type)) return null;
  return { target, travelled, back, type, body };
};

/** What it is about, by its number; null: it is malformed, whatever it is. */
export const numberOf = (body: unknown): number | null => {
  const number: unknown = Array.isArray(body) ? body[0] : body;
  return typeof number === 'number' && Number.isSafeInteger(number) && number > 0 ? number : null;
};

const bytesPerToken = 4_096;

/** What it takes of who hands it over: by the piece and by its size. */
export const tollOf = (body: unknown): number => {
  let bytes = 0;
  if (Array.isArray(body)) for (const part of body) if (part instanceof Uint8Array) bytes += part.byteLength;
  return 1 + Math.floor(bytes / bytesPerToken);
};

// ---------------------------------------------------------------- it did not get there

const refusals = ['LOOP_DETECTED', 'UNREACHABLE', 'OVERLOADED', 'DEADLINE_EXCEEDED'] as const;
export type RelayRefusal = (typeof refusals)[number];

/** Of a parcel of this type to `target`, about this call: why it went no farther. It was not handed to anybody else. */
export type Undelivered = {
  readonly target: PeerId;
  readonly type: string;
  readonly number: number;
  readonly code: RelayRefusal;
  readonly message: string;
};

const messageCharsMax = 300;

export const formUndelivered = ({ target, type, number, code, message }: Undelivered): unknown => [
  ...[number, target, type, code, message.slice(0, messageCharsMax)],
];

export const parseUndelivered = (body: unknown): Undelivered | null => {
  if (!Array.isArray(body) || body.length !== 5) return null;
  const [, target, type, given, message] = body as unknown[];
  const number = numberOf(body);
  const code = refusals.find((one) => one === given);
  if (number === null || !isPeerId(target) || !isType(type) || code === undefined) return null;
  if (typeof message !== 'string' || message.length > messageCharsMax) return null;
  return { target, type, number, code, message };
};

// ---------------------------------------------------------------- who calls, as it is told

const mark = 'relayed:';

/**
 * As whom a node calls of whom only others say so. Never a peer id: what a connection proves and what is told have nothing in common,
 * neither results that are remembered nor limits.
 */
export const toldPeer = (origin: PeerId): PeerId => `${mark}${origin}`;
/** Null: it is no such one. */
export const originOf = (peer: PeerId): PeerId | null => (peer.startsWith(mark) ? peer.slice(mark.length) : null);
