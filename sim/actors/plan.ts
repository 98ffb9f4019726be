// What is drawn of one request to an actor: at which address, what it is to do there, and how whoever asks goes about it.
import type { ActorAddress } from '../../machines/entity/address.ts';
import type { Chance } from '../world.ts';

/**
 * 'note': it is written down. 'act': and something is done outside. 'wait': and a timer is set. 'cancel': an earlier timer is cleared.
 * 'press': a lamp is lit that goes out by itself, later if it is pressed again. 'call': a callback is begun and answers, and is begun
 * again if its leader is lost. 'try': one that has failed then. 'wonder': one of which the actor is asked then, which does it in another way.
 * 'hire': a child does it, by a timer of its own. 'pass': another actor is told. 'boom': it throws.
 */
export const kinds = ['note', 'act', 'wait', 'cancel', 'press', 'call', 'try', 'wonder', 'hire', 'pass', 'boom'] as const;
export type Kind = (typeof kinds)[number];

/**
 * book, desk: replicated; diary, kettle, hourglass: local, and their timers are due at their instant, count only while the node is there, or
 * begin anew with it; gauge, guard: in memory alone.
 */
export const typeNames = ['book', 'desk', 'diary', 'kettle', 'hourglass', 'gauge', 'guard'] as const;
export type TypeName = (typeof typeNames)[number];

/** By type of a local one: which timers are due when it is read again. */
export const timersOf = { diary: 'deadline', kettle: 'remaining', hourglass: 'restart' } as const;

export const isReplicated = (type: string): boolean => type === 'book' || type === 'desk';
export const isLocal = (type: string): type is keyof typeof timersOf => Object.hasOwn(timersOf, type);
export const isDurable = (type: string): boolean => isReplicated(type) || isLocal(type);

export type Plan = {
  readonly kind: Kind;
  readonly address: ActorAddress;
  /** Of 'wait': so many milliseconds. */
  readonly ms: number;
  /** Of 'pass'. */
  readonly to: ActorAddress | null;
  /** With a reply, or until it is handled. */
  readonly isAsked: boolean;
  /** Comes a second time, from another node, after so long; null: it does not. */
  readonly againMs: number | null;
  readonly timeoutMs: number;
  /** Whoever asks goes away after so long; null: he waits. */
  readonly cancelAfterMs: number | null;
};

const keys: Readonly<Record<TypeName, readonly string[]>> = {
  ...{
    book: ['a', 'b', 'c'],
    desk: ['-'],
    diary: ['d'],
    kettle: ['k'],
    hourglass: ['h'],
    gauge: ['a', 'b', 'c'],
    guard: ['-'],
  },
};

const weighted = <Value>(chance: Chance, weights: readonly (readonly [Value, number])[]): Value => {
  let left = chance.fraction() * weights.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [value, weight] of weights) {
    left -= weight;
    if (left < 0) return value;
  }
  return weights.at(-1)![0];
};

const typeWeights = [
  ...([
    ['book', 6],
    ['desk', 2],
    ['diary', 3],
    ['kettle', 2],
    ['hourglass', 2],
  ] as const),
  ...([
    ['gauge', 3],
    ['guard', 1],
  ] as const),
] as const;

const kindWeights = [
  ...([
    ['note', 6],
    ['act', 6],
    ['wait', 4],
    ['cancel', 1],
    ['press', 3],
  ] as const),
  ...([
    ['call', 3],
    ['try', 2],
    ['wonder', 2],
    ['hire', 2],
    ['pass', 3],
    ['boom', 0.5],
  ] as const),
] as const;

/** Everything that is judged in the end: each has one state there, which is kept until then. */
export const addressesOf = (nodes: readonly string[]): ActorAddress[] =>
  typeNames.flatMap((type) =>
    keys[type].flatMap((key) => (isLocal(type) ? nodes : [null]).map((node): ActorAddress => ({ type, key, node }))),
  );

const addressOf = (chance: Chance, type: TypeName, nodes: readonly string[]): ActorAddress => ({
  ...{ type, key: chance.pick(keys[type]), node: isLocal(type) ? chance.pick(nodes) : null },
});

/** One that is made, stopped and made again, and of which nothing is known in the end. */
export const mortalOf = (chance: Chance, nodes: readonly string[]): ActorAddress => {
  const type = chance.pick(['book', 'book', 'diary', 'gauge'] as const);
  return { type, key: 'mortal', node: type === 'diary' ? chance.pick(nodes) : null };
};

export const isMortal = ({ key }: Pick<ActorAddress, 'key'>): boolean => key === 'mortal';

export const drawPlan = (chance: Chance, nodes: readonly string[]): Plan => {
  const type = weighted(chance, typeWeights);
  const drawn = weighted(chance, kindWeights);
  const kind: Kind = isDurable(type) ? drawn : 'note';
  const address = chance.happens(0.1) ? mortalOf(chance, nodes) : addressOf(chance, type, nodes);
  const isKept = isDurable(address.type);
  return {
    ...{ kind: isKept ? kind : 'note', address },
    ms: chance.pick([1, 50, 300, 1_000, 5_000]),
    // From one that outlives its node to another.
    to: addressOf(chance, chance.pick(['book', 'book', 'desk', 'diary']), nodes),
    isAsked: chance.happens(0.7),
    againMs: isKept && chance.happens(0.2) ? chance.between(0, 3_000) : null,
    timeoutMs: chance.pick([300, 1_000, 5_000, 20_000]),
    cancelAfterMs: chance.happens(0.05) ? chance.between(0, 500) : null,
  };
};
