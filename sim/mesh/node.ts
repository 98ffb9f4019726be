// One machine of a mesh: a process that runs membership and nothing else, with what a crash leaves of it (its peer id and the
// incarnation on its disk), what a pause does to it, and the address that it has in this life.
import {
  acquaint,
  type Contact,
  createMembership,
  type Evicted,
  formMembershipMessage,
  type MembershipEffect,
  type MembershipEvent,
  type MembershipOptions,
  type MembershipState,
  type Profile,
  parseMembershipMessage,
  restoreEvicted,
  step,
} from '../../machines/membership/index.ts';
import { decodeEnvelope, encodeEnvelope } from '../../machines/wire/envelope.ts';
import type { Chance, Handle, World } from '../world.ts';
import type { Mesh } from './mesh.ts';

/** A packed message under way and who sent it, in which life; without bytes it is none of membership's. */
export type Parcel = { from: MeshNode; life: number; bytes: Uint8Array | null };

const address = 'membership';

export class MeshNode {
  readonly name: string;
  readonly peer: string;
  /** Counts starts; a process that is down has none. */
  life = 0;
  address = '';
  /** The first incarnation of this life. */
  bornAt = 0;
  state: MembershipState | null = null;
  /** Which side of a partition it is on. */
  side = 0;
  /** What is on its disk. */
  durable = 0;
  evicted: { list: readonly Evicted[]; atMs: number } = { list: [], atMs: 0 };
  pausedUntilMs = 0;
  hasLeft = false;
  wasEvicted = false;
  readonly #mesh: Mesh;
  readonly #world: World;
  readonly #chance: Chance;
  readonly #checkAll: boolean;
  #alarm: { atMs: number; handle: Handle } | null = null;
  #inbox: Parcel[] = [];
  /** On the disk, and this process has not yet heard so. */
  #written: number[] = [];
  /** Peers from whom something came in this life, and in which of theirs: there is a connection to answer on. */
  #connected = new Map<MeshNode, number>();

  constructor(mesh: Mesh, world: World, { name, peer, checkAll }: { name: string; peer: string; checkAll: boolean }) {
    this.#mesh = mesh;
    this.#world = world;
    this.name = name;
    this.peer = peer;
    this.#checkAll = checkAll;
    this.#chance = world.chance(`mesh ${name}`);
  }

  get isUp(): boolean {
    return this.state !== null;
  }

