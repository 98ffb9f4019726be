// What this machine itself can do: synced LevelDB batches, a sync of the file system, a loopback round trip between two processes.
// Everything else is judged against these.
import { closeSync, fdatasyncSync, openSync, statfsSync, writeSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Level } from 'level';
import { makeDirectory, outputOf, removeDirectory } from './children.ts';
import { median, quantile, type Row, round } from './figures.ts';

const valueBytes = 100;
const floorSamples = 300;
const roundTripsMsMax = 60_000;
/** statfs(2): a file system in memory, where a sync costs nothing and no figure means anything. */
const tmpfsMagic = 0x01021994;

/** Times of synced batches, one after the other, milliseconds. */
const syncedBatches = async (directory: string, size: number, batches: number): Promise<number[]> => {
  const database = new Level<string, Uint8Array>(join(directory, `level-${size}`), { valueEncoding: 'view' });
  await database.open();
  const tookMs: number[] = [];
  for (let at = 0; at < batches; at++) {
    const operations = Array.from({ length: size }, (_, one) => ({
      type: 'put' as const,
      key: `k${at * size + one}`,
      value: new Uint8Array(valueBytes),
    }));
    const startMs = performance.now();
    await database.batch(operations, { sync: true });
    tookMs.push(performance.now() - startMs);
  }
  await database.close();
  return tookMs;
};

const fileSyncs = (directory: string, count: number): number[] => {
  const file = openSync(join(directory, 'file'), 'w');
  const bytes = new Uint8Array(valueBytes);
  const tookMs: number[] = [];
  for (let at = 0; at < count; at++) {
    writeSync(file, bytes);
    const startMs = performance.now();
    fdatasyncSync(file);
    tookMs.push(performance.now() - startMs);
  }
  closeSync(file);
  return tookMs;
};

const client = `
const { connect } = require('node:net');
const [port, count, size] = process.argv.slice(1).map(Number);
const socket = connect({ port, host: '127.0.0.1', noDelay: true });
const bytes = Buffer.alloc(size), tookMs = [];
let startMs = 0, received = 0;
const send = () => { startMs = performance.now(); socket.write(bytes); };
socket.on('connect', send).on('data', (chunk) => {
  received += chunk.length;
  if (received < size) return;
  received = 0;
  if (tookMs.push(performance.now() - startMs) < count) return send();
  process.stdout.write(JSON.stringify(tookMs));
  socket.end();
});`;

const roundTrips = async (count: number): Promise<number[]> => {
  const server = createServer((socket) => {
    socket.setNoDelay(true);
    socket.on('data', (chunk) => socket.write(chunk));
    socket.on('error', () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  try {
    return JSON.parse(
      await outputOf(['-e', client, String(port), String(count), String(valueBytes)], roundTripsMsMax),
    ) as number[];
  } finally {
    server.close();
  }
};

/** The least that a replicated write can take: one sync and one round trip, each at its median, as the machine is now. */
export const measureFloorMs = async (): Promise<number> => {
  const directory = makeDirectory();
  try {
    return median(await syncedBatches(directory, 1, floorSamples)) + median(await roundTrips(floorSamples));
  } finally {
    removeDirectory(directory);
  }
};

export const measureLimits = async (quick: boolean): Promise<Row[]> => {
  const directory = makeDirectory();
  try {
    if (statfsSync(directory).type === tmpfsMagic)
      console.error(`${directory} is in memory: name a directory on a disk by TMPDIR`);
    const count = quick ? 200 : 1_000;
    const rows: Row[] = [];
    const add = (limit: string, tookMs: readonly number[], each: number): void => {
      const sumMs = tookMs.reduce((sum, ms) => sum + ms, 0);
      const times = { 'p50 ms': round(median(tookMs)), 'p99 ms': round(quantile(tookMs, 0.99)) };
      rows.push({ limit, ...times, 'a second': Math.round((tookMs.length * each * 1000) / sumMs) });
    };
    for (const size of [1, 16, 256])
      add(
        `LevelDB, synced batch of ${size} × ${valueBytes} B`,
        await syncedBatches(directory, size, Math.ceil(count / Math.sqrt(size))),
        size,
      );
    add('fdatasync', fileSyncs(directory, count), 1);
    add('loopback round trip, two processes', await roundTrips(3 * count), 1);
    return rows;
  } finally {
    removeDirectory(directory);
  }
};
