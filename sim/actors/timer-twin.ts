// When timers of local actors ring: whoever reads what they write on their disks knows from when each counts by its type's policy
// (docs/internals/actors-local.md), to the millisecond of the node's own clock. None rings before that; and none later than what their node
// had to do first explains, which is measured and not guessed.
import { type LogEntry, openEntries, openSnapshot } from '../../actors/actor-records.ts';
import type { NodeState } from '../../actors/api.ts';
import { actorKeys, compareKeys } from '../../actors/keyspace.ts';
import { type ActorAddress, addressText } from '../../machines/entity/address.ts';
import type { Disk } from '../disk.ts';
import type { Wounds } from '../nemesis/wounds.ts';
import type { SimulatedNode } from '../node.ts';
import { wallMsOf } from '../process.ts';
import type { World } from '../world.ts';
import { backoffMaxMs } from './logic.ts';
import { timersOf } from './plan.ts';

/** No fault is shorter than two of these: none is overlooked. */
export const lookMs = 10;
/** Waits of the last so many looks: longer than anything takes that is not excused. */
const waitsKept = 50;
/** No clock of the world runs slower than this. */
const rateLeast = 0.9;
const stops: ReadonlySet<NodeState | undefined> = new Set(['draining', 'left', 'failed']);
/**
 * What may stand between an instant and its timer, on a node that nothing disturbs: a rest under way (its turn, its write behind another's),
 * the reading of the actor (its turn, three pages), the turn of the timer; each turn waits for its place. And both clocks show whole milliseconds.
 */
const allowanceMs = (syncMs: number, waitMs: number): number => 2 * syncMs + 3 * (0.1 * syncMs + waitMs) + 3 * waitMs + 2;

type Timed = keyof typeof timersOf;
type Written = { readonly address: ActorAddress; readonly keys: ReturnType<typeof actorKeys> };

/** How far a clock has jumped ahead in all, and by how much its rate has changed: who waits for an instant does not see either. */
type Strayed = { readonly aheadMs: number; readonly rate: number };

const still: Strayed = { aheadMs: 0, rate: 0 };

/** By its node's clock. `clock`: when the alarm was set that it waited for. */
type Ringing = { readonly ms: number; readonly dueMs: number; readonly rangMs: number; readonly clock: Strayed };

/** What one actor has written: its entries by number, and when it was put to rest behind which. */
export class TimerTwin {
  readonly #policy: (typeof timersOf)[Timed];
  readonly #entries = new Map<number, { readonly entry: LogEntry; readonly clock: Strayed }>();
  readonly #rests: { at: number; atMs: number }[] = [];
  #last = 1;

  constructor(type: Timed) {
    this.#policy = timersOf[type];
  }