  start({ options, profile, address: at, contacts }: StartOptions): void {
    this.life++;
    this.address = at;
    this.bornAt = this.durable + 1;
    this.hasLeft = false;
    this.#connected = new Map();
    this.state = createMembership({
      ...{ self: this.peer, profile: { ...profile, addresses: [at] }, options, restored: this.durable },
      ...{ seed: this.#chance.uint32(), nowMs: this.#world.nowMs, checkAll: this.#checkAll },
    });
    const { list, atMs: writtenMs } = this.evicted;
    const passedMs = this.#world.nowMs - writtenMs;
    restoreEvicted(
      this.state,
      list.map((one) => ({ ...one, agoMs: one.agoMs + passedMs })),
      this.#world.nowMs,
    );
    this.tell({ type: 'contacts', contacts });
    this.#beat();
  }

  /** Begins as one of many that know each other. */
  begin(options: MembershipOptions, profile: Profile, at: string, known: Parameters<typeof acquaint>[1]): void {
    this.durable = options.incarnationsReserved;
    this.life = 1;
    this.address = at;
    this.bornAt = 1;
    const state = createMembership({
      ...{ self: this.peer, profile, options, restored: 0 },
      ...{ seed: this.#chance.uint32(), nowMs: this.#world.nowMs, checkAll: this.#checkAll },
    });
    this.state = state;
    step(state, this.#world.nowMs, { type: 'wake' });
    step(state, this.#world.nowMs, { type: 'persisted', incarnation: this.durable });
    acquaint(state, known, this.#world.nowMs);
    this.tell({ type: 'wake' });
    this.#beat();
  }

  /** The process ends, without a word. */
  crash(): void {
    this.state = null;
    this.#alarm?.handle.cancel();
    this.#alarm = null;
    this.#inbox = [];
    this.#written = [];
    this.pausedUntilMs = 0;
  }

  /** All but its key is gone. */
  loseDisk(): void {
    this.durable = 0;
    this.evicted = { list: [], atMs: this.#world.nowMs };
  }

  /** Nothing runs for so long; what arrives waits. */
  pause(forMs: number): void {
    if (this.state === null) return;
    const { life } = this;
    this.pausedUntilMs = Math.max(this.pausedUntilMs, this.#world.nowMs + forMs);
    this.#world.after(forMs, () => {
      if (this.life !== life || this.state === null || this.#world.nowMs < this.pausedUntilMs) return;
      const inbox = this.#inbox;
      this.#inbox = [];
      // Either may be first: timers or sockets.
      if (this.#chance.happens(0.5)) this.tell({ type: 'wake' });
      this.#tellWritten();
      for (const parcel of inbox) this.receive(parcel);
      this.tell({ type: 'wake' });
    });
  }

  receive(parcel: Parcel): void {
    if (this.state === null) return;
    if (this.#world.nowMs < this.pausedUntilMs) {
      this.#inbox.push(parcel);
      return;
    }
    this.meet(parcel.from, parcel.life);
    this.tell({ type: 'heard', peer: parcel.from.peer });
    if (parcel.bytes !== null) this.#read(parcel.from, parcel.bytes);
  }

  #read(from: MeshNode, bytes: Uint8Array): void {
    const envelope = decodeEnvelope(bytes);
    if ('refused' in envelope) throw new Error(`${this.name} refuses an envelope: ${envelope.message}`);
    const parsed = parseMembershipMessage(envelope.body);
    if (!parsed.ok) throw new Error(`${this.name} refuses a message: ${parsed.message}`);
    const { message } = parsed;
    if ('facts' in message)
      for (const fact of message.facts) if (fact.told !== null) fact.told = this.#mesh.share(fact.peer, fact.told);
    this.tell({ type: 'message', from: from.peer, message });
  }

  /** As if there were connections to all of them for long. */
  connectAll(others: readonly MeshNode[]): void {
    for (const other of others) if (other !== this) this.#connected.set(other, other.life);
  }

  /** Says something to everybody it is connected with, again and again while this life lasts. */
  #beat(): void {
    const { beatMs } = this.#mesh.options;
    if (beatMs === 0) return;
    const { life } = this;
    const beat = (): void => {
      if (this.life !== life || this.state === null) return;
      if (this.#world.nowMs >= this.pausedUntilMs)
        for (const [other, itsLife] of this.#connected) this.#mesh.beat(this, other, itsLife);
      this.#world.after(beatMs, beat);
    };
    this.#world.after(this.#chance.between(0, beatMs), beat);
  }

  /** There is a connection to that process. */
  meet(other: MeshNode, life: number): void {
    if (this.#connected.get(other) !== life) this.dialled(other, life);
  }

  /** A dial ended at that process, whether there was a connection before or not. */
  dialled(other: MeshNode, life: number): void {
    this.#connected.set(other, life);
    this.tell({ type: 'met', peer: other.peer });
  }

  /** Whether a message would find the way: an address that is known and still right, or a connection that is open. */
  knowsWayTo(other: MeshNode): boolean {
    if (this.#connected.get(other) === other.life) return true;
    return this.state?.table.members.get(other.peer)?.profile.addresses.includes(other.address) ?? false;
  }

  #tellWritten(): void {
    if (this.#world.nowMs < this.pausedUntilMs) return;
    for (const incarnation of this.#written.splice(0)) this.tell({ type: 'persisted', incarnation });
  }

  tell(event: MembershipEvent): void {
    const { state } = this;
    if (state === null || this.#world.nowMs < this.pausedUntilMs) return;
    for (const effect of step(state, this.#world.nowMs, event)) this.#fulfil(effect);
    this.#arm();
  }

  #fulfil(effect: MembershipEffect): void {
    switch (effect.type) {
      case 'send': {
        const bytes = encodeEnvelope({
          ...{ version: 1, source: address, target: address, type: 'm', id: 0, correlation: 0, timeLeftMs: 0, trace: '' },
          body: formMembershipMessage(effect.message),
        });
        for (const peer of effect.to) this.#mesh.send(this, peer, effect, bytes);
        return;
      }
      case 'dial':
        return this.#mesh.dial(this, effect.peer, effect.addresses);
      case 'persist': {
        const { life } = this;
        this.#world.after(this.#chance.tail(1, 20), () => {
          if (this.life !== life || this.state === null) return;
          this.durable = Math.max(this.durable, effect.incarnation);
          this.#written.push(effect.incarnation);
          this.#tellWritten();
        });
        return;
      }
      case 'remember': {
        const { life } = this;
        const written = { list: effect.evicted, atMs: this.#world.nowMs };
        this.#world.after(this.#chance.tail(1, 20), () => {
          if (this.life === life && this.state !== null && written.atMs >= this.evicted.atMs) this.evicted = written;
        });
        return;
      }
      case 'changed':
        return this.#mesh.onChanged(this, effect.changes);
      case 'left':
        this.hasLeft = true;
        return this.crash();
      case 'evicted':
        this.wasEvicted = true;
        return this.crash();
      case 'warn':
        return this.#mesh.onWarn(this, effect.code);
    }
  }

  #arm(): void {
    const { state } = this;
    if (state === null) return;
    const atMs = state.deadlineMs;
    if (this.#alarm !== null && this.#alarm.atMs <= atMs) return;
    this.#alarm?.handle.cancel();
    this.#alarm = null;
    if (atMs === Number.POSITIVE_INFINITY) return;
    // Whole milliseconds, as timers have them: never a hair too early.
    const handle = this.#world.after(Math.max(1, Math.ceil(atMs - this.#world.nowMs)), () => {
      this.#alarm = null;
      this.tell({ type: 'wake' });
    });
    this.#alarm = { atMs, handle };
  }
}

export type StartOptions = {
  options: MembershipOptions;
  profile: Profile;
  address: string;
  contacts: readonly Contact[];
};

export type { Contact };
