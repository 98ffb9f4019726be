// A few nodes on a stage with a fixed latency and no chance but their own: what they say and learn is written down, line by line, so
// that a test reads like a story. Messages are packed and parsed as on the wire.
import assert from 'node:assert/strict';
import {
  acquaint,
  createMembership,
  describeMembershipEffect,
  formMembershipMessage,
  type MembershipEffect,
  type MembershipEvent,
  type MembershipMessage,
  type MembershipOptions,
  type MembershipState,
  membershipDefaults,
  type Profile,
  parseMembershipMessage,
  step,
} from '../../../machines/membership/index.ts';
import { pack, unpack } from '../../../machines/wire/envelope.ts';

export const latencyMs = 10;

export const profileOf = (name: string, given: Partial<Profile> = {}): Profile => ({
  ...{ name, version: '1.0.0', region: 'eu', tags: ['ssd'], capabilities: ['kv'], resources: { cpus: 4 }, capacity: 10 },
  ...{ load: 0.1, state: 'ready', addresses: [`/ip4/127.0.0.1/tcp/${name.charCodeAt(0)}`], ...given },
});

/** A machine as its peers know it; names are peer ids. */
export const createNode = (
  self: string,
  given: {
    restored?: number;
    nowMs?: number;
    options?: Partial<MembershipOptions>;
    seed?: number;
    known?: string[];
    checkAll?: boolean;
  } = {},
): MembershipState => {
  const { restored = 0, nowMs = 0, options = {}, seed = self.charCodeAt(0), known = [], checkAll = true } = given;
  const state = createMembership({
    ...{ self, profile: profileOf(self), options: { ...membershipDefaults, ...options } },
    ...{ restored, seed, nowMs, checkAll },
  });
  step(state, nowMs, { type: 'wake' });
  step(state, nowMs, { type: 'persisted', incarnation: state.persisting });
  if (known.length > 0) {
    const members = known.map((peer) => ({ peer, incarnation: 1, profile: profileOf(peer) }));
    acquaint(state, members, nowMs);
  }
  return state;
};

type Under = { atMs: number; from: string; to: string; message: MembershipMessage };

export class Stage {
  nowMs = 0;
  readonly nodes = new Map<string, MembershipState>();
  readonly lines: string[] = [];
  /** Lost on the way. */
  isLost: (from: string, to: string, message: MembershipMessage) => boolean = () => false;
  /** What of the messages is written down. */
  isTold: (message: MembershipMessage) => boolean = () => true;
  readonly durable = new Map<string, number>();
  readonly #options: Partial<MembershipOptions>;
  #under: Under[] = [];
  readonly #paused = new Map<string, number>();

  constructor(options: Partial<MembershipOptions> = {}) {
    this.#options = options;
  }

  state(name: string): MembershipState {
    const state = this.nodes.get(name);
    assert.ok(state, `${name} is not up`);
    return state;
  }

  /** They have known each other for long. */
  begin(...names: string[]): void {
    for (const name of names) {
      this.nodes.set(name, createNode(name, { nowMs: this.nowMs, options: this.#options, known: names }));
      this.durable.set(name, this.state(name).durable);
    }
  }

  start(name: string): void {
    const state = createMembership({
      ...{ self: name, profile: profileOf(name), options: { ...membershipDefaults, ...this.#options }, checkAll: true },
      ...{ restored: this.durable.get(name) ?? 0, seed: name.charCodeAt(0), nowMs: this.nowMs },
    });
    this.nodes.set(name, state);
    this.tell(name, { type: 'wake' });
  }

  crash(name: string): void {
    this.nodes.delete(name);
    this.#under = this.#under.filter(({ from, to }) => from !== name && to !== name);
  }

  pause(name: string, forMs: number): void {
    this.#paused.set(name, this.nowMs + forMs);
  }

  meet(a: string, b: string): void {
    this.tell(a, { type: 'met', peer: b });
    this.tell(b, { type: 'met', peer: a });
  }

  tell(name: string, event: MembershipEvent): MembershipEffect[] {
    const state = this.state(name);
    const effects = step(state, this.nowMs, event);
    for (const effect of effects) this.#fulfil(name, effect);
    return effects;
  }

  /** Somebody says something that no machine here made up. */
  hear(name: string, from: string, message: MembershipMessage): MembershipEffect[] {
    return this.tell(name, { type: 'message', from, message });
  }

  #fulfil(name: string, effect: MembershipEffect): void {
    if (effect.type !== 'send' || this.isTold(effect.message)) this.note(name, describeMembershipEffect(effect));
    if (effect.type === 'persist') {
      // A disk that answers at once.
      this.durable.set(name, effect.incarnation);
      this.tell(name, { type: 'persisted', incarnation: effect.incarnation });
    }
    if (effect.type === 'left' || effect.type === 'evicted') this.nodes.delete(name);
    if (effect.type !== 'send') return;
    for (const to of effect.to) {
      if (this.isLost(name, to, effect.message)) continue;
      const parsed = parseMembershipMessage(unpack(pack(formMembershipMessage(effect.message))));
      assert.ok(parsed.ok, JSON.stringify(effect.message));
      assert.deepEqual(parsed.message, effect.message);
      this.#under.push({ atMs: this.nowMs + latencyMs, from: name, to, message: parsed.message });
    }
  }

  note(name: string, what: string): void {
    this.lines.push(`${(this.nowMs / 1_000).toFixed(2).padStart(6)} ${name} ${what}`);
  }

  /** What is next: the earliest message or alarm of somebody who is not paused. */
  #next(untilMs: number): (() => void) | null {
    let earliestMs = untilMs;
    let run: (() => void) | null = null;
    const consider = (name: string, atMs: number, act: () => void): void => {
      const when = Math.max(atMs, this.#paused.get(name) ?? 0);
      if (when > earliestMs || (run !== null && when === earliestMs)) return;
      earliestMs = when;
      run = act;
    };
    for (const [at, { atMs, from, to, message }] of this.#under.entries())
      consider(to, atMs, () => {
        this.#under.splice(at, 1);
        if (this.nodes.has(to)) this.hear(to, from, message);
      });
    for (const [name, { deadlineMs }] of this.nodes)
      consider(name, Math.ceil(deadlineMs), () => void this.tell(name, { type: 'wake' }));
    if (run !== null) this.nowMs = Math.max(this.nowMs, earliestMs);
    return run;
  }

  pass(forMs: number): void {
    const untilMs = this.nowMs + forMs;
    for (let run = this.#next(untilMs); run !== null; run = this.#next(untilMs)) run();
    this.nowMs = untilMs;
  }

  /** How one sees another: 'alive 1', or 'unknown'. */
  view(name: string, of: string): string {
    const member = this.state(name).table.members.get(of);
    return member === undefined ? 'unknown' : `${member.status} ${member.incarnation}`;
  }
}
