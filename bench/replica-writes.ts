// Random writes to every replicated type, the same for the same seed, and what must have come of them.
import type { Node } from 'polity';
import { nextBetween, type RandomState, randomFrom } from '../machines/random.ts';

export const objectsPerType = 40;

export type WritePlan = {
  /** Of the member: it names what it puts in, and takes out only that. */
  member: number;
  seed: number;
  count: number;
  /** Writes under way at a time, each waiting until it is on the disk. */
  loops: number;
};

/** What everybody's writes add up to, whatever they met on the way. */
export type Sums = { counted: number; elements: number };

export type Written = { sums: Sums; failed: number; firstMadeMs: number; lastMadeMs: number; lastAcknowledgedMs: number };

/** Milliseconds of a clock that all processes of this machine share. */
export const sharedMs = (): number => Number(process.hrtime.bigint()) / 1_000_000;

type Kind = (of: Writer, at: number) => Promise<void>;

class Writer {
  readonly node: Node;
  readonly plan: WritePlan;
  readonly random: RandomState;
  readonly sums: Sums = { counted: 0, elements: 0 };
  /** Own elements that are surely in a set. */
  readonly elements = new Map<string, string[]>();
  #next = 0;

  constructor(node: Node, plan: WritePlan) {
    this.node = node;
    this.plan = plan;
    this.random = randomFrom(plan.seed * 1_000 + plan.member);
  }

  below(end: number): number {
    return nextBetween(this.random, 0, end);
  }

  unique(): string {
    return `${this.plan.seed}-${this.plan.member}-${this.#next++}`;
  }
}

const word = (of: Writer): string => Array.from({ length: 1 + of.below(8) }, () => of.below(36).toString(36)).join('');

const kinds: readonly Kind[] = [
  (of, at) => of.node.replica.register(`register-${at}`).set({ by: of.plan.member, word: word(of) }),
  (of, at) => {
    const by = of.below(21) - 10;
    of.sums.counted += by;
    return of.node.replica.counter(`counter-${at}`).add(by);
  },
  (of, at) => {
    const flag = of.node.replica.flag(`flag-${at}`);
    return of.below(2) === 0 ? flag.enable() : flag.disable();
  },
  async (of, at) => {
    const key = `set-${at}`;
    const set = of.node.replica.orSet<string>(key);
    const mine = of.elements.get(key) ?? [];
    of.elements.set(key, mine);
    const gone = of.below(3) === 0 ? mine.pop() : undefined;
    of.sums.elements += gone === undefined ? 1 : -1;
    if (gone !== undefined) return set.remove(gone);
    const element = of.unique();
    await set.add(element);
    mine.push(element);
  },
  (of, at) => {
    const map = of.node.replica.map<string>(`map-${at}`);
    const key = `${of.below(100)}`;
    return of.below(5) === 0 ? map.remove(key) : map.put(key, word(of));
  },
  (of, at) => {
    const text = of.node.replica.text(`text-${at}`);
    const { length } = text.get();
    return length > 0 && of.below(4) === 0 ? text.remove(of.below(length)) : text.insert(of.below(length + 1), word(of));
  },
  (of, at) => {
    const list = of.node.replica.list<string>(`list-${at}`);
    const { length } = list.get();
    return length > 0 && of.below(4) === 0 ? list.remove(of.below(length)) : list.insert(of.below(length + 1), of.unique());
  },
];

export const writeAll = async (node: Node, plan: WritePlan): Promise<Written> => {
  const writer = new Writer(node, plan);
  const firstMadeMs = sharedMs();
  let lastMadeMs = 0;
  let left = plan.count;
  let failed = 0;
  const loop = async (): Promise<void> => {
    while (left > 0) {
      left--;
      const kind = kinds[writer.below(kinds.length)]!;
      lastMadeMs = sharedMs();
      try {
        await kind(writer, writer.below(objectsPerType));
      } catch {
        failed++;
      }
    }
  };
  await Promise.all(Array.from({ length: plan.loops }, loop));
  return { sums: writer.sums, failed, firstMadeMs, lastMadeMs, lastAcknowledgedMs: sharedMs() };
};

const all = Array.from({ length: objectsPerType }, (_, at) => at);

/** Something that is read, and its name for whoever follows it. */
export type Followed = { type: string; key: string; get(): unknown };

/** Every object that is written to. */
export const everyObject = ({ replica }: Node): readonly Followed[] =>
  all.flatMap((at) => {
    const objects = {
      register: replica.register(`register-${at}`, { conflicts: 'keep-all' }),
      'pn-counter': replica.counter(`counter-${at}`),
      flag: replica.flag(`flag-${at}`),
      'or-set': replica.orSet(`set-${at}`),
      'lww-map': replica.map(`map-${at}`),
      text: replica.text(`text-${at}`),
      list: replica.list(`list-${at}`),
    };
    return Object.entries(objects).map(([type, object]) => ({ type, key: object.key, get: () => object.get() }));
  });

export const sumsAt = ({ replica }: Node): Sums => ({
  counted: all.reduce((sum, at) => sum + replica.counter(`counter-${at}`).get(), 0),
  elements: all.reduce((sum, at) => sum + replica.orSet(`set-${at}`).size, 0),
});
