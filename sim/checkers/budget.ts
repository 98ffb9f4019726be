// How long a judgement may take: steps of the search, and a clock of the caller's, so that nothing here knows the time.

export type Limits = {
  /** Steps of the search, over all objects. */
  readonly stepsMax?: number;
  /** Asked now and then; true: the time is over. */
  readonly expired?: () => boolean;
  /** Memory for places where a search has been; two may be under way at a time. */
  readonly memoBytesMax?: number;
};

export const defaultMemoBytesMax = 128 << 20;
const stepsBetweenLooks = 256;

export class Budget {
  readonly memoBytesMax: number;
  #stepsLeft: number;
  readonly #expired: () => boolean;
  #untilLook = 0;
  /** Null while there is some left. */
  over: 'steps' | 'time' | null = null;

  constructor({ stepsMax = Number.POSITIVE_INFINITY, expired = () => false, memoBytesMax = defaultMemoBytesMax }: Limits) {
    this.#stepsLeft = stepsMax;
    this.#expired = expired;
    this.memoBytesMax = memoBytesMax;
  }

  /** Takes one step; false: there is none left. */
  spend(): boolean {
    if (this.over !== null) return false;
    if (--this.#stepsLeft < 0) this.over = 'steps';
    else if (--this.#untilLook <= 0) {
      this.#untilLook = stepsBetweenLooks;
      if (this.#expired()) this.over = 'time';
    }
    return this.over === null;
  }
}
