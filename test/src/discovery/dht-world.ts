// A small DHT of strangers on loopback, and members of clusters that meet in it. Time can be set per member; a pause between two looks
// at a board ends when the test says so.
import { createHmac } from 'node:crypto';
import type { Announcement, Finding } from '../../../actors/ports/index.ts';
import { createDhtKind } from '../../../src/discovery/dht.ts';
import { type DhtHost, startDhtHost } from '../../../src/discovery/dht-host.ts';
import type { DhtClock } from '../../../src/discovery/dht-noting.ts';
import { Reach } from '../../../src/discovery/dht-reach.ts';
import type { Source, SourceContext } from '../../../src/discovery/source.ts';
import { generateIdentity, peerIdOf } from '../../../src/transport/index.ts';
import { countingSink } from '../transport/world.ts';

export const deriveKeyOf =
  (from: string): SourceContext['deriveKey'] =>
  (purpose) =>
    createHmac('sha256', from).update(purpose).digest();

/** A host of the DHT that belongs to no cluster of ours. */
export const startStranger = (reach = new Reach(true, []), listen = ['/ip4/127.0.0.1/tcp/0']): Promise<DhtHost> =>
  startDhtHost({ listen, announce: [], isLan: true, reach, nowMs: Date.now });

/** Where others reach it, without its peer id: it changes with each start. */
export const addressOf = (host: DhtHost): string =>
  host.node
    .getMultiaddrs()[0]!
    .toString()
    .replace(/\/p2p\/.*$/, '');

export type Member = {
  source: Source;
  self: Announcement;
  time: { aheadMs: number };
  lines: string[];
  /** Ends the pause that the announcing member is in. */
  look(): void;
  announce(): void;
  /** Resolves or rejects as the announcement does. */
  announced(): Promise<void>;
  /** Ends the announcement. */
  stop(): Promise<void>;
  find(timeoutMs?: number): Promise<string>;
  findings(timeoutMs?: number): Promise<Finding[]>;
};

export type MemberOptions = { text: string; name: string; cluster?: string; secret: string; addresses?: string[] };

export const createMember = async ({ text, name, cluster = 'c1', secret, addresses }: MemberOptions): Promise<Member> => {
  const peer = peerIdOf(await generateIdentity());
  const time = { aheadMs: 0 };
  let look = (): void => {};
  const clock: DhtClock = {
    nowMs: () => Date.now() + time.aheadMs,
    chance: () => 0.5,
    sleep: (_, signal) =>
      new Promise((resolve) => {
        look = resolve;
        if (signal.aborted) resolve();
        signal.addEventListener('abort', () => resolve(), { once: true });
      }),
  };
  const plan = createDhtKind(clock).parse(text);
  if ('problem' in plan) throw new Error(plan.problem);
  const sink = countingSink();
  const source = await plan.open({ cluster, self: peer, deriveKey: deriveKeyOf(secret), sink });
  const self = { name, peer, cluster, version: '0.1.0', addresses: addresses ?? [`/ip4/127.0.0.1/tcp/7401/p2p/${peer}`] };
  const announcing = new AbortController();
  let announced: Promise<void> = Promise.resolve();
  const findings = async (timeoutMs = 15_000): Promise<Finding[]> =>
    (await source.query(AbortSignal.timeout(timeoutMs))).findings;
  return {
    ...{ source, self, time, lines: sink.lines, findings },
    look: () => look(),
    announce: () => {
      announced = source.announce!(self, announcing.signal);
      announced.catch(() => {});
    },
    announced: () => announced,
    stop: () => {
      announcing.abort();
      return announced.finally(() => source.close!());
    },
    find: async (timeoutMs) =>
      (await findings(timeoutMs))
        .map((one) => one.name)
        .sort()
        .join(' '),
  };
};

/** A record as kad-dht stores it: key, value, time received. */
export const recordOf = (key: Uint8Array, value: Uint8Array): Uint8Array => {
  const field = (number: number, bytes: Uint8Array): Uint8Array =>
    Buffer.concat([
      Uint8Array.of((number << 3) | 2),
      bytes.byteLength < 128
        ? Uint8Array.of(bytes.byteLength)
        : Uint8Array.of((bytes.byteLength & 0x7f) | 0x80, bytes.byteLength >> 7),
      bytes,
    ]);
  return Buffer.concat([field(1, key), field(2, value), field(5, Buffer.from('2026-11-21T12:00:00.000Z'))]);
};

/** Asks again until the answer is the one wanted. */
export const eventually = async (ask: () => Promise<string>, wanted: string, patienceMs = 30_000): Promise<void> => {
  const endMs = performance.now() + patienceMs;
  for (;;) {
    const answer = await ask();
    if (answer === wanted) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
    if (performance.now() > endMs)
      throw new Error(`wanted "${wanted}" within ${patienceMs} ms, the last answer was "${answer}"`);
  }
};
