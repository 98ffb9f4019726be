// Finds members on the local network without any server (row D1): DNS-SD (RFC 6763) over multicast DNS (RFC 6762). What is told is
// what a person sees in `avahi-browse` or Bonjour: name, cluster, version, peer id and addresses of a node, to everybody on the link
// and to nobody behind a router. Nothing of the cluster's secret is in it, and nothing that is heard is proof of anything.
import { isIPv4 } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type { Announcement } from '../../actors/ports/index.ts';
import { type LeaveOut, leaveOut } from './left-out.ts';
import { Announcer } from './mdns-announcer.ts';
import { Browser, Teller } from './mdns-browser.ts';
import { isUnicast } from './mdns-faces.ts';
import { openLibp2pMdns } from './mdns-libp2p.ts';
import { type Complain, createComplaints } from './mdns-link.ts';
import { type LinkPorts, Links } from './mdns-links.ts';
import { type Answer, type Source, type SourceContext, type SourceKind, sourceLimits } from './source.ts';

const serviceDefault = '_polity._tcp';

/** Nobody says that all have answered: an answer is complete when nothing came for a while, and at the latest after the last. */
const patience = { lookMs: 25, leastMs: 250, quietMs: 200, mostMs: 1_500 } as const;

type MdnsOptions = { name: string; service: string; wanted: string | null };

class MdnsSource implements Source {
  readonly #options: MdnsOptions;
  readonly #context: SourceContext;
  readonly #links: Links;
  readonly #complain: Complain;
  readonly #leaveOut: LeaveOut;
  readonly #nowMs = (): number => performance.now();
  #browsing: { browser: Browser; users: number } | null = null;

  constructor(options: MdnsOptions, context: SourceContext, codec: LinkPorts['codec']) {
    this.#options = options;
    this.#context = context;
    this.#links = new Links({ codec, sink: context.sink, wanted: options.wanted });
    this.#complain = createComplaints(context.sink, this.#nowMs);
    this.#leaveOut = leaveOut(context.sink, options.name);
  }

  async query(signal: AbortSignal): Promise<Answer> {
    return this.#browse(async (browser) => {
      browser.ask();
      const beganMs = this.#nowMs();
      let changedMs = beganMs;
      const unwatch = browser.watch(() => (changedMs = this.#nowMs()));
      try {
        for (let complete = false; !complete && !signal.aborted; ) {
          // Broken off, it answers with what came until then.
          await pause(patience.lookMs, undefined, { signal }).catch(() => {});
          const nowMs = this.#nowMs();
          const quiet = nowMs >= changedMs + patience.quietMs && nowMs >= beganMs + patience.leastMs;
          complete = nowMs >= beganMs + patience.mostMs || (quiet && browser.findings().length > 0);
        }
        return this.#answer(browser);
      } finally {
        unwatch();
      }
    });
  }

  async follow(on: (answer: Answer) => void, signal: AbortSignal): Promise<void> {
    await this.#browse(async (browser) => {
      const tell = (findings: Answer['findings']): void => on({ findings, emptyTtlMs: sourceLimits.emptyTtlDefaultMs });
      const teller = new Teller(() => browser.findings(), tell, this.#nowMs);
      const unwatch = browser.watch(() => teller.look());
      const leaving = new AbortController();
      const over = AbortSignal.any([signal, leaving.signal]);
      try {
        const ended = this.#links.untilOver(over);
        const first = await Promise.race([
          ended,
          pause(patience.mostMs, 'waited' as const, { signal: over }).catch(() => 'over' as const),
        ]);
        if (first !== 'waited') return;
        this.#answer(browser);
        teller.begin();
        await ended;
      } finally {
        leaving.abort();
        unwatch();
        teller.stop();
      }
    });
  }

  /** All who look use one browser, which lives as long as there is one. */
  async #browse<T>(work: (browser: Browser) => Promise<T>): Promise<T> {
    const { cluster, self } = this.#context;
    const options = { service: this.#options.service, cluster, self, leaveOut: this.#leaveOut, nowMs: this.#nowMs };
    const browsing = (this.#browsing ??= { browser: new Browser(options), users: 0 });
    browsing.users++;
    try {
      await this.#links.join(browsing.browser);
      return await work(browsing.browser);
    } finally {
      if (--browsing.users === 0) {
        this.#browsing = null;
        this.#links.leave(browsing.browser);
        browsing.browser.stop();
      }
    }
  }

  #answer(browser: Browser): Answer {
    const findings = browser.findings();
    if (findings.length === 0 && this.#links.isDeaf()) throw this.#links.fault();
    return { findings, emptyTtlMs: sourceLimits.emptyTtlDefaultMs };
  }

  async announce(self: Announcement, signal: AbortSignal): Promise<void> {
    const { service } = this.#options;
    const announcer = new Announcer({ self, service, nowMs: this.#nowMs, random: Math.random, complain: this.#complain });
    await this.#links.join(announcer);
    if (!announcer.isTold) {
      const message = 'this node has no address that can be dialled from an interface in use, and is not announced';
      this.#complain('MDNS_NOT_ANNOUNCED', message, {
        interfaces: this.#links.all.map(({ face }) => face.name).join(' '),
      });
    }
    try {
      await this.#links.untilOver(signal);
    } finally {
      await announcer.goodbye();
      this.#links.leave(announcer);
    }
  }
}

