// The other process of transport benchmarks and tests: a port that echoes what comes on 'calls', counts what comes on the other
// lanes, and answers questions on stdin, one JSON object a line. Ends with its stdin.
import { createInterface } from 'node:readline';
import { createTransport } from '../../../src/transport/index.ts';

export type PeerArguments = {
  identity: string;
  listen: string;
  epoch: number;
  messaging: 'auto' | 'gossipsub';
  connect: string[];
};

const given = JSON.parse(process.argv[2] ?? '{}') as PeerArguments;
const say = (line: unknown): void => {
  process.stdout.write(`${JSON.stringify(line)}\n`);
};

const port = await createTransport({
  identity: Buffer.from(given.identity, 'base64'),
  listen: [given.listen],
  cluster: 'bench',
  secret: new Uint8Array(32).fill(9),
  messaging: given.messaging,
  sink: { log: () => {}, count: () => {} },
});
let received = 0;
port.start({ name: 'peer', epoch: given.epoch, extra: {} }, (event) => {
  if (event.type === 'message') {
    received++;
    if (event.lane === 'calls') port.send(event.peer, 'calls', event.bytes);
  } else if (event.type === 'listening' || event.type === 'peer-open' || event.type === 'peer-close') say(event);
});
port.connect(given.connect);

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const memory = process.memoryUsage();
    const { user, system } = process.cpuUsage();
    if (line === 'status') say({ type: 'status', received, rss: memory.rss, cpuMs: (user + system) / 1000 });
  })
  .on('close', () => port.stop(() => process.exit(0)));
