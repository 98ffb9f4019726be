// Chance as state: a machine that needs a random number carries a generator in its state, seeded from outside,
// so that the same events give the same decisions (decision 1). sfc32, period about 2^128, passes PractRand.

/** Four 32-bit words; plain data, copied with the state that holds it. */
export type RandomState = { a: number; b: number; c: number; counter: number };

/** A generator from one 32-bit seed. Twelve rounds mix the seed into all words. */
export const randomFrom = (seed: number): RandomState => {
  const state: RandomState = { a: 0, b: seed | 0, c: 0x9e3779b9 | 0, counter: 1 };
  for (let round = 0; round < 12; round++) nextUint32(state);
  return state;
};

/** The next 32 bits, as an unsigned integer. Advances `state`. */
export const nextUint32 = (state: RandomState): number => {
  const sum = (((state.a + state.b) | 0) + state.counter) | 0;
  state.counter = (state.counter + 1) | 0;
  state.a = state.b ^ (state.b >>> 9);
  state.b = (state.c + (state.c << 3)) | 0;
  state.c = ((state.c << 21) | (state.c >>> 11)) + sum;
  state.c |= 0;
  return sum >>> 0;
};

/** A whole number in `[from, to)`. `to` must be greater than `from`. */
export const nextBetween = (state: RandomState, from: number, to: number): number =>
  from + Math.floor((nextUint32(state) / 0x1_0000_0000) * (to - from));