/** RFC 6335 §5.1: up to 15 letters, digits and hyphens, a letter among them, and TCP, which is what Polity speaks. */
const isService = (text: string): boolean =>
  /^_(?=[a-z0-9-]*[a-z])[a-z0-9](?:-?[a-z0-9])*\._tcp$/i.test(text) && text.length <= 21;
const isTag = (text: string): boolean => /^_[a-z0-9](?:-?[a-z0-9])*\._(?:udp|tcp)$/i.test(text) && text.length <= 21;

type Parsed = { service: string; wanted: string | null; libp2p: string | null };

const parseOptions = (text: string): Parsed | { problem: string } => {
  if (text !== '' && !text.startsWith('?')) return { problem: 'names something before its options, but needs none: mdns:' };
  const parameters = new URLSearchParams(text.slice(1));
  for (const key of new Set(parameters.keys())) {
    if (!['interface', 'service', 'libp2p'].includes(key))
      return { problem: `has an option '${key.slice(0, 64)}' (there are interface, service and libp2p)` };
    if (parameters.getAll(key).length > 1) return { problem: `has ${key} more than once` };
  }
  const wanted = parameters.get('interface');
  const service = parameters.get('service') ?? serviceDefault;
  const libp2p = parameters.get('libp2p');
  if (wanted !== null && !(isIPv4(wanted) && isUnicast(wanted))) return { problem: 'has an interface that is no IPv4 address' };
  if (!isService(service)) return { problem: 'has a service that is not like _polity._tcp' };
  if (libp2p === null) return { service: service.toLowerCase(), wanted, libp2p };
  if (wanted !== null || parameters.has('service'))
    return { problem: 'has libp2p beside interface or service, which libp2p has no choice of' };
  if (libp2p !== '' && !isTag(libp2p)) return { problem: 'has a libp2p that is not like _p2p._udp' };
  return { service, wanted, libp2p: libp2p.toLowerCase() };
};

const formOf = ({ service, wanted, libp2p }: Parsed): string => {
  if (libp2p !== null) return `mdns:?libp2p${libp2p === '' ? '' : `=${libp2p}`}`;
  const options = [
    ...(wanted === null ? [] : [`interface=${wanted}`]),
    ...(service === serviceDefault ? [] : [`service=${service}`]),
  ];
  return `mdns:${options.length === 0 ? '' : `?${options.join('&')}`}`;
};

export const mdnsKind: SourceKind = {
  scheme: 'mdns',
  form: 'mdns:[?interface=IPV4][&service=_NAME._tcp] or mdns:?libp2p[=_NAME._udp]',
  parse(text) {
    const parsed = parseOptions(text);
    if ('problem' in parsed) return parsed;
    const { service, wanted, libp2p } = parsed;
    const name = formOf(parsed);
    return {
      name,
      async open(context) {
        if (libp2p !== null) return openLibp2pMdns(libp2p === '' ? null : `${libp2p}.local`, context);
        const { encode, decode } = await import('dns-packet');
        return new MdnsSource({ name, service: `${service}.local`, wanted }, context, { encode, decode });
      },
    };
  },
};
