// One peer of OrbitDB in a process of its own, as its documentation sets one up: libp2p over TCP and Noise, gossipsub, bitswap, blocks
// and index in LevelDB. It is copied to where OrbitDB is installed, since it is no dependency of this project, so it imports nothing
// of it. Answers its parent's questions over the channel, in their order.
import { rmSync } from 'node:fs';
import { join } from 'node:path';

export type OrbitPlan = { data: string; listenPort: number };

export type OrbitCalls = {
  /** Makes the database, or opens the one that has this address. */
  open(address: string | null): Promise<string>;
  connect(given: { port: number; peerId: string }): Promise<null>;
  peerId(given: null): string;
  put(given: { count: number; valueBytes: number; atOnce: number }): Promise<null>;
  /** Entries that came, when the last did, and what can be read now. */
  seen(given: null): { updates: number; lastMs: number };
  size(given: null): Promise<number>;
  cpuMs(given: null): number;
};

type Database = {
  address: { toString(): string };
  events: { on(name: 'update', on: () => void): void };
  put(key: string, value: unknown): Promise<string>;
  all(): Promise<unknown[]>;
  close(): Promise<void>;
};
type Libp2p = { peerId: { toString(): string }; dial(address: unknown): Promise<unknown>; stop(): Promise<void> };
type OrbitDB = { open(address: string, options?: object): Promise<Database>; stop(): Promise<void> };
type Make = (options?: object) => never;

/** Of packages that are not installed where this is checked. */
const found = async (name: string): Promise<Record<string, Make>> => (await import(name)) as Record<string, Make>;

const sharedMs = (): number => Number(process.hrtime.bigint()) / 1_000_000;

const start = async ({ data, listenPort }: OrbitPlan): Promise<OrbitCalls> => {
  const [{ createLibp2p }, { tcp }, { noise }, { yamux }, { gossipsub }, { identify }] = (await Promise.all(
    ['libp2p', '@libp2p/tcp', '@libp2p/noise', '@libp2p/yamux', '@libp2p/gossipsub', '@libp2p/identify'].map(found),
  )) as [never, never, never, never, never, never];
  const [{ createHelia }, { bitswap }, { LevelBlockstore }, { createOrbitDB }, { multiaddr }] = (await Promise.all(
    ['helia', '@helia/block-brokers', 'blockstore-level', '@orbitdb/core', '@multiformats/multiaddr'].map(found),
  )) as [never, never, never, never, never];
  const libp2p = (await (createLibp2p as Make)({
    addresses: { listen: [`/ip4/127.0.0.1/tcp/${listenPort}`] },
    transports: [(tcp as Make)()],
    connectionEncrypters: [(noise as Make)()],
    streamMuxers: [(yamux as Make)()],
    services: { pubsub: (gossipsub as Make)({ allowPublishToZeroTopicPeers: true }), identify: (identify as Make)() },
  })) as Libp2p;
  const blockstore = new (LevelBlockstore as unknown as new (path: string) => object)(join(data, 'blocks'));
  // What is asked is asked of the other peer, nothing of gateways elsewhere.
  const ipfs = await (createHelia as Make)({ libp2p, blockstore, blockBrokers: [(bitswap as Make)()], routers: [] });
  const orbitdb = (await (createOrbitDB as Make)({ ipfs, directory: join(data, 'orbitdb') })) as OrbitDB;
  let database: Database | null = null;
  let updates = 0;
  let lastMs = 0;
  const opened = (): Database => {
    if (database === null) throw new Error('no database is open');
    return database;
  };
  return {
    async open(address) {
      database = await orbitdb.open(address ?? 'bench', { type: 'keyvalue' });
      database.events.on('update', () => {
        updates++;
        lastMs = sharedMs();
      });
      return database.address.toString();
    },
    async connect({ port, peerId }) {
      await libp2p.dial((multiaddr as unknown as (text: string) => unknown)(`/ip4/127.0.0.1/tcp/${port}/p2p/${peerId}`));
      return null;
    },
    peerId: () => libp2p.peerId.toString(),
    async put({ count, valueBytes, atOnce }) {
      let next = 0;
      const loop = async (): Promise<void> => {
        while (next < count) {
          const key = `key-${next++}`;
          await opened().put(key, `${key}-`.padEnd(valueBytes, 'x'));
        }
      };
      await Promise.all(Array.from({ length: atOnce }, loop));
      return null;
    },
    seen: () => ({ updates, lastMs }),
    size: async () => (await opened().all()).length,
    cpuMs: () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1_000;
    },
  };
};

if (process.argv[2] !== undefined) {
  const plan = JSON.parse(process.argv[2]) as OrbitPlan;
  const calls = await start(plan);
  process.on('message', async ({ name, given }: { name: keyof OrbitCalls; given: unknown }) => {
    try {
      process.send?.({ value: await calls[name](given as never) });
    } catch (error) {
      process.send?.({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    }
  });
  process.on('disconnect', () => {
    rmSync(plan.data, { recursive: true, force: true });
    process.exit(0);
  });
  process.send?.({ value: 'ready' });
}
