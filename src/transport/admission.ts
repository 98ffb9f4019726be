// Nobody gets in by default (decision 7): Noise wrapped in a connection encrypter of our own protocol name, which runs the
// admission machine on the encrypted bytes before it hands the connection on. Until then there is no muxer, no stream and no
// gossip, and Noise's own early muxer negotiation is off. What a stranger sees is a closing connection; the reason stays here.
import type { ConnectionEncrypter, MessageStream, PeerId, SecureConnectionOptions, SecuredConnection } from '@libp2p/interface';
import { noise } from '@libp2p/noise';
import { type AdmissionKeys, createAdmission, receive } from '../../machines/admission/index.ts';
import { limits as wireLimits } from '../../machines/wire/limits.ts';
import { decodeHello, type Hello } from './hello.ts';

export const admissionProtocol = '/polity/noise/1';

type NoiseComponents = Parameters<ReturnType<typeof noise>>[0];

export type AdmissionOptions = {
  keys: AdmissionKeys;
  cluster: string;
  self: string;
  timeLimitMs: number;
  nonce(): Uint8Array;
  /** Own hello, encoded. */
  hello(): Uint8Array;
  onAdmitted(connection: MessageStream, hello: Hello): void;
  onRefused(connection: MessageStream, refused: AdmissionRefused, peer: string | null): void;
};

export class AdmissionRefused extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.name = 'AdmissionRefused';
    this.code = code;
  }
}

/** Code of the one refusal that is neither counted nor told. */
export const ownAddress = 'OWN_ADDRESS';
export const ownAddressMessage = 'this address is our own';
/** Noise proved another peer than the one dialled: its address was given to somebody else, or its disk was replaced. */
export const otherPeer = 'OTHER_PEER';
export const otherPeerMessage = 'another node answers at this address';

const frameLengthBytes = 2;

const framed = (bytes: Uint8Array): Uint8Array => {
  const frame = new Uint8Array(frameLengthBytes + bytes.byteLength);
  frame[0] = bytes.byteLength >>> 8;
  frame[1] = bytes.byteLength;
  frame.set(bytes, frameLengthBytes);
  return frame;
};

/** Splits handshake frames off the stream; `rest` is what belongs to the muxer afterwards. */
class HandshakeReader {
  #bytes: Uint8Array = new Uint8Array(0);

