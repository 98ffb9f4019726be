// Sources whose behaviour a test decides, and what it needs to hold a lookup over them.
import type { Announcement, Finding } from '../../../actors/ports/index.ts';
import { contextOf, LookupFault, type SourceContext, type SourcePlan } from '../../../src/discovery/index.ts';
import type { Answer, Source } from '../../../src/discovery/source.ts';
import type { Mood } from '../../ports/lookup-suite.ts';
import { countingSink } from '../transport/world.ts';

export type CountingSink = ReturnType<typeof countingSink>;

export const contextFor = (self: string): SourceContext & { sink: CountingSink } => {
  const sink = countingSink();
  return { ...contextOf({ cluster: 'suite', self, secret: new Uint8Array(32).fill(7), sink }), sink };
};

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve());
  });

/** A server in memory that nodes ask, follow and register with. */
export class Registry {
  mood: Mood = 'answers';
  #known: readonly Finding[] = [];
  readonly #announced = new Set<Announcement>();
  readonly #followers = new Set<() => void>();

  set(findings: readonly Finding[]): void {
    this.#known = findings;
    this.#changed();
  }

  #changed(): void {
    for (const tell of this.#followers) tell();
  }

  get answer(): Answer {
    const announced = [...this.#announced].map(({ peer, name, addresses }) => ({
      ...{ peer, name, addresses, priority: 0, weight: 0, healthy: true, ttlMs: 5_000 },
    }));
    return { findings: [...this.#known, ...announced], emptyTtlMs: 2_000 };
  }

  plan(name: string, isFollowed: boolean): SourcePlan {
    const source: Source = {
      query: async () => {
        await new Promise((resolve) => setImmediate(resolve));
        if (this.mood === 'hangs') return new Promise<never>(() => {});
        if (this.mood === 'fails') throw new LookupFault('SOURCE_REFUSED', 'it says no');
        return this.answer;
      },
      announce: async (self, signal) => {
        this.#announced.add(self);
        this.#changed();
        await untilAborted(signal);
        this.#announced.delete(self);
        this.#changed();
      },
    };
    const follow = async (on: (answer: Answer) => void, signal: AbortSignal): Promise<void> => {
      const tell = (): void => on(this.answer);
      this.#followers.add(tell);
      tell();
      await untilAborted(signal);
      this.#followers.delete(tell);
    };
    return { name, open: async () => (isFollowed ? { ...source, follow } : source) };
  }
}
