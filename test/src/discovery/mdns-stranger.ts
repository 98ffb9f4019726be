// A stranger on the link of a test: sends to the mDNS group, as fast as it can for so many milliseconds, what a node must bear.
import { createSocket } from 'node:dgram';
import { networkInterfaces } from 'node:os';
import dns, { type Answer } from 'dns-packet';

const [address, milliseconds] = process.argv.slice(2) as [string, string];
if (Object.keys(networkInterfaces()).some((name) => name !== 'lo' && !/^pv[0-9a-f]{8}[01]$/.test(name)))
  throw new Error('this process is not alone');

const service = '_polity._tcp.local';

const header = (flags: number, ...counts: [number, number, number, number]): Buffer => {
  const bytes = Buffer.alloc(12);
  for (const [index, value] of [0, flags, ...counts].entries()) bytes.writeUInt16BE(value, index * 2);
  return bytes;
};

/** A name of a thousand pointers, and hundreds of records that use it: allowed, short to send and long to read. */
const pointers = (): Buffer => {
  const chain = [Buffer.from([1, 97, 0])];
  for (let n = 0; n < 1_000; n++) {
    const at = n === 0 ? 12 : 15 + (n - 1) * 2;
    chain.push(Buffer.from([0xc0 | (at >> 8), at & 255]));
  }
  const end = 15 + 999 * 2;
  const record = Buffer.from([0xc0 | (end >> 8), end & 255, 0, 1, 0, 1, 0, 0, 0, 120, 0, 4, 10, 0, 0, 1]);
  const names = Buffer.concat(chain);
  // The chain stands in the data of a first record of a type that nobody reads.
  const first = Buffer.from([0, 0, 10, 0, 1, 0, 0, 0, 1, names.length >> 8, names.length & 255]);
  return Buffer.concat([header(0x8400, 0, 400, 0, 0), first, names, ...Array.from({ length: 399 }, () => record)]);
};

const instances = (from: number): Buffer => {
  const answers = Array.from({ length: 8 }, (_, index): Answer[] => {
    const name = `flood-${from + index}.${service}`;
    const data = ['txtvers=1', 'cluster=c1', `name=f${from + index}`];
    return [
      { type: 'PTR', name: service, ttl: 1, data: name },
      { type: 'SRV', name, ttl: 1, data: { port: 1, target: 'flood.local' } },
      { type: 'TXT', name, ttl: 4_294_967_295, data },
      { type: 'A', name: 'flood.local', ttl: 1, data: '10.213.0.2' },
    ];
  });
  return dns.encode({ type: 'response', answers: answers.flat() });
};

const questions = (): Buffer =>
  dns.encode({ type: 'query', questions: Array.from({ length: 60 }, () => ({ type: 'PTR' as const, name: service })) });

const noise = (length: number): Buffer => Buffer.from(Array.from({ length }, () => Math.floor(Math.random() * 256)));

const socket = createSocket({ type: 'udp4', reuseAddr: true });
socket.bind({ port: 5353, address: '224.0.0.251', exclusive: true }, () => {
  socket.setMulticastInterface(address);
  const packets = [
    pointers(),
    header(0x8400, 65_535, 65_535, 65_535, 65_535),
    header(0, 65_535, 65_535, 65_535, 65_535),
    questions(),
    noise(1_400),
    Buffer.concat([header(0x8400, 0, 9, 0, 0), noise(300)]),
    Buffer.concat([header(0, 3, 0, 0, 0), noise(300)]),
    Buffer.alloc(0),
    Buffer.concat([header(0x8400, 0, 1, 0, 0), Buffer.alloc(20_000)]),
  ];
  const endMs = Date.now() + Number(milliseconds);
  let sent = 0;
  const some = (): void => {
    for (let n = 0; n < 50; n++)
      socket.send(n % 2 === 0 ? instances(sent++ * 8) : packets[n % packets.length]!, 5353, '224.0.0.251');
    if (Date.now() < endMs) setTimeout(some, 2);
    else socket.close(() => process.stdout.write('done\n'));
  };
  some();
});
