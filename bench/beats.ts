// The least that a quiet cluster's beats cost on this machine: as many processes, one of which writes to each of the others ten
// times a second over bare TCP, without encryption, framing or anything that reads what it says.
import { type ChildProcess, spawn } from 'node:child_process';
import { gone, owned } from './children.ts';
import { cpuMsOf, sleep } from './figures.ts';

const beatMs = 100;
/** Of a beat on the wire. */
const beatBytes = 71;
const settleMs = 2_000;

const program = `
const { createServer, connect } = require('node:net');
const ports = process.argv.slice(1).map(Number);
if (ports.length === 0) {
  const server = createServer((socket) => socket.on('data', () => {}).on('error', () => {}));
  server.listen(0, '127.0.0.1', () => console.log(server.address().port));
} else {
  const sockets = ports.map((port) => connect({ port, host: '127.0.0.1', noDelay: true }).on('error', () => {}));
  const bytes = Buffer.alloc(${beatBytes});
  setInterval(() => { for (const socket of sockets) socket.write(bytes); }, ${beatMs});
  console.log(0);
}`;

const start = async (ports: readonly number[]): Promise<{ child: ChildProcess; port: number }> => {
  const child = owned(spawn(process.execPath, ['-e', program, ...ports.map(String)], { stdio: ['ignore', 'pipe', 'inherit'] }));
  const port = await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`a process that only beats ended with ${code}`)));
    child.stdout!.once('data', (chunk: Buffer) => resolve(Number(chunk.toString())));
  });
  return { child, port };
};

/** Per cent of one processor that all of them together use. */
export const measureBeats = async (nodes: number, forMs: number): Promise<number> => {
  const started: { child: ChildProcess; port: number }[] = [];
  try {
    for (let at = 1; at < nodes; at++) started.push(await start([]));
    started.push(await start(started.map(({ port }) => port)));
    await sleep(settleMs);
    const used = (): number => started.reduce((sum, { child }) => sum + cpuMsOf(child.pid!), 0);
    const before = used();
    await sleep(forMs);
    return ((used() - before) * 100) / forMs;
  } finally {
    for (const { child } of started) child.kill('SIGKILL');
    await Promise.all(started.map(({ child }) => gone(child, 0)));
  }
};