  push(chunk: Uint8Array): void {
    const joined = new Uint8Array(this.#bytes.byteLength + chunk.byteLength);
    joined.set(this.#bytes);
    joined.set(chunk, this.#bytes.byteLength);
    this.#bytes = joined;
  }

  next(): Uint8Array | null {
    if (this.#bytes.byteLength < frameLengthBytes) return null;
    const length = (this.#bytes[0]! << 8) | this.#bytes[1]!;
    if (length > wireLimits.handshakeFrameBytesMax)
      throw new AdmissionRefused('TOO_LARGE', `a handshake frame of ${length} bytes`);
    if (this.#bytes.byteLength < frameLengthBytes + length) return null;
    const frame = this.#bytes.slice(frameLengthBytes, frameLengthBytes + length);
    this.#bytes = this.#bytes.subarray(frameLengthBytes + length);
    return frame;
  }

  get rest(): Uint8Array {
    return this.#bytes;
  }
}

/** Runs the handshake over an encrypted stream; resolves with the other side's hello bytes. */
const exchange = (
  stream: MessageStream,
  role: 'dialler' | 'listener',
  otherPeer: string,
  options: AdmissionOptions,
  signal: AbortSignal,
): Promise<Uint8Array> => {
  let resolve: (hello: Uint8Array) => void = () => {};
  let reject: (reason: unknown) => void = () => {};
  const promise = new Promise<Uint8Array>((fulfil, fail) => {
    resolve = fulfil;
    reject = fail;
  });
  const reader = new HandshakeReader();
  const { state, send } = createAdmission({
    role,
    keys: options.keys,
    cluster: options.cluster,
    selfPeer: options.self,
    otherPeer,
    nonce: options.nonce(),
    hello: options.hello(),
  });
  let done = false;
  const onMessage = (event: { data: Uint8Array | { subarray(): Uint8Array } }): void => {
    reader.push(event.data instanceof Uint8Array ? event.data : event.data.subarray());
    // Several events may come in one turn: what follows the last handshake frame is kept for the muxer.
    if (done) return;
    try {
      for (let frame = reader.next(); frame !== null; frame = reader.next()) {
        const step = receive(state, frame);
        for (const answer of step.send) stream.send(framed(answer));
        if (step.verdict === null) continue;
        if (!step.verdict.admitted) throw new AdmissionRefused(step.verdict.code, step.verdict.message);
        done = true;
        resolve(step.verdict.hello);
        return;
      }
    } catch (error) {
      done = true;
      reject(error);
    }
  };
  const onClose = (): void => reject(new AdmissionRefused('NO_PROOF', 'closed before it proved the secret'));
  const onAbort = (): void => reject(new AdmissionRefused('TIMED_OUT', `no proof within ${options.timeLimitMs} ms`));
  stream.addEventListener('message', onMessage);
  stream.addEventListener('close', onClose);
  signal.addEventListener('abort', onAbort);
  for (const frame of send) stream.send(framed(frame));
  return promise.finally(() => {
    stream.removeEventListener('message', onMessage);
    stream.removeEventListener('close', onClose);
    signal.removeEventListener('abort', onAbort);
    // What came behind the last frame is the muxer's.
    if (reader.rest.byteLength > 0 && stream.status === 'open') stream.unshift(reader.rest);
  });
};

/**
 * Noise hands over a length, a ciphertext and a tag, and the TCP stream makes a system call of each part (stack.md §2): copying
 * them together costs a tenth of what the two further calls do.
 */
const sendWhole = (raw: MessageStream): void => {
  const send = raw.send.bind(raw);
  raw.send = (data) => send(data.subarray());
};

/** Nobody hears most of these, and an event costs more than what it tells of. */
export const sparingEvents = (stream: MessageStream): void => {
  const dispatch = stream.safeDispatchEvent.bind(stream);
  stream.safeDispatchEvent = ((type: 'idle', detail?: CustomEventInit) =>
    type === 'idle' && stream.listenerCount(type) === 0 ? true : dispatch(type, detail)) as typeof dispatch;
};

/** What a decoder of @libp2p/noise is asked for, as far as it is known here. */
type LengthDecoder = { lengthDecoder: (data: { length: number }) => number };

/** Of the longest message of Noise (revision 34 §3): fewer bytes than a length has are no whole message of any length. */
const longest = 65_535;

/** Noise looks for the next length behind every message, and finds by an exception that there is none: a tenth of what a call costs. */
const sparingDecoder = (secured: MessageStream): void => {
  const { decoder } = secured as Partial<{ decoder: LengthDecoder }>;
  if (typeof decoder?.lengthDecoder !== 'function') return;
  const decode = decoder.lengthDecoder;
  decoder.lengthDecoder = (data) => (data.length < 2 ? longest : decode(data));
};

const asRefused = (error: unknown, timedOut: boolean, timeLimitMs: number): AdmissionRefused => {
  if (error instanceof AdmissionRefused) return error;
  if (error instanceof Error && error.name === 'UnexpectedPeerError') return new AdmissionRefused(otherPeer, otherPeerMessage);
  if (timedOut) return new AdmissionRefused('TIMED_OUT', `no Noise handshake within ${timeLimitMs} ms`);
  return new AdmissionRefused('NO_PROOF', `Noise handshake failed: ${error instanceof Error ? error.message : 'unknown'}`);
};

/** For libp2p's `connectionEncrypters`. */
export const admission =
  (options: AdmissionOptions) =>
  (components: NoiseComponents): ConnectionEncrypter => {
    const inner = noise()(components);

    const secure = async (
      raw: MessageStream,
      role: 'dialler' | 'listener',
      secureOptions: SecureConnectionOptions | undefined,
    ): Promise<SecuredConnection> => {
      const timeLimit = AbortSignal.timeout(options.timeLimitMs);
      const outer = secureOptions?.signal;
      const signal = outer === undefined ? timeLimit : AbortSignal.any([timeLimit, outer]);
      const noiseOptions = { ...secureOptions, signal, skipStreamMuxerNegotiation: true };
      let remotePeer: PeerId | null = null;
      sendWhole(raw);
      sparingEvents(raw);
      try {
        const secured =
          role === 'dialler' ? await inner.secureOutbound(raw, noiseOptions) : await inner.secureInbound(raw, noiseOptions);
        remotePeer = secured.remotePeer;
        sparingEvents(secured.connection);
        sparingDecoder(secured.connection);
        // An address of our own among those to join: no stranger, no news.
        if (remotePeer.toString() === options.self) throw new AdmissionRefused(ownAddress, ownAddressMessage);
        const helloBytes = await exchange(secured.connection, role, remotePeer.toString(), options, signal);
        const hello = decodeHello(helloBytes);
        if (hello === null) throw new AdmissionRefused('HELLO_MALFORMED', 'admitted, but its hello is malformed');
        options.onAdmitted(raw, hello);
        // Both ends speak Yamux; naming it here saves a negotiation after the handshake.
        const streamMuxer = components.upgrader.getStreamMuxers().values().next().value;
        return streamMuxer === undefined
          ? { connection: secured.connection, remotePeer }
          : { connection: secured.connection, remotePeer, streamMuxer };
      } catch (error) {
        const refused = asRefused(error, signal.aborted, options.timeLimitMs);
        options.onRefused(raw, refused, remotePeer?.toString() ?? null);
        throw refused;
      }
    };

    return {
      protocol: admissionProtocol,
      secureInbound: (raw, secureOptions) => secure(raw, 'listener', secureOptions),
      secureOutbound: (raw, secureOptions) => secure(raw, 'dialler', secureOptions),
    };
  };
