// What happened, as a number: every event goes into a rolling hash, so that two runs of a seed can be compared at once and told
// apart at the first line that differs (decision 11).

const prime = 0x01000193;

/** FNV-1a over two lanes of 32 bits: no defence against anybody, but a difference of one bit does not go unseen. */
export class Trace {
  #low = 0x811c9dc5 | 0;
  #high = 0x23456789 | 0;
  #lines: string[] | null;
  readonly #linesMax: number;
  /** Hears every line; set while a run is recorded. */
  tap: ((atMs: number, where: string, what: string) => void) | null = null;
  count = 0;

  /** Keeps the lines themselves too, up to `linesMax`; the hash is of all. */
  constructor({ linesMax = 0 }: { linesMax?: number } = {}) {
    this.#linesMax = linesMax;
    this.#lines = linesMax > 0 ? [] : null;
  }

  note(atMs: number, where: string, what: string, bytes: Uint8Array | null = null): void {
    this.tap?.(atMs, where, what);
    const line = `${atMs.toFixed(3)} ${where} ${what}`;
    this.count++;
    for (let at = 0; at < line.length; at++) this.#mix(line.charCodeAt(at));
    if (bytes !== null) for (let at = 0; at < bytes.byteLength; at++) this.#mix(bytes[at]!);
    if (this.#lines !== null && this.#lines.length < this.#linesMax)
      this.#lines.push(bytes === null ? line : `${line} ${bytes.byteLength} bytes → ${this.hash}`);
  }

  #mix(value: number): void {
    this.#low = Math.imul(this.#low ^ value, prime);
    this.#high = Math.imul(this.#high ^ value ^ (this.#low >>> 13), prime);
  }

  /** 16 hexadecimal digits. */
  get hash(): string {
    const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, '0');
    return hex(this.#high) + hex(this.#low);
  }

  get lines(): readonly string[] {
    return this.#lines ?? [];
  }
}
