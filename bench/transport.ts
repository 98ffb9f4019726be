// What the transport carries between two processes, and what it costs when idle. Prints one JSON object.
// `node bench/transport.ts [auto|gossipsub]`
import { createTransport, generateIdentity } from '../src/transport/index.ts';
import { startPeer } from '../test/src/transport/peer-process.ts';

const messaging = process.argv[2] === 'gossipsub' ? 'gossipsub' : 'auto';
const secret = new Uint8Array(32).fill(9);
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const base64 = async (): Promise<string> => Buffer.from(await generateIdentity()).toString('base64');
const listen = '/ip4/127.0.0.1/tcp/0';

const peer = startPeer({ identity: await base64(), listen, epoch: 1, messaging, connect: [] });
const port = await createTransport({
  identity: await generateIdentity(),
  ...{ listen: [listen], cluster: 'bench', secret, messaging },
  sink: { log: (...line) => console.error(...line), count: () => {} },
});
let other = '';
let onEcho: (bytes: Uint8Array) => void = () => {};
let onDrain: () => void = () => {};
port.start({ name: 'bench', epoch: 1, extra: {} }, (event) => {
  if (event.type === 'peer-open') other = event.peer;
  if (event.type === 'message') onEcho(event.bytes);
  if (event.type === 'drain') onDrain();
});
port.connect(await peer.addresses());
while (other === '') await sleep(1);
await sleep(300);

const message = new Uint8Array(100).fill(1);
const quantile = (sorted: readonly number[], q: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))]!;

/** One-way messages a second: as many as the lane takes, `burst` a turn. */
const oneWay = async (total: number, burst: number, bytes: Uint8Array): Promise<number> => {
  const before = (await peer.status()).received;
  const startMs = performance.now();
  for (let sent = 0; sent < total; ) {
    let isFull = false;
    for (let count = 0; count < burst && sent < total && !isFull; count++) {
      isFull = port.send(other, 'control', bytes) === 'full';
      if (!isFull) sent++;
    }
    if (isFull)
      await new Promise<void>((resolve) => {
        onDrain = resolve;
      });
    else await new Promise((resolve) => setImmediate(resolve));
  }
  while ((await peer.status()).received - before < total) await sleep(2);
  return Math.round((total / (performance.now() - startMs)) * 1000);
};

/** Round trips with `width` under way. */
const roundTrips = async (total: number, width: number): Promise<{ perSecond: number; p50Us: number; p99Us: number }> => {
  const startedMs: number[] = [];
  const tookMs: number[] = [];
  let sent = 0;
  const startMs = performance.now();
  await new Promise<void>((resolve) => {
    const send = (): void => {
      startedMs.push(performance.now());
      port.send(other, 'calls', message);
      sent++;
    };
    onEcho = () => {
      tookMs.push(performance.now() - startedMs[tookMs.length]!);
      if (sent < total) send();
      else if (tookMs.length === total) resolve();
    };
    for (let count = 0; count < width; count++) send();
  });
  const seconds = (performance.now() - startMs) / 1000;
  const sorted = tookMs.toSorted((a, b) => a - b);
  const us = (q: number): number => Math.round(quantile(sorted, q) * 1000);
  return { perSecond: Math.round(total / seconds), p50Us: us(0.5), p99Us: us(0.99) };
};

/** Round trips on 'calls' while 'bulk' is kept full. */
const beside = async (): Promise<{ p50Us: number; p99Us: number; bulkMBs: number }> => {
  const chunk = new Uint8Array(256 << 10);
  let isOn = true;
  const startMs = performance.now();
  const pump = (): void => {
    while (isOn && port.send(other, 'bulk', chunk) === 'queued') chunks++;
  };
  let chunks = 0;
  onDrain = pump;
  pump();
  const { p50Us, p99Us } = await roundTrips(300, 1);
  isOn = false;
  const bulkMBs = Math.round((chunks * chunk.byteLength) / 1e6 / ((performance.now() - startMs) / 1000));
  return { p50Us, p99Us, bulkMBs };
};

const scale = messaging === 'gossipsub' ? 0.1 : 1;
await roundTrips(1_000 * scale, 1);
const result: Record<string, unknown> = { messaging };
result.oneWayPerSecond = {
  burst1: await oneWay(20_000 * scale, 1, message),
  burst100: await oneWay(300_000 * scale, 100, message),
  burst1000: await oneWay(600_000 * scale, 1000, message),
};
result.bytes4096PerSecond = await oneWay(40_000 * scale, 64, new Uint8Array(4096));
result.roundTrips = {
  width1: await roundTrips(5_000 * scale, 1),
  width64: await roundTrips(60_000 * scale, 64),
  width1024: await roundTrips(150_000 * scale, 1024),
};
result.besideBulk = await beside();
await sleep(1_000);
const idleMs = 5_000;
const [theirs, mine] = [await peer.status(), process.cpuUsage()];
await sleep(idleMs);
const after = await peer.status();
const { user, system } = process.cpuUsage(mine);
result.idle = {
  peerCpuMsPerS: (after.cpuMs - theirs.cpuMs) / (idleMs / 1000),
  ownCpuMsPerS: (user + system) / 1000 / (idleMs / 1000),
  peerRssMB: Math.round(after.rss / 1e6),
};
console.log(JSON.stringify(result, null, 2));
await new Promise<void>((resolve) => port.stop(resolve));
await peer.end();
