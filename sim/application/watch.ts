// A watch that survives the node it hangs on, as that of `polity/client`: resumes on any node after the last event it gave, without a
// gap or a repetition, until the history from there is gone (COMPACTED).
import type { WatchMessage } from '../../actors/api.ts';
import { backoffMs } from '../../machines/attempts.ts';
import { type Failure, failure, PolityError } from '../../machines/errors.ts';
import type { RegisterEvent } from '../../machines/register/types.ts';
import { type WatchEvent, WatchPosition } from '../../machines/register/watching.ts';
import type { Calls } from './calls.ts';
import type { Program } from './program.ts';
import type { Signal } from './signal.ts';
import { show } from './text.ts';

export type WatchOptions = {
  group?: string;
  /** First index to tell; absent or 0 = from now on. */
  from?: number;
  /** Also tell how far the log is while nothing happens. */
  progress?: boolean;
  signal?: Signal;
};

type Told = { event: WatchEvent; isLast: boolean } | { failed: Failure };

const openMs = 5_000;
const noticeMs = 100;

const eventOf = ({ type, key, value, index, term }: RegisterEvent): WatchEvent =>
  type === 'put' ? { type, key, value: value ?? new Uint8Array(0), index, term } : { type, key, value: null, index, term };

const toldOf = (message: WatchMessage): Told[] => {
  if (message.type === 'failed') return [{ failed: message.failure }];
  if (message.type === 'progress') return [{ event: { type: 'progress', index: message.index }, isLast: true }];
  const { events } = message;
  return events.map((event, at) => ({ event: eventOf(event), isLast: events[at + 1]?.index !== event.index }));
};

/** What one node tells, in its order, until it fails. */
class Stream {
  readonly #program: Program;
  readonly #what: string;
  readonly #told: Told[] = [];
  #wake: (() => void) | null = null;
  #stop: () => void = () => {};
  #isOpen = true;
  #heard = false;

  constructor(calls: Calls, what: string, watch: { group?: string; prefix: string; from: number }) {
    const { program, node } = calls;
    const { world } = program;
    this.#program = program;
    this.#what = what;
    let arrivesAtMs = 0;
    /** Later messages do not overtake. */
    const send = (told: readonly Told[]): void => {
      arrivesAtMs = Math.max(arrivesAtMs, world.nowMs + calls.latencyMs());
      world.after(arrivesAtMs - world.nowMs, () => this.#take(told));
    };
    world.after(calls.latencyMs(), () => {
      const life = node.process;
      const entered = node.enter('watch', (api) => {
        if (this.#isOpen) this.#stop = api.watch(watch, (message) => send(toldOf(message)));
      });
      if (!entered) return send([{ failed: failure('UNREACHABLE', `${node.name} is down`) }]);
      const notice = (): void => {
        if (!this.#isOpen) return;
        if (node.process === life) return void world.after(noticeMs, notice);
        send([{ failed: failure('UNREACHABLE', `${node.name} ended`) }]);
      };
      world.after(noticeMs, notice);
    });
    world.after(openMs, () => {
      if (!this.#heard) this.#take([{ failed: failure('UNREACHABLE', `${node.name} did not begin to tell`) }]);
    });
  }

  #take(told: readonly Told[]): void {
    if (!this.#isOpen) return;
    this.#heard = true;
    this.#told.push(...told);
    this.#wake?.();
  }

  /** Wakes whoever waits for the next one, with nothing. */
  wake(): void {
    this.#wake?.();
  }

  /** Null if it was woken without one. */
  async next(): Promise<Told | null> {
    if (this.#told.length === 0)
      await this.#program.wait<void>(this.#what, ({ resolve }) => {
        this.#wake = () => resolve();
      });
    this.#wake = null;
    return this.#told.shift() ?? null;
  }

  close(): void {
    this.#isOpen = false;
    this.#stop();
  }
}

export async function* watch(calls: Calls, prefix: string, options: WatchOptions): AsyncGenerator<WatchEvent, void, undefined> {
  const { signal, group } = options;
  const { program } = calls;
  const position = new WatchPosition(options.from ?? 0);
  const what = `watch ${show(prefix)}`;
  for (let round = 0; ; round++) {
    signal?.throwIfAborted();
    program.tell(`${what} from ${position.from} at ${calls.node.name}`);
    const stream = new Stream(calls, what, { prefix, from: position.from, ...(group === undefined ? {} : { group }) });
    const abort = (): void => stream.wake();
    signal?.addEventListener('abort', abort, { once: true });
    let failed: Failure | null = null;
    try {
      position.resumed();
      while (failed === null) {
        const told = await stream.next();
        signal?.throwIfAborted();
        if (told === null) continue;
        if ('failed' in told) {
          failed = told.failed;
          continue;
        }
        round = 0;
        const { event, isLast } = told;
        if (!position.take(event, isLast)) continue;
        if (event.type !== 'progress') program.tell(`${what}: ${event.type} ${show(event.key)} at ${event.index}`, event.value);
        if (event.type !== 'progress' || options.progress === true) yield event;
      }
    } finally {
      signal?.removeEventListener('abort', abort);
      stream.close();
    }
    program.tell(`${what}: ${failed.code}`);
    const error = new PolityError(failed);
    if (!error.retryable && error.code !== 'IDENTITY_LOST') throw error;
    calls.next();
    await program.sleep(backoffMs(Math.min(round, 5), program.chance.fraction()));
  }
}
