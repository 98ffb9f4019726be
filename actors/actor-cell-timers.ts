// Timers of one XState system, in place of its scheduler: on the clock port, under ids that do not come from chance, without a look at what
// belongs to others when one actor of the system stops, and for delays of any length.
import type { EventObject } from 'xstate';
import type { EngineHost } from './actor-cell-engine.ts';
import { executing } from './actor-execution.ts';
import type { Timer } from './ports/index.ts';

type Scheduled = { id: string; readonly timer: Timer };
type Relay = (source: object, target: object, event: EventObject) => void;

/** Node's timers know 31 bits; what is longer is waited for in pieces. */
const waitMsMax = 0x7fff_ffff;

/** As XState asks its `system.scheduler`: `source` is the actor that a timer belongs to. */
export class CellTimers {
  readonly #host: EngineHost;
  readonly #relay: Relay;
  #timers: Map<object, Map<string, Scheduled>> | null = null;
  #ids = 0;
  #isOver = false;

  constructor(host: EngineHost, relay: Relay) {
    this.#host = host;
    this.#relay = relay;
  }

  get waits(): boolean {
    return this.#timers !== null && this.#timers.size > 0;
  }

  stop(): void {
    this.#isOver = true;
    for (const source of [...(this.#timers?.keys() ?? [])]) this.cancelAll(source);
  }

  schedule(source: object, target: object, event: EventObject, delayMs: number, id = `timer ${++this.#ids}`): void {
    if (this.#isOver) return;
    this.#timers ??= new Map();
    const timers = this.#timers.get(source) ?? new Map<string, Scheduled>();
    this.#timers.set(source, timers);
    // As in XState, one that was set under this id before goes on; but it ends with its actor.
    const before = timers.get(id);
    if (before !== undefined) {
      before.id = `${id} ${++this.#ids}`;
      timers.set(before.id, before);
    }
    const scheduled: Scheduled = {
      id,
      timer: this.#wait(delayMs, () => {
        this.#forget(source, timers, scheduled.id);
        executing(this.#host.execution, () => this.#relay(source, target, event));
      }),
    };
    timers.set(id, scheduled);
  }

  #wait(delayMs: number, due: () => void): Timer {
    const { clock } = this.#host;
    let leftMs = Math.max(0, Number(delayMs) || 0);
    let timer: Timer;
    const next = (): void => {
      const pieceMs = Math.min(leftMs, waitMsMax);
      leftMs -= pieceMs;
      timer = clock.after(pieceMs, leftMs > 0 ? next : due);
    };
    next();
    return { cancel: () => timer.cancel() };
  }

  cancel(source: object, id: string): void {
    const timers = this.#timers?.get(source);
    if (timers === undefined) return;
    timers.get(id)?.timer.cancel();
    this.#forget(source, timers, id);
  }

  cancelAll(source: object): void {
    for (const { timer } of this.#timers?.get(source)?.values() ?? []) timer.cancel();
    this.#timers?.delete(source);
  }

  #forget(source: object, timers: Map<string, Scheduled>, id: string): void {
    timers.delete(id);
    if (timers.size === 0 && this.#timers?.get(source) === timers) this.#timers.delete(source);
  }
}
