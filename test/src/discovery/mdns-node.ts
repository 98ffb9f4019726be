// One node's source of discovery as a process of its own, for tests inside network namespaces: what it finds is told on stdout, a line
// of JSON each; `query` and `stop` are taken on stdin. It refuses to run where there is an interface of a real machine.
import { networkInterfaces } from 'node:os';
import { createInterface } from 'node:readline';
import type { Announcement } from '../../../actors/ports/index.ts';
import { mdnsKind } from '../../../src/discovery/mdns.ts';
import { LookupFault } from '../../../src/discovery/source.ts';

export type NodeOrders = {
  text: string;
  cluster: string;
  self: string;
  follow: boolean;
  announce: Announcement | null;
  /** For measurements: when the process was started, by `Date.now()`. */
  startedMs?: number;
};

const say = (event: string, facts: object = {}): void => {
  process.stdout.write(`${JSON.stringify({ event, atMs: Date.now(), ...facts })}\n`);
};

const strange = Object.keys(networkInterfaces()).filter((name) => name !== 'lo' && !/^pv[0-9a-f]{8}[01]$/.test(name));
if (strange.length > 0) throw new Error(`this process is not alone: it sees ${strange.join(' ')}`);

const orders = JSON.parse(process.argv[2]!) as NodeOrders;
const plan = mdnsKind.parse(orders.text);
if ('problem' in plan) throw new Error(plan.problem);
const source = await plan.open({
  cluster: orders.cluster,
  self: orders.self,
  deriveKey: () => new Uint8Array(32),
  sink: { log: (level, code, message, facts) => say('log', { level, code, message, facts }), count: () => {} },
});
const stopping = new AbortController();
const failed = (error: unknown): void => {
  const { code, message } = error instanceof LookupFault ? error : { code: 'NO_FAULT', message: String(error) };
  say('failed', { code, message });
};

const running: Promise<void>[] = [];
if (orders.follow) running.push(source.follow!((answer) => say('answered', answer), stopping.signal).catch(failed));
if (orders.announce !== null) running.push(source.announce!(orders.announce, stopping.signal).catch(failed));
say('ready');

createInterface(process.stdin).on('line', (line) => {
  if (line === 'stop') stopping.abort();
  if (line === 'query') running.push(source.query(AbortSignal.timeout(5_000)).then((answer) => say('asked', answer), failed));
});
stopping.signal.addEventListener('abort', async () => {
  await Promise.all(running);
  say('stopped');
  process.stdin.destroy();
});
