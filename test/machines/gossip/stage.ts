// A few nodes on a stage with a fixed latency: what they announce, tell each other and hear is written down, line by line, so that a
// test reads like a story. Messages are packed and parsed as on the wire.
import assert from 'node:assert/strict';
import {
  type Announcement,
  createGossip,
  type Delivery,
  describeGossipEffect,
  formAnnouncement,
  formGossipMessage,
  type GossipEffect,
  type GossipEvent,
  type GossipMessage,
  type GossipOptions,
  type GossipState,
  gossipDefaults,
  parseAnnouncement,
  parseGossipMessage,
  step,
} from '../../../machines/gossip/index.ts';
import { pack, unpack } from '../../../machines/wire/envelope.ts';

export const latencyMs = 10;

export const createNode = (
  self: string,
  given: { epoch?: number; said?: number; options?: Partial<GossipOptions>; seed?: number; nowMs?: number } = {},
): GossipState => {
  const { epoch = 1, said = 0, options = {}, seed = self.charCodeAt(0), nowMs = 0 } = given;
  return createGossip({ self, epoch, said, options: { ...gossipDefaults, ...options }, seed, nowMs, checkAll: true });
};

export const bodyOf = (text: string): Uint8Array => new TextEncoder().encode(text);

export const announcementOf = (sequence: number, given: Partial<Announcement> = {}): Announcement => ({
  ...{ epoch: 1, sequence, floor: 0, topic: 't', leftMs: 60_000, body: bodyOf(`${sequence}`), ...given },
});

/** On its way: pushed to all, or over a lane. */
export type Parcel = { push: Announcement } | { message: GossipMessage };
type Under = { atMs: number; from: string; to: string; parcel: Parcel };

export class Stage {
  nowMs = 0;
  readonly nodes = new Map<string, GossipState>();
  readonly lines: string[] = [];
  /** What each node was told, in order. */
  readonly heard = new Map<string, Delivery[]>();
  isLost: (from: string, to: string, parcel: Parcel) => boolean = () => false;
  /** What of the messages is written down. */
  isTold: (effect: GossipEffect) => boolean = () => true;
  readonly #options: Partial<GossipOptions>;
  #under: Under[] = [];

  constructor(options: Partial<GossipOptions> = {}) {
    this.#options = options;
  }

  state(name: string): GossipState {
    const state = this.nodes.get(name);
    assert.ok(state, `${name} is not up`);
    return state;
  }

  start(name: string, epoch = 1): void {
    this.nodes.set(name, createNode(name, { epoch, options: this.#options, nowMs: this.nowMs }));
    this.heard.set(name, []);
  }

  /** They start and are connected, and have found out that there is no difference between them. */
  begin(...names: string[]): void {
    for (const name of names) this.start(name);
    for (const [at, name] of names.entries()) for (const other of names.slice(at + 1)) this.meet(name, other);
    this.pass(100_000);
    this.lines.length = 0;
    this.nowMs = 0;
    // As if it had just begun: nobody remembers times of the past but those of the machine.
    for (const state of this.nodes.values()) {
      state.nextExchangeMs -= 100_000;
      state.nextSweepMs -= 100_000;
      state.deadlineMs -= 100_000;
      state.own.saidMs -= 100_000;
      state.greetings.atMs -= 100_000;
      for (const peer of state.peers.list) peer.secondMs -= 100_000;
    }
  }

  crash(name: string): void {
    this.nodes.delete(name);
    this.#under = this.#under.filter(({ from, to }) => from !== name && to !== name);
    for (const other of this.nodes.keys()) this.tell(other, { type: 'lost', peer: name });
  }

  meet(a: string, b: string): void {
    this.tell(a, { type: 'met', peer: b, epoch: this.state(b).own.epoch });
    this.tell(b, { type: 'met', peer: a, epoch: this.state(a).own.epoch });
  }

  part(a: string, b: string): void {
    this.tell(a, { type: 'lost', peer: b });
    this.tell(b, { type: 'lost', peer: a });
  }

  say(name: string, topic: string, ttlMs = 60_000): void {
    this.tell(name, { type: 'publish', topic, body: bodyOf(topic), ttlMs });
  }

  tell(name: string, event: GossipEvent): GossipEffect[] {
    const effects = step(this.state(name), this.nowMs, event);
    for (const effect of effects) this.#fulfil(name, effect);
    return effects;
  }

  #fulfil(name: string, effect: GossipEffect): void {
    if (this.isTold(effect)) this.note(name, describeGossipEffect(effect));
    if (effect.type === 'deliver') {
      const { type, ...delivery } = effect;
      this.heard.get(name)!.push(delivery);
    }
    if (effect.type === 'push')
      for (const to of this.nodes.keys()) if (to !== name) this.#post(name, to, { push: effect.announcement });
    if (effect.type === 'send') this.#post(name, effect.to, { message: effect.message });
  }

  #post(from: string, to: string, parcel: Parcel): void {
    if (this.isLost(from, to, parcel)) return;
    this.#under.push({ atMs: this.nowMs + latencyMs, from, to, parcel: carried(parcel) });
  }

  note(name: string, what: string): void {
    this.lines.push(`${(this.nowMs / 1_000).toFixed(2).padStart(6)} ${name} ${what}`);
  }

  #next(untilMs: number): (() => void) | null {
    let earliestMs = untilMs;
    let run: (() => void) | null = null;
    const consider = (atMs: number, act: () => void): void => {
      if (atMs > earliestMs || (run !== null && atMs === earliestMs)) return;
      earliestMs = atMs;
      run = act;
    };
    for (const [at, { atMs, from, to, parcel }] of this.#under.entries())
      consider(atMs, () => {
        this.#under.splice(at, 1);
        if (this.nodes.has(to)) this.tell(to, eventOf(from, parcel));
      });
    for (const [name, { deadlineMs }] of this.nodes)
      consider(Math.ceil(deadlineMs), () => void this.tell(name, { type: 'wake' }));
    if (run !== null) this.nowMs = Math.max(this.nowMs, earliestMs);
    return run;
  }

  pass(forMs: number): void {
    const untilMs = this.nowMs + forMs;
    for (let run = this.#next(untilMs); run !== null; run = this.#next(untilMs)) run();
    this.nowMs = untilMs;
  }

  /** What a node was told, as words: the topics. */
  topics(name: string): string {
    return this.heard
      .get(name)!
      .map(({ topic, late }) => (late ? `${topic} (late)` : topic))
      .join(' ');
  }
}

export const eventOf = (from: string, parcel: Parcel): GossipEvent =>
  'push' in parcel ? { type: 'heard', from, announcement: parcel.push } : { type: 'message', from, message: parcel.message };

/** As it is behind the wire. */
const carried = (parcel: Parcel): Parcel => {
  if ('push' in parcel) {
    const parsed = parseAnnouncement(unpack(pack(formAnnouncement(parcel.push))));
    assert.ok(parsed.ok, JSON.stringify(parcel.push));
    assert.deepEqual(parsed.announcement, parcel.push);
    return { push: parsed.announcement };
  }
  const parsed = parseGossipMessage(unpack(pack(formGossipMessage(parcel.message))));
  assert.ok(parsed.ok, JSON.stringify(parcel.message));
  assert.deepEqual(parsed.message, parcel.message);
  return { message: parsed.message };
};
