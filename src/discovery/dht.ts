// Members find each other in a distributed hash table of strangers (kad-dht): no server of one's own, and no word about the cluster
// to anybody. Each hour has four boards whose names only members can compute; on each stand up to eight notes that only members can
// read and write (machines/rendezvous, dht-seal.ts). Off unless configured, on a host of its own (dht-host.ts).
// A DHT tells nobody of changes, so there is nothing to follow: this source is asked.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Announcement, Finding } from '../../actors/ports/index.ts';
import { boardsToRead, mergeNotes, type Note, rendezvousLimits } from '../../machines/rendezvous/index.ts';
import { type BoardCopies, Boards } from './dht-boards.ts';
import { type DhtConfig, parseDhtConfig } from './dht-config.ts';
import { loadDht, startDhtHost } from './dht-host.ts';
import { type DhtClock, Noting } from './dht-noting.ts';
import { Reach } from './dht-reach.ts';
import { type LeaveOut, leaveOut } from './left-out.ts';
import { parseRecord } from './record.ts';
import { type Answer, LookupFault, type Source, type SourceContext, type SourceKind } from './source.ts';

const limits = {
  /** After the first member is found, so long for more of them. */
  patienceMs: 700,
  /** A finding is believed so long before the boards are read again. */
  ttlMs: 300_000,
  emptyTtlMs: 15_000,
  /** How long the host stays up for the next call. */
  lingerMs: 60_000,
} as const;

const realClock: DhtClock = {
  nowMs: Date.now,
  chance: Math.random,
  sleep: (ms, signal) => sleep(ms, undefined, { signal, ref: false }).catch(() => {}),
};

type Opened = { boards: Boards; stop(): Promise<void> };

class DhtSource implements Source {
  readonly #config: DhtConfig;
  readonly #context: SourceContext;
  readonly #clock: DhtClock;
  readonly #secret: Uint8Array;
  readonly #leaveOut: LeaveOut;
  #opened: Promise<Opened> | null = null;
  #closing: Promise<void> = Promise.resolve();
  #uses = 0;
  #noting: Noting | null = null;
  #linger: NodeJS.Timeout | undefined;

  constructor(config: DhtConfig, context: SourceContext, clock: DhtClock, name: string) {
    this.#config = config;
    this.#context = context;
    this.#clock = clock;
    this.#secret = context.deriveKey(`kad-dht boards of ${context.cluster}`);
    this.#leaveOut = leaveOut(context.sink, name);
  }

  query(signal: AbortSignal): Promise<Answer> {
    return this.#use(async (boards) => {
      const fault = await boards.join(signal).then(
        () => null,
        (error: unknown) => error,
      );
      const read = await this.#readAll(boards, signal);
      const notes = mergeNotes(
        read.flatMap(({ all }) => all),
        this.#clock.nowMs(),
      );
      const findings = notes.flatMap((note) => this.#findingOf(note));
      if (!signal.aborted && this.#isMissing(read)) this.#noting?.missed();
      if (findings.length > 0) return { findings, emptyTtlMs: limits.emptyTtlMs };
      if (fault !== null) throw fault;
      if (signal.aborted) throw new LookupFault('SOURCE_TIMED_OUT', 'the DHT was not searched in the time given');
      if (boards.known > 0 && read.every(({ answers }) => answers === 0))
        throw new LookupFault('SOURCE_UNREACHABLE', 'no host of the DHT answers as it should');
      return { findings, emptyTtlMs: limits.emptyTtlMs };
    });
  }

  announce(self: Announcement, signal: AbortSignal): Promise<void> {
    return this.#use(async (boards) => {
      const noting = new Noting(boards, self, this.#clock, this.#config.listen.length > 0);
      this.#noting = noting;
      await noting.run(signal);
      await noting.takeBack();
    });
  }

  /** Others answered for every board, and none of them has this node's note. */
  #isMissing(read: readonly BoardCopies[]): boolean {
    const stands = ({ peer, record }: Note): boolean => peer === this.#context.self && record !== null;
    return read.every(({ answers, latest }) => answers > 0 && !latest.some(stands));
  }

  async #readAll(boards: Boards, signal: AbortSignal): Promise<BoardCopies[]> {
    const patience = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const heard = (notes: readonly Note[]): void => {
      if (timer === undefined && notes.some(({ peer, record }) => record !== null && peer !== this.#context.self))
        timer = setTimeout(() => patience.abort(), limits.patienceMs);
    };
    const within = AbortSignal.any([signal, patience.signal]);
    const read = await Promise.all(boardsToRead(this.#clock.nowMs()).map((board) => boards.read(board, within, heard)));
    clearTimeout(timer);
    return read;
  }

  #findingOf({ peer, atMs, record }: Note): Finding[] {
    if (record === null) return [];
    const ttlMs = Math.min(limits.ttlMs, atMs + rendezvousLimits.lifeMs - this.#clock.nowMs());
    const { cluster } = this.#context;
    const finding = parseRecord({ ...record, peer, cluster }, cluster, ttlMs);
    if (finding !== null && !('problem' in finding)) return [finding];
    this.#leaveOut(`the note of ${peer}`, finding?.problem ?? 'is of another cluster');
    return [];
  }

  async close(): Promise<void> {
    clearTimeout(this.#linger);
    const opened = this.#opened;
    this.#opened = null;
    const stop = async (): Promise<void> => (await opened)?.stop();
    this.#closing = this.#closing.then(stop).catch(() => {});
    await this.#closing;
  }

  async #use<T>(run: (boards: Boards) => Promise<T>): Promise<T> {
    clearTimeout(this.#linger);
    this.#uses++;
    try {
      this.#opened ??= this.#open();
      return await run((await this.#opened).boards);
    } finally {
      if (--this.#uses === 0) this.#linger = setTimeout(() => this.close(), limits.lingerMs).unref();
    }
  }

  async #open(): Promise<Opened> {
    try {
      // The port that it listens on may be the one that was just in use.
      await this.#closing;
      const { bootstrap, listen, announce, isLan } = this.#config;
      const { nowMs } = this.#clock;
      const reach = new Reach(isLan, [...bootstrap, ...announce]);
      const host = await startDhtHost({ listen, announce, isLan, reach, nowMs });
      return { boards: new Boards(host, this.#secret, bootstrap, nowMs), stop: async () => host.node.stop() };
    } catch (error) {
      this.#opened = null;
      throw error;
    }
  }
}

/** `dht:` with a clock of one's own, for tests. */
export const createDhtKind = (clock: DhtClock): SourceKind => ({
  scheme: 'dht',
  form: 'dht:?bootstrap=MULTIADDR[&bootstrap=…][&listen=/ip4/0.0.0.0/tcp/7410][&announce=MULTIADDR][&lan]',
  parse: (text) => {
    const config = parseDhtConfig(text);
    if ('problem' in config) return config;
    const name = `dht:${text}`;
    return {
      name,
      open: async (context) => {
        await loadDht();
        return new DhtSource(config, context, clock, name);
      },
    };
  },
});

export const dhtKind: SourceKind = createDhtKind(realClock);
