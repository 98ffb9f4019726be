// A DNS server that says what a test wants, over UDP and TCP on one port of loopback: also what no good server says.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import dnsPacket, { type Answer, type DecodedPacket, type Packet } from 'dns-packet';

export type Asked = {
  id: number;
  name: string;
  /** The first of the name, as it stood on the wire. */
  label: string;
  type: string;
  via: 'udp' | 'tcp';
  port: number;
  edns: boolean;
  query: DecodedPacket;
};
/** A message, raw bytes, several of them, or silence. */
type Said = Packet | Buffer | readonly Buffer[] | null;
export type Script = (asked: Asked) => Said | Promise<Said>;

/** An answer to a question as a good server gives it; `code` is an RCODE. */
export const reply = ({ query }: Asked, answers: Answer[], more: Partial<Packet> & { code?: number } = {}): Packet => {
  const { code = 0, flags = 0, ...rest } = more;
  return {
    type: 'response',
    ...(query.id === undefined ? {} : { id: query.id }),
    flags: dnsPacket.RECURSION_DESIRED | dnsPacket.RECURSION_AVAILABLE | flags | code,
    ...(query.questions === undefined ? {} : { questions: query.questions }),
    answers,
    ...rest,
  };
};

export const soa = (minimum: number, ttl = 3_600): Answer => ({
  ...{ type: 'SOA', name: 'example.org', ttl, class: 'IN' },
  data: { mname: 'ns.example.org', rname: 'admin.example.org', serial: 1, refresh: 1, retry: 1, expire: 1, minimum },
});

export const bytesOf = (said: Packet | Buffer): Buffer => (Buffer.isBuffer(said) ? said : dnsPacket.encode(said));
const framed = (bytes: Buffer): Buffer => Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes]);

const listOf = (said: Said): Buffer[] => {
  if (said === null) return [];
  return Array.isArray(said) ? [...(said as readonly Buffer[])] : [bytesOf(said as Packet | Buffer)];
};

const read = (bytes: Buffer, via: Asked['via'], port: number): Asked => {
  const query = dnsPacket.decode(bytes);
  const label = bytes.subarray(13, 13 + (bytes[12] ?? 0)).toString();
  const [question] = query.questions ?? [];
  const edns = query.additionals?.some(({ type }) => type === 'OPT') ?? false;
  return { id: query.id ?? 0, name: question?.name ?? '', label, type: question?.type ?? '', via, port, edns, query };
};

export const startScripted = async (script: Script) => {
  const asked: Asked[] = [];
  const sockets = new Set<Socket>();
  const answer = async (bytes: Buffer, via: Asked['via'], from: number, say: (bytes: Buffer) => void): Promise<void> => {
    const one = read(bytes, via, from);
    asked.push(one);
    for (const said of listOf(await script(one))) say(said);
  };
  const tcp = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (chunk: Buffer) => {
      void answer(chunk.subarray(2), 'tcp', socket.remotePort ?? 0, (bytes) => socket.write(framed(bytes)));
    });
  }).listen(0, '127.0.0.1');
  await once(tcp, 'listening');
  const { port } = tcp.address() as { port: number };
  const udp = createSocket('udp4').bind(port, '127.0.0.1');
  await once(udp, 'listening');
  let open = true;
  udp.on('message', (bytes, { port: from }) => {
    void answer(bytes, 'udp', from, (said) => open && udp.send(said, from, '127.0.0.1'));
  });
  const stop = async (): Promise<void> => {
    open = false;
    udp.close();
    for (const socket of sockets) socket.destroy();
    tcp.close();
    await once(tcp, 'close');
  };
  return { host: '127.0.0.1', port, asked, stop };
};
