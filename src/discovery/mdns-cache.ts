// What one link has said about instances of our service (RFC 6763), until it expires. Pure: time is handed in. Nothing in it is
// trusted, so everything has a limit, and an answer is believed only where it leads on from what was kept before: a PTR of our
// service to an instance, its SRV and TXT, and the addresses of the host that the SRV names.
import type { Finding } from '../../actors/ports/index.ts';
import type { LeaveOut } from './left-out.ts';
import { addressesTold, findingOf, isBelievable, textOf } from './mdns-finding.ts';
import { type Asked, type Entry, isWritable, keyOf, type SrvData } from './mdns-packet.ts';
import { ttlWithin } from './record.ts';

export const cacheLimits = {
  instancesMax: 100,
  addressesMax: 8,
  /** Nothing is believed longer than RFC 6762 §10 has hosts say. */
  ttlMaxMs: 4_500_000,
  questionsMax: 20,
} as const;

/** §10.1 and §10.2: what is taken back or replaced lives on for a second, in case it is said again. */
const lastSecondMs = 1_000;
/** §5.2: when a record is asked for again, as parts of its time to live; the first to ask spares the others the question. */
const renewals = [0.8, 0.85, 0.9, 0.95];
const renewalSpread = 0.02;
/** What is missing is asked for after the packet that may follow, then less and less often. */
const missing = { firstMs: 120, thenMs: 1_000, factor: 3, maxMs: 60_000 };

type Kept<Data> = { data: Data; heardMs: number; ttlMs: number; asked: number };

type Instance = {
  key: string;
  name: string;
  sender: string;
  pointer: Kept<null>;
  srv: Kept<SrvData> | null;
  txt: Kept<string[]> | null;
  askMs: number;
  askGapMs: number;
  /** What was made of these records last, as long as they say the same. */
  made: { of: string; finding: ReturnType<typeof findingOf> } | null;
};

const expiresMs = ({ heardMs, ttlMs }: Kept<unknown>): number => heardMs + ttlMs;
const keep = <Data>(data: Data, { ttlSeconds }: Entry, nowMs: number): Kept<Data> => ({
  data,
  heardMs: nowMs,
  ttlMs: Math.min(ttlSeconds * 1_000, cacheLimits.ttlMaxMs),
  asked: 0,
});
/** Leaves in a second: not asked for again. */
const dismiss = (kept: Kept<unknown>, nowMs: number): void => {
  if (expiresMs(kept) <= nowMs + lastSecondMs) return;
  kept.heardMs = nowMs;
  kept.ttlMs = lastSecondMs;
  kept.asked = renewals.length;
};

export type LinkCacheOptions = {
  service: string;
  cluster: string;
  /** Addresses of this machine itself are believed on this machine only. */
  loopback: boolean;
  /** Told of instances that make no sense. */
  leaveOut: LeaveOut;
  /** 0 to 1: spreads over those who know the same when they ask for it again (§5.2). */
  spread: number;
};

export class LinkCache {
  readonly #options: LinkCacheOptions;
  readonly #service: string;
  readonly #instances = new Map<string, Instance>();
  readonly #hosts = new Map<string, Map<string, Kept<'A' | 'AAAA'>>>();

  constructor(options: LinkCacheOptions) {
    this.#options = options;
    this.#service = keyOf(options.service);
  }