  /** What came after these, and was not on the disk yet when the power went, never was. */
  wrote(first: number, entries: readonly LogEntry[], clock: Strayed): void {
    for (let number = first; number <= this.#last; number++) this.#entries.delete(number);
    for (const [at, entry] of entries.entries()) this.#entries.set(first + at, { entry, clock });
    this.#last = first + entries.length - 1;
  }

  rested(at: number, atMs: number): void {
    this.#rests.push({ at, atMs });
  }

  /** When the timer of `n` rang last, and when it was due then. Null: it was not seen to be set. */
  ringing(n: number): Ringing | null {
    let nowMs = 0;
    let set: Omit<Ringing, 'rangMs'> | null = null;
    let rung: Ringing | null = null;
    // An actor has one alarm, for the first of its timers: as it was set when there was none before.
    let pending = 0;
    let alarm = still;
    for (const [number, { entry, clock }] of [...this.#entries].sort(([a], [b]) => a - b)) {
      const before = Math.max(nowMs, ...this.#rests.filter(({ at }) => at < number).map(({ atMs }) => atMs));
      // An actor's own time never goes back, whatever its node's clock does.
      nowMs = Math.max(before, entry.atMs);
      const told = entry.kind === 'event' ? (entry.event as { type: string; n?: number; ms?: number }) : null;
      if (told !== null && sets.has(told.type) && pending++ === 0) alarm = clock;
      if (told?.type === 'wait' && told.n === n) set ??= { ms: told.ms ?? 0, dueMs: nowMs + (told.ms ?? 0), clock };
      if (entry.kind === 'fire' && pending > 0) pending--;
      if (set === null) continue;
      if (entry.kind === 'woken') set = { ...set, dueMs: this.#countedFrom(nowMs, before, set) };
      if (entry.kind === 'fire' && isTimerOf(n, entry.timer)) rung = { ...set, rangMs: entry.atMs, clock: alarm };
    }
    return rung;
  }

  #countedFrom(nowMs: number, beforeMs: number, { ms, dueMs }: { ms: number; dueMs: number }): number {
    if (this.#policy === 'deadline') return dueMs;
    return nowMs + (this.#policy === 'restart' ? ms : Math.max(0, dueMs - beforeMs));
  }
}

/** Events that set a timer. */
const sets: ReadonlySet<string> = new Set(['wait', 'press', 'hire']);

const isTimerOf = (n: number, timer: string): boolean => new RegExp(`(^|[^0-9a-z])t${n}($|[^0-9])`).test(timer);

/** What became of one node, as far as it may put timers off. */
type Watched = {
  disk: Disk | null;
  life: string;
  aheadMs: number;
  rate: number;
  strayed: Strayed;
  /** On its own clock: when all was as it should be again. */
  quietMs: number;
  readonly waitsMs: number[];
};

export class LocalTimers {
  /** Rings that were held against the twin, and the latest of them by more than it was due. */
  judged = 0;
  latestMs = 0;
  readonly #world: World;
  readonly #nodes: readonly SimulatedNode[];
  readonly #written: readonly Written[];
  readonly #wounds: Wounds;
  readonly #blame: (rule: string, what: string) => void;
  readonly #watched = new Map<string, Watched>();
  /** By disk and address. */
  readonly #twins = new Map<string, TimerTwin>();
  /** By address: it failed, and has surely begun anew at this time of its node's clock. */
  readonly #failedMs = new Map<string, number>();

  constructor(
    world: World,
    nodes: readonly SimulatedNode[],
    addresses: readonly ActorAddress[],
    wounds: Wounds,
    blame: (rule: string, what: string) => void,
  ) {
    this.#world = world;
    this.#wounds = wounds;
    this.#nodes = nodes;
    this.#written = addresses.map((address) => ({ address, keys: actorKeys(address.type, address.key) }));
    this.#blame = blame;
  }

  /** Every `lookMs`, and before anything is written. */
  look(): void {
    for (const node of this.#nodes) {
      const watched = this.#watchedOf(node);
      const { process, disk, skew } = node;
      const isDisturbed =
        process === null ||
        stops.has(node.api?.status().state) ||
        process.isPaused ||
        process.slowness > 1 ||
        disk.slowness > 1 ||
        disk.busyUntilMs > this.#world.nowMs + 2 * disk.options.syncMs[1] ||
        disk.failing !== null ||
        disk.unreadable !== null ||
        watched.life !== process.label ||
        watched.aheadMs !== skew.wallAheadMs ||
        watched.rate !== skew.rate;
      watched.waitsMs.push(process?.longestWaitMs ?? 0);
      if (watched.waitsMs.length > waitsKept) watched.waitsMs.shift();
      if (process !== null) process.longestWaitMs = 0;
      if (!isDisturbed) continue;
      // Until the next look at the most.
      watched.quietMs = wallMsOf(this.#world, skew) + lookMs;
      watched.life = process?.label ?? '';
      watched.strayed = {
        aheadMs: watched.strayed.aheadMs + Math.max(0, skew.wallAheadMs - watched.aheadMs),
        rate: watched.strayed.rate + Math.abs(skew.rate - watched.rate),
      };
      watched.aheadMs = skew.wallAheadMs;
      watched.rate = skew.rate;
    }
  }

  /** It is told of its actors just now: nobody wakes them before. */
  hosts(node: SimulatedNode): void {
    this.#watchedOf(node).quietMs = wallMsOf(this.#world, node.skew);
  }

  #watchedOf(node: SimulatedNode): Watched {
    let watched = this.#watched.get(node.name);
    if (watched === undefined) {
      watched = {
        disk: null,
        life: '',
        aheadMs: node.skew.wallAheadMs,
        rate: node.skew.rate,
        strayed: still,
        quietMs: 0,
        waitsMs: [],
      };
      this.#watched.set(node.name, watched);
    }
    if (watched.disk !== node.disk) {
      watched.disk = node.disk;
      const { disk } = node;
      disk.onChanged = (key, value) => this.#changed(node.name, disk, key, value);
    }
    return watched;
  }

  #twinOf(disk: Disk, address: ActorAddress): TimerTwin {
    const own = addressText(address);
    const name = `${disk.identity} ${own} ${this.#wounds.removals(disk.identity, own)}`;
    const twin = this.#twins.get(name) ?? new TimerTwin(address.type as Timed);
    this.#twins.set(name, twin);
    return twin;
  }

  #changed(node: string, disk: Disk, key: Uint8Array, value: Uint8Array | null): void {
    // 'a/': what actors write.
    if (value === null || key[0] !== 0x61 || key[1] !== 0x2f) return;
    for (const { address, keys } of this.#written) {
      if (address.node !== node) continue;
      const { gte, lt } = keys.logRange;
      try {
        if (compareKeys(key, keys.snapshot) === 0) {
          const { at, atMs } = openSnapshot(keys, value);
          this.#twinOf(disk, address).rested(at, atMs);
        } else if (compareKeys(key, gte) >= 0 && compareKeys(key, lt) < 0) {
          const first = Number(new DataView(key.buffer, key.byteOffset + key.byteLength - 8).getBigUint64(0));
          this.#twinOf(disk, address).wrote(first, openEntries(key, value).entries, this.#watched.get(node)!.strayed);
        }
      } catch {
        // Damaged on purpose: its actor must not be opened.
      }
    }
  }

  failed(address: ActorAddress | null): void {
    for (const written of this.#written) {
      const node = this.#nodes.find(({ name }) => name === written.address.node)!;
      if (address !== null && addressText(address) !== addressText(written.address)) continue;
      this.#failedMs.set(addressText(written.address), wallMsOf(this.#world, node.skew) + backoffMaxMs);
    }
  }

  /** What it does outside when the timer of `n` has rung. */
  rang(address: ActorAddress, n: number): void {
    const node = this.#nodes.find(({ name }) => name === address.node);
    const watched = node === undefined ? undefined : this.#watched.get(node.name);
    if (node === undefined || watched === undefined) return;
    const text = addressText(address);
    const ringing = this.#twinOf(node.disk, address).ringing(n);
    if (ringing === null) return;
    const { ms, dueMs, rangMs, clock } = ringing;
    this.judged++;
    if (rangMs < dueMs)
      return this.#blame(
        'no timer rings early',
        `that of ${n} at ${text}, due at ${dueMs}, at ${rangMs} (${dueMs - rangMs} ms)`,
      );
    const readyMs = Math.max(dueMs, watched.quietMs, this.#failedMs.get(text) ?? 0);
    const waitMs = Math.max(...watched.waitsMs, node.process?.longestWaitMs ?? 0);
    const strayedMs = watched.strayed.aheadMs - clock.aheadMs + (ms * (watched.strayed.rate - clock.rate)) / rateLeast;
    const allowedMs = allowanceMs(node.disk.options.syncMs[1], waitMs) + strayedMs;
    // Whoever was to wake it may not know.
    if (this.#wounds.isLate(node.disk.identity, text)) return;
    this.latestMs = Math.max(this.latestMs, rangMs - readyMs);
    if (rangMs > readyMs + allowedMs)
      this.#blame(
        'timers ring in time',
        `that of ${n} at ${text}, due at ${dueMs}, could have rung from ${readyMs} on, and did ${rangMs - readyMs} ms later, where ${allowedMs} are allowed`,
      );
  }
}
