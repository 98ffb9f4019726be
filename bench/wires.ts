// What one client says on its connection and how it hears that a write is acknowledged: Polity over HTTP/1.1, etcd over its JSON
// gateway, and etcd over gRPC. Written by hand because the machine that is measured also runs the load: a whole HTTP client or a
// gRPC library would cost more than the servers. One request at a time on a connection, so an answer needs no number.

export type Answer = 'acknowledged' | 'refused';

export interface Wire {
  /** What a connection begins with. */
  readonly greeting: Uint8Array;
  put(key: string): string | Uint8Array;
  /** Takes what came in; null while the answer is not whole. `say` sends what the protocol itself owes the other side. */
  heard(chunk: Buffer, say: (bytes: Uint8Array) => void): Answer | null;
}

const value = 'v'.repeat(100);
const nothing = new Uint8Array(0);

/** Both servers say how long their answers are. */
const isWhole = (text: string): boolean => {
  const head = text.indexOf('\r\n\r\n');
  if (head === -1) return false;
  const length = /\r\ncontent-length: *(\d+)/i.exec(text.slice(0, head + 2));
  return text.length >= head + 4 + Number(length?.[1] ?? 0);
};

class Http1 implements Wire {
  readonly greeting = nothing;
  readonly put: (key: string) => string;
  #text = '';

  constructor(put: (key: string) => string) {
    this.put = put;
  }

  heard(chunk: Buffer): Answer | null {
    this.#text += chunk.toString('latin1');
    if (!isWhole(this.#text)) return null;
    const answer = this.#text.startsWith('HTTP/1.1 200') ? 'acknowledged' : 'refused';
    this.#text = '';
    return answer;
  }
}

const polityPut = (key: string): string =>
  `PUT /v1/kv/${key} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: ${value.length}\r\n\r\n${value}`;

const base64 = (text: string): string => Buffer.from(text).toString('base64');

const gatewayPut = (key: string): string => {
  const body = JSON.stringify({ key: base64(key), value: base64(value) });
  return `POST /v3/kv/put HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
};

// RFC 9113 §4.1 and §6, as far as one client with one request at a time needs it.
const frameHeadBytes = 9;
const types = { data: 0, headers: 1, resetStream: 3, settings: 4, ping: 6, goAway: 7, windowUpdate: 8 } as const;
const endStream = 0x1;
const endHeaders = 0x4;
const acknowledge = 0x1;

const frame = (type: number, flags: number, stream: number, payload: Uint8Array): Buffer => {
  const bytes = Buffer.alloc(frameHeadBytes + payload.byteLength);
  bytes.writeUIntBE(payload.byteLength, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(stream, 5);
  bytes.set(payload, frameHeadBytes);
  return bytes;
};

/** RFC 7541 §6.2.2: a literal that neither side has to remember; strings without Huffman. */
const text = (string: string): Buffer => Buffer.concat([Buffer.of(string.length), Buffer.from(string)]);
const grpcHead = Buffer.concat([
  ...[Buffer.of(0x83, 0x86, 0x04), text('/etcdserverpb.KV/Put'), Buffer.of(0x01), text('127.0.0.1')],
  ...[Buffer.of(0x0f, 0x10), text('application/grpc'), Buffer.of(0x00), text('te'), text('trailers')],
]);

/** A PutRequest behind gRPC's five bytes. Lengths are below 128, so that a varint is one byte. */
const putRequest = (key: string): Buffer => {
  const message = Buffer.concat([Buffer.of(0x0a), text(key), Buffer.of(0x12), text(value)]);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.byteLength, 1);
  return Buffer.concat([head, message]);
};

class Grpc implements Wire {
  /** The preface, no settings of our own, and a window for everything that will ever be answered. */
  readonly greeting = Buffer.concat([
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    frame(types.settings, 0, 0, nothing),
    frame(types.windowUpdate, 0, 0, Buffer.of(0x7f, 0xff, 0, 0)),
  ]);
  #bytes: Buffer = Buffer.alloc(0);
  #stream = -1;
  #hasMessage = false;

  put(key: string): Uint8Array {
    this.#stream += 2;
    this.#hasMessage = false;
    const head = frame(types.headers, endHeaders, this.#stream, grpcHead);
    return Buffer.concat([head, frame(types.data, endStream, this.#stream, putRequest(key))]);
  }

  heard(chunk: Buffer, say: (bytes: Uint8Array) => void): Answer | null {
    this.#bytes = this.#bytes.byteLength === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    let answer: Answer | null = null;
    while (this.#bytes.byteLength >= frameHeadBytes) {
      const end = frameHeadBytes + this.#bytes.readUIntBE(0, 3);
      if (this.#bytes.byteLength < end) break;
      const [type, flags] = [this.#bytes[3]!, this.#bytes[4]!];
      answer = this.#onFrame(type, flags, this.#bytes.subarray(frameHeadBytes, end), say) ?? answer;
      this.#bytes = this.#bytes.subarray(end);
    }
    return answer;
  }

  #onFrame(type: number, flags: number, payload: Buffer, say: (bytes: Uint8Array) => void): Answer | null {
    const isReply = (flags & acknowledge) !== 0;
    if (type === types.settings && !isReply) say(frame(types.settings, acknowledge, 0, nothing));
    if (type === types.ping && !isReply) say(frame(types.ping, acknowledge, 0, payload));
    if (type === types.data) this.#hasMessage = true;
    if (type === types.resetStream || type === types.goAway) return 'refused';
    // A refused call has a status and no message: trailers alone.
    if (type !== types.headers || (flags & endStream) === 0) return null;
    return this.#hasMessage ? 'acknowledged' : 'refused';
  }
}

export const wires = {
  polity: (): Wire => new Http1(polityPut),
  gateway: (): Wire => new Http1(gatewayPut),
  grpc: (): Wire => new Grpc(),
} as const;

export type WireKind = keyof typeof wires;
