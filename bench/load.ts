// The load, a process of its own, so that its own cost is seen and bounded: closed-loop clients, one connection and one request at a
// time each. As a program: node bench/load.ts '{"targets":[{"host","port"}],"clients":N,"forMs":N,"kind":"polity"}' prints Load as
// JSON. Clients inside of a member (bench/member.ts) keep the same tally.
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { quantile } from './figures.ts';
import { type Wire, type WireKind, wires } from './wires.ts';

export type Load = {
  clients: number;
  /** Acknowledged writes, all of them. */
  writes: number;
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  errors: number;
  /** Processor time of the process that loads, in processors. */
  ownCpu: number;
};

export type LoadPlan = {
  targets: readonly { host: string; port: number }[];
  clients: number;
  forMs: number;
  kind: WireKind;
};

export const keysOfClient = 100;
/** A client that was refused waits: a loop of refusals would measure nothing but itself. */
export const refusedPauseMs = 20;
/** How long answers may come after the end; what is still out then counts as an error. */
export const graceMs = 10_000;
/** Fewer than a listener's backlog. */
const dialsAtOnce = 64;
const dialMsMax = 15_000;

/** What closed loops measured. Only answers before the end count for the rate, so that one late answer does not stretch it. */
export class Tally {
  readonly #forMs: number;
  readonly #endMs: number;
  readonly #beganMs = performance.now();
  readonly #cpuBefore = process.cpuUsage();
  readonly #tookMs: number[] = [];
  #inTime = 0;
  #errors = 0;

  constructor(forMs: number) {
    this.#forMs = forMs;
    this.#endMs = this.#beganMs + forMs;
  }

  get isOver(): boolean {
    return performance.now() >= this.#endMs;
  }

  acknowledged(startMs: number): void {
    const nowMs = performance.now();
    this.#tookMs.push(nowMs - startMs);
    if (nowMs < this.#endMs) this.#inTime++;
  }

  failed(): void {
    this.#errors++;
  }

  load(clients: number): Load {
    const { user, system } = process.cpuUsage(this.#cpuBefore);
    const tookMs = performance.now() - this.#beganMs;
    return {
      ...{ clients, errors: this.#errors, writes: this.#tookMs.length },
      perSecond: Math.round((this.#inTime * 1000) / this.#forMs),
      p50Ms: Number(quantile(this.#tookMs, 0.5).toFixed(3)),
      p99Ms: Number(quantile(this.#tookMs, 0.99).toFixed(3)),
      ownCpu: Number(((user + system) / 1000 / tookMs).toFixed(2)),
    };
  }
}

/** Within `dialMsMax`: a connection that does not come up must not hold up the whole run. */
const dial = (host: string, port: number): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true });
    const limit = setTimeout(() => socket.destroy(new Error(`no connection to ${host}:${port} in ${dialMsMax} ms`)), dialMsMax);
    socket.once('connect', () => {
      clearTimeout(limit);
      resolve(socket);
    });
    // Stays: a connection may also fail later, between its dial and its first request. What follows is a close.
    socket.on('error', reject);
  });

/** Writes until the tally is over; ends early when its connection does. */
const writeOn = (socket: Socket, wire: Wire, client: number, tally: Tally): Promise<void> =>
  new Promise((resolve) => {
    let startMs = 0;
    let requests = 0;
    let isDone = false;
    const put = (): void => {
      if (tally.isOver) {
        isDone = true;
        socket.destroy();
        return;
      }
      startMs = performance.now();
      socket.write(wire.put(`c${client}-${requests++ % keysOfClient}`));
    };
    const say = (bytes: Uint8Array): void => void socket.write(bytes);
    socket.on('data', (chunk) => {
      const answer = wire.heard(chunk, say);
      if (answer === null) return;
      if (answer === 'acknowledged') {
        tally.acknowledged(startMs);
        return put();
      }
      tally.failed();
      setTimeout(put, refusedPauseMs);
    });
    const over = (): void => {
      if (!isDone) tally.failed();
      resolve();
    };
    // The server may have closed it while the others were dialled.
    if (socket.destroyed) return over();
    socket.once('close', over);
    if (wire.greeting.byteLength > 0) socket.write(wire.greeting);
    put();
  });

export const loadOverSockets = async ({ targets, clients, forMs, kind }: LoadPlan): Promise<Load> => {
  const sockets: Socket[] = [];
  while (sockets.length < clients) {
    const count = Math.min(dialsAtOnce, clients - sockets.length);
    const first = sockets.length;
    const dialled = Array.from({ length: count }, (_, at) => targets[(first + at) % targets.length]!);
    sockets.push(...(await Promise.all(dialled.map(({ host, port }) => dial(host, port)))));
  }
  const tally = new Tally(forMs);
  const patience = new AbortController();
  const limit = sleep(forMs + graceMs, null, { signal: patience.signal }).then(
    () => {
      for (const socket of sockets) socket.destroy();
    },
    () => {},
  );
  await Promise.all(sockets.map((socket, client) => writeOn(socket, wires[kind](), client, tally)));
  patience.abort();
  await limit;
  return tally.load(clients);
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const plan = JSON.parse(process.argv[2]!) as LoadPlan;
  process.stdout.write(JSON.stringify(await loadOverSockets(plan)));
}
