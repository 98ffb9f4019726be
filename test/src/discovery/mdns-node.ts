// One node's sources of discovery as a process of their own, for tests inside network namespaces: what they find is told on stdout, a
// line of JSON each; `query` and `stop` are taken on stdin. It refuses to run where there is an interface of a real machine.
import { networkInterfaces } from 'node:os';
import { createInterface } from 'node:readline';
import type { Announcement } from '../../../actors/ports/index.ts';
import { mdnsKind } from '../../../src/discovery/mdns.ts';
import { LookupFault } from '../../../src/discovery/source.ts';

export type NodeOrders = {
  /** What stands behind `mdns:`, a source each. */
  texts: string[];
  cluster: string;
  self: string;
  follow: boolean;
  announce: Announcement | null;
};

const say = (event: string, facts: object = {}): void => {
  process.stdout.write(`${JSON.stringify({ event, atMs: Date.now(), ...facts })}\n`);
};

const strange = Object.keys(networkInterfaces()).filter((name) => name !== 'lo' && !/^pv[0-9a-f]{8}[01]$/.test(name));
if (strange.length > 0) throw new Error(`this process is not alone: it sees ${strange.join(' ')}`);

const orders = JSON.parse(process.argv[2]!) as NodeOrders;
const stopping = new AbortController();
const running: Promise<void>[] = [];

const begin = async (text: string): Promise<() => void> => {
  const plan = mdnsKind.parse(text);
  if ('problem' in plan) throw new Error(plan.problem);
  const tell = (event: string, facts: object): void => say(event, { text, ...facts });
  const failed = (error: unknown): void => {
    const { code, message } = error instanceof LookupFault ? error : { code: 'NO_FAULT', message: String(error) };
    tell('failed', { code, message });
  };
  const source = await plan.open({
    cluster: orders.cluster,
    self: orders.self,
    deriveKey: () => new Uint8Array(32),
    sink: { log: (level, code, message, facts) => tell('log', { level, code, message, facts }), count: () => {} },
  });
  if (orders.follow) running.push(source.follow!((answer) => tell('answered', answer), stopping.signal).catch(failed));
  if (orders.announce !== null) running.push(source.announce!(orders.announce, stopping.signal).catch(failed));
  return () => {
    const asking = source.query(AbortSignal.timeout(5_000));
    running.push(asking.then((answer) => tell('asked', { ...answer, rssBytes: process.memoryUsage.rss() }), failed));
  };
};

const ask = await Promise.all(orders.texts.map(begin));
say('ready');

createInterface(process.stdin).on('line', (line) => {
  if (line === 'stop') stopping.abort();
  if (line === 'query') for (const one of ask) one();
});
stopping.signal.addEventListener('abort', async () => {
  await Promise.all(running);
  say('stopped');
  process.stdin.destroy();
});
