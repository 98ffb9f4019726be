// libp2p's own way over multicast DNS, by its own package and without a libp2p host: for programs that speak nothing else
// (docs/decisions says why it is an option of its own). It has no choice of interfaces, tells no one that it goes and answers whoever
// asks as often as he asks, so what is not asked for by name does not run.
import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Logger, PeerDiscovery, PeerInfo } from '@libp2p/interface';
import type { MulticastDNS } from 'multicast-dns';
import type { Announcement, Finding } from '../../actors/ports/index.ts';
import { Teller } from './mdns-browser.ts';
import { type Complain, createComplaints } from './mdns-link.ts';
import { ttlWithin, usable } from './record.ts';
import { type Answer, LookupFault, type Source, type SourceContext, sourceLimits } from './source.ts';

type Mdns = typeof import('@libp2p/mdns');
type Components = Parameters<ReturnType<Mdns['mdns']>>[0];

/** libp2p's records say 120 s; it asks everybody in this interval. */
const ttlMs = 120_000;
const askMs = 20_000;
const askPauseMs = 1_000;
/** An answer is complete when nothing came for a while. */
const patience = { lookMs: 25, quietMs: 300, mostMs: 1_500 } as const;

/**
 * The service that nodes of one cluster look for: libp2p's name with a mark of the cluster's *name*, in the 15 characters of RFC 6335.
 * Not of its secret: a mark of that, sent to everybody on the link, would let them try out weak secrets.
 */
export const tagOf = (cluster: string): string =>
  `_p2p-${createHash('sha256').update(cluster).digest('hex').slice(0, 11)}._udp.local`;

type Seen = { finding: Finding; untilMs: number };

/** One run of libp2p's service, for as long as somebody needs it. */
class Run {
  readonly #seen = new Map<string, Seen>();
  readonly #watching = new Set<() => void>();
  readonly #discovery: PeerDiscovery;
  readonly #nowMs: () => number;
  readonly #tag: string;
  #socket: MulticastDNS | undefined;
  #askedMs = 0;
  announced: readonly string[] = [];
  heard = false;
  problem: string | null = null;

  constructor(tag: string, libraries: Libraries, nowMs: () => number) {
    this.#nowMs = nowMs;
    this.#tag = tag;
    const log: Logger = Object.assign(() => {}, {
      enabled: false,
      trace: () => {},
      error: (_: unknown, ...facts: unknown[]) => this.#complained(facts),
      newScope: () => log,
    });
    const { multiaddr, mdns } = libraries;
    const addressManager = { getAddresses: () => this.announced.map((address) => multiaddr(address)) };
    // The service uses no more of a libp2p host than these two.
    const components = { addressManager, logger: { forComponent: () => log } } as unknown as Components;
    this.#discovery = mdns({ serviceTag: tag, interval: askMs })(components);
    this.#discovery.addEventListener('peer', ({ detail }) => this.#found(detail));
  }

