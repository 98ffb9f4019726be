// Faults overlap: what several of them do to the same thing ends when the last of them is undone, not with the first.

export class Strains {
  readonly #factors = new Map<string, number[]>();

  /** Adds a strain on `what`; `set` gets the strongest there is, 0 when none is left. Answers what takes it away again. */
  press(what: string, factor: number, set: (strongest: number) => void): () => void {
    const factors = this.#factors.get(what) ?? [];
    this.#factors.set(what, factors);
    factors.push(factor);
    set(Math.max(...factors));
    let isOn = true;
    return () => {
      if (!isOn) return;
      isOn = false;
      factors.splice(factors.indexOf(factor), 1);
      if (factors.length === 0) this.#factors.delete(what);
      set(Math.max(0, ...factors));
    };
  }
}
