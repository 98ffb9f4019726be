// Asks DNS servers for records with their times to live, which Node's resolver keeps to itself for SRV, PTR and TXT. A stub (RFC 1034
// §5.3.1): it asks servers that look up names for others, one after the other, and still listens to the earlier ones.
import { Resolver } from 'node:dns';
import { isIP } from 'node:net';
import { type DnsCodec, type DnsServer, exchangeOverTcp, exchangeOverUdp, serverText } from './dns-exchange.ts';
import { type AskedType, type DnsRecord, type Question, type RecordOf, type Reply, recordsAt } from './dns-message.ts';
import { LookupFault, sourceLimits } from './source.ts';

export type Found<T extends AskedType> = {
  /** Empty: there is no such name, or nothing of this type under it. */
  records: RecordOf[T][];
  /** What the server said besides. */
  additionals: DnsRecord[];
  /** How long it holds that there are none. */
  emptyTtlMs: number;
};

export type DnsClient = {
  /** Rejects with a LookupFault when no server answers, at the latest when `signal` aborts. */
  ask<T extends AskedType>(question: Question<T>, signal: AbortSignal): Promise<Found<T>>;
};

export const dnsLimits = {
  serversMax: 8,
  /** Of one question; each server is asked again while it is silent. */
  attemptsMax: 12,
  attemptsMin: 4,
  /** The next server, or the same again, after so much silence: several times within D2's five seconds. */
  retryAfterMs: 1_000,
  /** Questions under way at once, for one source. */
  parallelMax: 16,
} as const;

/** `IP`, `IP:PORT` or `[IPv6]:PORT`; null if it is none of them. */
export const parseServer = (text: string): DnsServer | null => {
  if (isIP(text) !== 0) return { host: text, port: 53 };
  const [, v6, other, digits] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const host = v6 ?? other ?? '';
  const port = Number(digits ?? 53);
  const family = v6 === undefined ? 4 : 6;
  return isIP(host) === family && port >= 1 && port <= 65_535 ? { host, port } : null;
};

/** The system's servers as they are now: /etc/resolv.conf may change while a node runs. */
export const systemServers = (): DnsServer[] =>
  new Resolver()
    .getServers()
    .map(parseServer)
    .filter((server) => server !== null);

type Attempt<T> = { server: DnsServer; run: (signal: AbortSignal) => Promise<T> };

/** The first attempt that succeeds. The next begins when one fails or is silent for a while; whoever failed is not asked again. */
const firstOf = <T>(attempts: readonly Attempt<T>[], patienceMs: number, signal: AbortSignal): Promise<T> =>
  new Promise((resolve, reject) => {
    const over = new AbortController();
    const faults = new Map<DnsServer, LookupFault>();
    const left = [...attempts];
    let running = 0;
    let timer: NodeJS.Timeout | undefined;
    const end = (act: () => void): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      if (!over.signal.aborted) act();
      over.abort();
    };
    const fail = (late: boolean): void => {
      const said = [...faults.values()].map(({ message }) => message);
      const silent = [...new Set(attempts.map(({ server }) => server))].filter((server) => !faults.has(server)).map(serverText);
      const words = [...said, ...(late ? [`no answer in time from ${silent.join(', ')}`] : [])].join('; ');
      const code = late ? 'SOURCE_TIMED_OUT' : [...faults.values()][0]!.code;
      end(() => reject(new LookupFault(code, words)));
    };
    const abort = (): void => fail(true);
    const begin = (): void => {
      clearTimeout(timer);
      const next = left.findIndex(({ server }) => !faults.has(server));
      if (next === -1) {
        if (running === 0) fail(false);
        return;
      }
      const [attempt] = left.splice(0, next + 1).slice(-1);
      running += 1;
      timer = setTimeout(begin, patienceMs);
      attempt!.run(over.signal).then(
        (value) => end(() => resolve(value)),
        (fault: LookupFault) => {
          running -= 1;
          if (over.signal.aborted) return;
          faults.set(attempt!.server, fault);
          begin();
        },
      );
    };
    signal.addEventListener('abort', abort);
    if (signal.aborted) abort();
    else begin();
  });

/** At most so many at once; the others wait in line. */
const createGate = (max: number): (<T>(work: () => Promise<T>) => Promise<T>) => {
  let free = max;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (free > 0) free -= 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next();
    }
  };
};

const refusal = (server: DnsServer, { code, referral }: Reply): LookupFault | null => {
  if (referral) return new LookupFault('SOURCE_REFUSED', `${serverText(server)} does not look up names for others`);
  if (code === 'NOERROR' || code === 'NXDOMAIN') return null;
  return new LookupFault('SOURCE_REFUSED', `${serverText(server)} answered ${code}`);
};

export type DnsClientOptions = {
  codec: DnsCodec;
  servers: readonly DnsServer[];
  /** No UDP at all. */
  tcp: boolean;
  retryAfterMs?: number;
};

export const createDnsClient = (options: DnsClientOptions): DnsClient => {
  const { codec, servers, tcp, retryAfterMs = dnsLimits.retryAfterMs } = options;
  const through = createGate(dnsLimits.parallelMax);

  const converse = async (server: DnsServer, question: Question, edns: boolean, signal: AbortSignal): Promise<Reply> => {
    const reply = tcp ? null : await exchangeOverUdp(codec, server, question, edns, signal);
    return reply === null || reply.truncated ? exchangeOverTcp(codec, server, question, edns, signal) : reply;
  };

  const attempt = async (server: DnsServer, question: Question, signal: AbortSignal): Promise<Reply> => {
    const first = await converse(server, question, true, signal);
    // RFC 6891 §7: a server from before extensions says so in one of these words.
    const old = first.code === 'FORMERR' || first.code === 'NOTIMP';
    const reply = old ? await converse(server, question, false, signal) : first;
    const fault = refusal(server, reply);
    if (fault !== null) throw fault;
    return reply;
  };

  const ask = async <T extends AskedType>(question: Question<T>, signal: AbortSignal): Promise<Found<T>> => {
    const asked = servers.slice(0, dnsLimits.serversMax);
    if (asked.length === 0) throw new LookupFault('SOURCE_UNAVAILABLE', 'the system names no DNS server; add ?server=IP:PORT');
    const count = Math.min(dnsLimits.attemptsMax, Math.max(dnsLimits.attemptsMin, asked.length * 2));
    const attempts = Array.from({ length: count }, (_, index): Attempt<Reply> => {
      const server = asked[index % asked.length]!;
      return { server, run: (over) => attempt(server, question, over) };
    });
    const reply = await firstOf(attempts, retryAfterMs, signal);
    const records = recordsAt(reply.answers, question);
    if (records === null) throw new LookupFault('SOURCE_MALFORMED', `the aliases of ${question.labels.join('.')} lead nowhere`);
    return { records, additionals: reply.additionals, emptyTtlMs: reply.emptyTtlMs ?? sourceLimits.emptyTtlDefaultMs };
  };

  return { ask: (question, signal) => through(() => ask(question, signal)) };
};