  #complained(facts: readonly unknown[]): void {
    const error = facts.find((fact) => fact instanceof Error);
    if (error !== undefined) this.problem = error.message;
  }

  async start(libraries: Libraries): Promise<void> {
    this.#askedMs = this.#nowMs();
    await libraries.start(this.#discovery);
    this.#socket = (this.#discovery as { mdns?: MulticastDNS }).mdns;
    // Its own question comes back to it, where multicast works.
    this.#socket?.on('query', ({ questions }) => {
      if (questions?.some(({ name }) => name === this.#tag)) this.heard = true;
    });
    this.#socket?.on('error', () => {});
  }

  /** Asks now, not only when the service would do so again; at most once a second (RFC 6762 §5.2). */
  ask(): void {
    if (this.#nowMs() < this.#askedMs + askPauseMs) return;
    this.#askedMs = this.#nowMs();
    this.#socket?.query({ questions: [{ name: this.#tag, type: 'PTR' }] });
  }

  #found({ id, multiaddrs }: PeerInfo): void {
    const peer = id.toString();
    const addresses = usable(multiaddrs.map(String), peer);
    const nowMs = this.#nowMs();
    for (const [key, { untilMs }] of this.#seen) if (untilMs <= nowMs) this.#seen.delete(key);
    if (addresses.length === 0 || (!this.#seen.has(peer) && this.#seen.size >= sourceLimits.findingsMax)) return;
    const finding = { peer, name: null, addresses, priority: 0, weight: 0, healthy: true, ttlMs };
    this.#seen.set(peer, { finding, untilMs: nowMs + ttlMs });
    for (const changed of this.#watching) changed();
  }

  watch(changed: () => void): () => void {
    this.#watching.add(changed);
    return () => this.#watching.delete(changed);
  }

  findings(self: string): Finding[] {
    const nowMs = this.#nowMs();
    return [...this.#seen.values()].flatMap(({ finding, untilMs }) =>
      untilMs <= nowMs || finding.peer === self ? [] : [{ ...finding, ttlMs: ttlWithin(untilMs - nowMs) }],
    );
  }

  async stop(libraries: Libraries): Promise<void> {
    await libraries.stop(this.#discovery);
  }
}

type Libraries = Mdns &
  Pick<typeof import('@multiformats/multiaddr'), 'multiaddr'> &
  Pick<typeof import('@libp2p/interface'), 'start' | 'stop'>;

class Libp2pMdnsSource implements Source {
  readonly #context: SourceContext;
  readonly #libraries: Libraries;
  readonly #tag: string;
  readonly #complain: Complain;
  readonly #nowMs = (): number => performance.now();
  #run: { run: Run; users: number; started: Promise<void> } | null = null;

  constructor(tag: string, context: SourceContext, libraries: Libraries) {
    this.#tag = tag;
    this.#context = context;
    this.#libraries = libraries;
    this.#complain = createComplaints(context.sink, this.#nowMs);
  }

  async #with<T>(work: (run: Run) => Promise<T>): Promise<T> {
    if (this.#run === null) {
      const run = new Run(this.#tag, this.#libraries, this.#nowMs);
      this.#run = { run, users: 0, started: run.start(this.#libraries) };
    }
    const using = this.#run;
    using.users++;
    try {
      await using.started;
      return await work(using.run);
    } finally {
      if (--using.users === 0) {
        this.#run = null;
        await using.run.stop(this.#libraries);
      }
    }
  }

  #answer(run: Run): Answer {
    const findings = run.findings(this.#context.self);
    if (findings.length > 0 || run.heard) return { findings, emptyTtlMs: sourceLimits.emptyTtlDefaultMs };
    const reason =
      run.problem ?? 'what is sent does not come back: there is no multicast route, or a firewall on UDP port 5353';
    throw new LookupFault('SOURCE_UNREACHABLE', `libp2p's multicast DNS works on no interface (${reason})`);
  }

  async query(signal: AbortSignal): Promise<Answer> {
    return this.#with(async (run) => {
      const beganMs = this.#nowMs();
      let changedMs = beganMs;
      run.ask();
      const unwatch = run.watch(() => (changedMs = this.#nowMs()));
      try {
        for (let complete = false; !complete && !signal.aborted; ) {
          // Broken off, it answers with what came until then.
          await pause(patience.lookMs, undefined, { signal }).catch(() => {});
          const nowMs = this.#nowMs();
          const quiet = nowMs >= changedMs + patience.quietMs;
          complete = nowMs >= beganMs + patience.mostMs || (quiet && run.findings(this.#context.self).length > 0);
        }
        return this.#answer(run);
      } finally {
        unwatch();
      }
    });
  }

  async follow(on: (answer: Answer) => void, signal: AbortSignal): Promise<void> {
    await this.#with(async (run) => {
      const tell = (findings: Finding[]): void => on({ findings, emptyTtlMs: sourceLimits.emptyTtlDefaultMs });
      const teller = new Teller(() => run.findings(this.#context.self), tell, this.#nowMs);
      const unwatch = run.watch(() => teller.look());
      const timer = setInterval(() => teller.look(), askMs);
      try {
        if (await pause(patience.mostMs, true, { signal }).catch(() => false)) {
          this.#answer(run);
          teller.begin();
        }
        await untilAborted(signal);
      } finally {
        clearInterval(timer);
        unwatch();
        teller.stop();
      }
    });
  }

  async announce(self: Announcement, signal: AbortSignal): Promise<void> {
    await this.#with(async (run) => {
      run.announced = self.addresses.slice(0, sourceLimits.addressesMax);
      if (run.announced.length === 0)
        this.#complain('MDNS_NOT_ANNOUNCED', 'this node has no address that can be dialled, and is not announced', {});
      try {
        await untilAborted(signal);
      } finally {
        run.announced = [];
      }
    });
  }
}

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });

/** `tag`: the name of the service, or null for the cluster's own. */
export const openLibp2pMdns = async (tag: string | null, context: SourceContext): Promise<Source> => {
  const [mdns, { multiaddr }, { start, stop }] = await Promise.all([
    import('@libp2p/mdns'),
    import('@multiformats/multiaddr'),
    import('@libp2p/interface'),
  ]);
  return new Libp2pMdnsSource(tag ?? tagOf(context.cluster), context, { mdns: mdns.mdns, multiaddr, start, stop });
};
