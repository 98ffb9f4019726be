// What this machine itself can do: synced LevelDB batches, a sync of the file system, a loopback round trip between two processes.
// Everything else is judged against these.
import { spawn } from 'node:child_process';
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Level } from 'level';
import { median, quantile, type Row, round } from './figures.ts';

export type Limits = { syncP50Ms: number; roundTripP50Ms: number; rows: Row[] };

const valueBytes = 100;

const syncedBatches = async (
  directory: string,
  size: number,
  batches: number,
): Promise<{ p50Ms: number; perSecond: number }> => {
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
  return { p50Ms: median(tookMs), perSecond: (batches * size * 1000) / tookMs.reduce((sum, ms) => sum + ms, 0) };
};

const fileSync = (directory: string, count: number): number[] => {
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
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const child = spawn(process.execPath, ['-e', client, String(port), String(count), String(valueBytes)]);
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  await new Promise((resolve) => child.once('close', resolve));
  server.close();
  return JSON.parse(text) as number[];
};

export const measureLimits = async (quick: boolean): Promise<Limits> => {
  const directory = mkdtempSync(join(tmpdir(), 'polity-bench-'));
  try {
    const count = quick ? 200 : 1_000;
    const rows: Row[] = [];
    let syncP50Ms = 0;
    for (const size of [1, 16, 256]) {
      const { p50Ms, perSecond } = await syncedBatches(directory, size, Math.ceil(count / Math.sqrt(size)));
      if (size === 1) syncP50Ms = p50Ms;
      rows.push({
        limit: `LevelDB, synced batch of ${size} × ${valueBytes} B`,
        'p50 ms': round(p50Ms),
        'a second': Math.round(perSecond),
      });
    }
    const syncs = fileSync(directory, count);
    rows.push({ limit: 'fdatasync', 'p50 ms': round(median(syncs)), 'a second': Math.round(1000 / median(syncs)) });
    const trips = await roundTrips(3 * count);
    const roundTripP50Ms = median(trips);
    rows.push({
      limit: 'loopback round trip, two processes',
      'p50 ms': round(roundTripP50Ms),
      'p99 ms': round(quantile(trips, 0.99)),
    });
    return { syncP50Ms, roundTripP50Ms, rows };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
};
