// One question, one server, one answer: over UDP, from a random port and with a random id (RFC 5452 §9.2), and over TCP where the
// answer is too long for a datagram (RFC 7766). Whatever is no answer to this question is as if it had not come.
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import type { DecodedPacket } from 'dns-packet';
import { formQuestion, type Question, type Reply, readReply } from './dns-message.ts';
import { LookupFault } from './source.ts';

export type DnsCodec = { decode(bytes: Buffer): DecodedPacket };
export type DnsServer = { host: string; port: number };

export const serverText = ({ host, port }: DnsServer): string => (isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`);

/** More than asked for (1232) is believed; far more is none of ours. */
const datagramBytesMax = 4_096;
/** Forged or foreign datagrams that are read for one question. */
const ignoredMax = 100;

const unreachable = (server: DnsServer, error: Error): LookupFault => {
  const reason = (error as NodeJS.ErrnoException).code ?? 'closed';
  return new LookupFault('SOURCE_UNREACHABLE', `${serverText(server)} cannot be reached (${reason})`, { cause: error });
};

const tooLate = (server: DnsServer): LookupFault =>
  new LookupFault('SOURCE_TIMED_OUT', `${serverText(server)} gave no answer in time`);

type Exchange = (codec: DnsCodec, server: DnsServer, question: Question, edns: boolean, signal: AbortSignal) => Promise<Reply>;

export const exchangeOverUdp: Exchange = (codec, server, question, edns, signal) =>
  new Promise((resolve, reject) => {
    if (signal.aborted) return reject(tooLate(server));
    const id = randomInt(0x10000);
    const socket = createSocket(isIPv6(server.host) ? 'udp6' : 'udp4');
    let ignored = 0;
    let ended = false;
    const end = (act: () => void): void => {
      if (ended) return;
      ended = true;
      signal.removeEventListener('abort', abort);
      socket.close();
      act();
    };
    const abort = (): void => end(() => reject(tooLate(server)));
    signal.addEventListener('abort', abort);
    socket.on('error', (error) => end(() => reject(unreachable(server, error))));
    socket.on('message', (bytes) => {
      if (ended) return;
      const reply = bytes.length > datagramBytesMax ? null : readReply(codec, bytes, id, question);
      if (reply !== null) return end(() => resolve(reply));
      ignored += 1;
      const flooded = `${serverText(server)} sent ${ignored} datagrams that are no answer`;
      if (ignored >= ignoredMax) end(() => reject(new LookupFault('SOURCE_MALFORMED', flooded)));
    });
    // Connected: the system drops what others send, and says when nobody listens.
    socket.connect(server.port, server.host, () => {
      if (!ended) socket.send(formQuestion(id, question, edns));
    });
  });

export const exchangeOverTcp: Exchange = (codec, server, question, edns, signal) =>
  new Promise((resolve, reject) => {
    if (signal.aborted) return reject(tooLate(server));
    const id = randomInt(0x10000);
    const socket = connect(server.port, server.host);
    let received = Buffer.alloc(0);
    let ended = false;
    const end = (act: () => void): void => {
      if (ended) return;
      ended = true;
      signal.removeEventListener('abort', abort);
      socket.destroy();
      act();
    };
    const abort = (): void => end(() => reject(tooLate(server)));
    signal.addEventListener('abort', abort);
    socket.on('error', (error) => end(() => reject(unreachable(server, error))));
    socket.on('close', () => end(() => reject(unreachable(server, new Error('closed before the answer')))));
    socket.on('connect', () => {
      const bytes = formQuestion(id, question, edns);
      // RFC 7766 §8: length and message in one write.
      socket.write(Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes]));
    });
    socket.on('data', (chunk) => {
      if (ended) return;
      received = Buffer.concat([received, chunk]);
      const length = received.length < 2 ? Number.POSITIVE_INFINITY : received.readUInt16BE(0);
      if (received.length < 2 + length) return;
      const reply = readReply(codec, received.subarray(2, 2 + length), id, question);
      if (reply !== null && !reply.truncated) return end(() => resolve(reply));
      end(() => reject(new LookupFault('SOURCE_MALFORMED', `${serverText(server)} answered over TCP what is no answer`)));
    });
  });