  get size(): { instances: number; hosts: number } {
    return { instances: this.#instances.size, hosts: this.#hosts.size };
  }

  /** One response of one sender. In the order in which one record leads to the next, whatever order they were sent in. */
  apply(entries: readonly Entry[], sender: string, nowMs: number): void {
    this.expire(nowMs);
    for (const entry of entries) if (entry.type === 'PTR') this.#pointer(entry, entry.data, sender, nowMs);
    for (const entry of entries) {
      const instance = this.#instances.get(keyOf(entry.name));
      if (instance !== undefined) this.#detail(instance, entry, nowMs);
    }
    const flushed = new Set<string>();
    for (const entry of entries) {
      if (entry.type !== 'A' && entry.type !== 'AAAA') continue;
      if (!isBelievable(entry.data, this.#options.loopback)) continue;
      const host = keyOf(entry.name);
      if (entry.flush && !flushed.has(host + entry.type)) this.#flush(host, entry.type, nowMs);
      flushed.add(host + entry.type);
      this.#address(host, entry.type, entry.data, entry, nowMs);
    }
    this.expire(nowMs);
  }

  #pointer(entry: Entry, target: string, sender: string, nowMs: number): void {
    const key = keyOf(target);
    if (keyOf(entry.name) !== this.#service || !key.endsWith(`.${this.#service}`) || !isWritable(target)) return;
    const known = this.#instances.get(key);
    if (entry.ttlSeconds === 0) {
      if (known !== undefined) dismiss(known.pointer, nowMs);
      return;
    }
    const pointer = keep(null, entry, nowMs);
    if (known !== undefined) known.pointer = pointer;
    else if (this.#makeRoom(sender)) {
      const asking = { askMs: nowMs + missing.firstMs, askGapMs: missing.thenMs, made: null };
      this.#instances.set(key, { key, name: target, sender, pointer, srv: null, txt: null, ...asking });
    }
  }

  /** A full table belongs to all senders alike: who has the most in it gives way to who has less, his newest first. */
  #makeRoom(sender: string): boolean {
    if (this.#instances.size < cacheLimits.instancesMax) return true;
    const shares = new Map<string, number>();
    for (const instance of this.#instances.values()) shares.set(instance.sender, (shares.get(instance.sender) ?? 0) + 1);
    const [greedy, most] = [...shares].reduce((a, b) => (b[1] > a[1] ? b : a));
    if (most <= (shares.get(sender) ?? 0) + 1) return false;
    const last = [...this.#instances.values()].findLast((instance) => instance.sender === greedy);
    if (last !== undefined) this.#instances.delete(last.key);
    return true;
  }

  #detail(instance: Instance, entry: Entry, nowMs: number): void {
    if (entry.type === 'SRV' && isWritable(entry.data.target)) {
      if (entry.ttlSeconds > 0) instance.srv = keep(entry.data, entry, nowMs);
      else if (instance.srv !== null) dismiss(instance.srv, nowMs);
    }
    if (entry.type === 'TXT') {
      if (entry.ttlSeconds > 0) instance.txt = keep(entry.data, entry, nowMs);
      else if (instance.txt !== null) dismiss(instance.txt, nowMs);
    }
  }

  #flush(host: string, type: 'A' | 'AAAA', nowMs: number): void {
    for (const kept of this.#hosts.get(host)?.values() ?? [])
      if (kept.data === type && kept.heardMs < nowMs - lastSecondMs) dismiss(kept, nowMs);
  }

  #address(host: string, type: 'A' | 'AAAA', address: string, entry: Entry, nowMs: number): void {
    const addresses = this.#hosts.get(host) ?? new Map<string, Kept<'A' | 'AAAA'>>();
    const known = addresses.get(address);
    if (entry.ttlSeconds === 0) {
      if (known !== undefined) dismiss(known, nowMs);
    } else if (known !== undefined || addresses.size < cacheLimits.addressesMax)
      addresses.set(address, keep(type, entry, nowMs));
    if (addresses.size > 0) this.#hosts.set(host, addresses);
  }

  /** Forgets what is over, and the addresses of hosts that no instance is at: those are nobody's business here. */
  expire(nowMs: number): void {
    for (const instance of this.#instances.values()) {
      if (expiresMs(instance.pointer) <= nowMs) this.#instances.delete(instance.key);
      if (instance.srv !== null && expiresMs(instance.srv) <= nowMs) instance.srv = null;
      if (instance.txt !== null && expiresMs(instance.txt) <= nowMs) instance.txt = null;
    }
    const targets = [...this.#instances.values()].flatMap(({ srv }) => (srv === null ? [] : [keyOf(srv.data.target)]));
    const hosts = new Set(targets);
    for (const [host, addresses] of this.#hosts) {
      for (const [address, kept] of addresses) if (expiresMs(kept) <= nowMs) addresses.delete(address);
      if (addresses.size === 0 || !hosts.has(host)) this.#hosts.delete(host);
    }
  }

  /** Whoever is told completely: where, and for how long that may be believed. */
  findings(nowMs: number): Finding[] {
    this.expire(nowMs);
    const findings: Finding[] = [];
    for (const instance of this.#instances.values()) {
      const { srv, txt, pointer } = instance;
      if (srv === null || txt === null) continue;
      const hosts = [...(this.#hosts.get(keyOf(srv.data.target)) ?? [])];
      const untilMs = Math.min(...[pointer, srv, txt, ...hosts.map(([, kept]) => kept)].map(expiresMs));
      const addresses = hosts.map(([address]) => address);
      const finding = this.#make(instance, srv.data, txt.data, addresses);
      if (finding !== null) findings.push({ ...finding, ttlMs: ttlWithin(untilMs - nowMs) });
    }
    return findings;
  }

  #make(instance: Instance, srv: SrvData, texts: readonly string[], addresses: readonly string[]): Finding | null {
    const of = JSON.stringify([srv, texts, addresses]);
    if (instance.made?.of !== of) {
      const { cluster, loopback, leaveOut } = this.#options;
      const finding = findingOf({ cluster, loopback, srv, texts, addresses });
      instance.made = { of, finding };
      if (finding !== null && 'problem' in finding) leaveOut(instance.name, finding.problem);
    }
    const { finding } = instance.made;
    return finding === null || 'problem' in finding ? null : finding;
  }

  /** Is all of this known here, and need not be told again? */
  hasAll(entries: readonly Entry[], nowMs: number): boolean {
    const known = new Set(this.known(nowMs).map(({ data }) => (typeof data === 'string' ? keyOf(data) : '')));
    return entries.every((entry) => entry.type === 'PTR' && known.has(keyOf(entry.data)));
  }

  /** The instances that need not be told again (§7.1): those that are known for more than half of their time. */
  known(nowMs: number): Entry[] {
    return [...this.#instances.values()].flatMap(({ name, pointer }): Entry[] => {
      const leftMs = expiresMs(pointer) - nowMs;
      if (leftMs * 2 < pointer.ttlMs) return [];
      const ttlSeconds = Math.floor(leftMs / 1_000);
      return [{ type: 'PTR', name: this.#options.service, flush: false, ttlSeconds, data: name }];
    });
  }

  #renewMs({ asked, heardMs, ttlMs }: Kept<unknown>): number {
    const part = renewals[asked];
    return part === undefined ? Number.POSITIVE_INFINITY : heardMs + ttlMs * (part + renewalSpread * this.#options.spread);
  }

  /** What is missing or grows old and is to be asked for now; it counts as asked. */
  questions(nowMs: number): Asked[] {
    const asked: Asked[] = [];
    for (const instance of this.#instances.values()) {
      if (asked.length >= cacheLimits.questionsMax) break;
      if (this.#renewMs(instance.pointer) <= nowMs) {
        instance.pointer.asked++;
        asked.push({ name: this.#options.service, type: 'PTR' });
      }
      asked.push(...this.#renewals(instance, nowMs), ...this.#missing(instance, nowMs));
    }
    return [...new Map(asked.map((one) => [`${one.type} ${keyOf(one.name)}`, one])).values()].slice(
      0,
      cacheLimits.questionsMax,
    );
  }

  #renewals({ name, srv, txt }: Instance, nowMs: number): Asked[] {
    const asked: Asked[] = [];
    const renew = (kept: Kept<unknown> | null, question: Asked): void => {
      if (kept === null || this.#renewMs(kept) > nowMs) return;
      kept.asked++;
      asked.push(question);
    };
    renew(srv, { name, type: 'SRV' });
    renew(txt, { name, type: 'TXT' });
    if (srv !== null)
      for (const kept of this.#hosts.get(keyOf(srv.data.target))?.values() ?? [])
        renew(kept, { name: srv.data.target, type: kept.data });
    return asked;
  }

  #missing(instance: Instance, nowMs: number): Asked[] {
    const lacking = this.#lacking(instance);
    if (lacking.length === 0 || instance.askMs > nowMs) return [];
    instance.askMs = nowMs + instance.askGapMs;
    instance.askGapMs = Math.min(instance.askGapMs * missing.factor, missing.maxMs);
    return lacking;
  }

  #lacking({ name, srv, txt }: Instance): Asked[] {
    if (srv === null || txt === null)
      return [
        ...(srv === null ? [{ name, type: 'SRV' } as const] : []),
        ...(txt === null ? [{ name, type: 'TXT' } as const] : []),
      ];
    if (this.#hosts.has(keyOf(srv.data.target)) || addressesTold(textOf(txt.data), this.#options.loopback).length > 0)
      return [];
    return [
      { name: srv.data.target, type: 'A' },
      { name: srv.data.target, type: 'AAAA' },
    ];
  }

  /** When something is to be asked or expires, or infinity. */
  nextMs(): number {
    let nextMs = Number.POSITIVE_INFINITY;
    const consider = (kept: Kept<unknown> | null): void => {
      if (kept !== null) nextMs = Math.min(nextMs, this.#renewMs(kept), expiresMs(kept));
    };
    for (const instance of this.#instances.values()) {
      for (const kept of [instance.pointer, instance.srv, instance.txt]) consider(kept);
      if (this.#lacking(instance).length > 0) nextMs = Math.min(nextMs, instance.askMs);
    }
    for (const addresses of this.#hosts.values()) for (const kept of addresses.values()) consider(kept);
    return nextMs;
  }
}
