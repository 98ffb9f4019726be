// A node with replicated data in a process of its own: createNode from the built package, as a program that embeds it would.
// Answers its parent's questions over the channel, one after the other.
import { createHash } from 'node:crypto';
import { createNode } from 'polity';
import type { Answer, Question } from './replica-process.ts';
import {
  everyObject,
  type Followed,
  type Sums,
  sharedMs,
  sumsAt,
  type WritePlan,
  type Written,
  writeAll,
} from './replica-writes.ts';

export type ReplicaMemberPlan = {
  name: string;
  data: string;
  listenPort: number;
  /** Where others reach it, if not where it listens. */
  announcePort: number;
  joinPorts: number[];
  httpPort: number;
  isFirst: boolean;
};

/** The `count` keys from this one on. */
export type Range = { from: number; count: number };

export type Look = {
  /** Of everything that is looked at. */
  digest: string;
  /** When any of it was first and last seen to change since it was begun to look; 0: never. */
  firstChangedMs: number;
  lastChangedMs: number;
};

export type MemberCalls = {
  /** How many other members it is connected to, and since when it is as many. */
  peers(given: null): { count: number; sinceMs: number };
  /** From now on looks at what `write` writes to. */
  followWrites(given: null): null;
  write(plan: WritePlan): Promise<Written>;
  sums(given: null): Sums;
  /** Sets so many keys, a value of `valueBytes` each, `atOnce` of them under way at a time. */
  fill(given: Range & { valueBytes: number; salt: string; atOnce: number }): Promise<null>;
  /** From now on looks at these keys. */
  followKeys(ranges: readonly Range[]): null;
  look(given: null): Look;
  /** Of so many keys: a digest of what each reads. */
  digest(given: Range): string;
  cpuMs(given: null): number;
};

const plan = JSON.parse(process.argv[2]!) as ReplicaMemberPlan;
const at = (port: number): string => `/ip4/127.0.0.1/tcp/${port}`;
const node = await createNode({
  ...{ name: plan.name, cluster: 'bench', data: plan.data, secret: 'a secret of the benchmark, 32 bytes' },
  ...{ bootstrap: plan.isFirst ? [plan.name] : [], listen: [at(plan.listenPort)], join: plan.joinPorts.map(at) },
  ...(plan.announcePort === plan.listenPort ? {} : { announce: [at(plan.announcePort)] }),
  ...{ http: `127.0.0.1:${plan.httpPort}`, log: { level: 'error' } },
});

let peers = { count: 0, sinceMs: sharedMs() };
const countPeers = (): void => {
  const count = node.status().peers.filter(({ connected }) => connected).length;
  if (count !== peers.count) peers = { count, sinceMs: sharedMs() };
};
node.api.onStatus(countPeers);

let followed: readonly Followed[] = [];
let unfollow: readonly (() => void)[] = [];
let firstChangedMs = 0;
let lastChangedMs = 0;

const follow = (objects: readonly Followed[]): null => {
  for (const end of unfollow) end();
  [firstChangedMs, lastChangedMs, followed] = [0, 0, objects];
  const onChange = (): void => {
    lastChangedMs = sharedMs();
    if (firstChangedMs === 0) firstChangedMs = lastChangedMs;
  };
  // Below `subscribe`, which reads every value as it changes: what that costs is not looked for here.
  unfollow = objects.map(({ type, key }) => node.api.replica.follow(type, key, onChange));
  return null;
};

const digestOf = (values: Iterable<unknown>): string => {
  const hash = createHash('sha256');
  for (const value of values) hash.update(`${JSON.stringify(value instanceof Map ? [...value] : (value ?? null))}\n`);
  return hash.digest('hex');
};

const keyOf = (key: number): string => `key-${key}`;
const registers = ({ from, count }: Range) =>
  Array.from({ length: count }, (_, key) => node.replica.register<string>(keyOf(from + key)));
const followedRegisters = (range: Range): Followed[] =>
  registers(range).map((register) => ({ type: 'register', key: register.key, get: () => register.get() }));

const calls: MemberCalls = {
  peers: () => peers,
  followWrites: () => follow(everyObject(node)),
  write: (given) => writeAll(node, given),
  sums: () => sumsAt(node),
  async fill({ valueBytes, salt, atOnce, ...range }) {
    const all = registers(range).values();
    const loop = async (): Promise<void> => {
      for (const register of all) await register.set(`${salt}-${register.key}-`.padEnd(valueBytes, 'x'));
    };
    await Promise.all(Array.from({ length: atOnce }, loop));
    return null;
  },
  followKeys: (ranges) => follow(ranges.flatMap(followedRegisters)),
  look: () => ({ digest: digestOf(followed.map((object) => object.get())), firstChangedMs, lastChangedMs }),
  digest: (range) => digestOf(registers(range).map((register) => register.get())),
  cpuMs: () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1_000;
  },
};

process.on('message', async ({ name, given }: Question) => {
  let answer: Answer;
  try {
    answer = { value: await calls[name as keyof MemberCalls](given as never) };
  } catch (error) {
    answer = { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
  process.send?.(answer);
});
process.once('disconnect', async () => {
  await node.stop();
  process.exit(0);
});
while (node.api.replica.summary().replica === null) await new Promise((resolve) => setTimeout(resolve, 10));
countPeers();
process.send?.({ value: 'ready' } satisfies Answer);
