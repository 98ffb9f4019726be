// What happened, as a number: every event goes into a rolling hash, so that two runs of a seed can be compared at once and told
// apart at the first line that differs (decision 11).

const twoTo32 = 0x1_0000_0000;

/** Two lanes of 32 bits, fed word by word: no defence against anybody, but a difference of one bit does not go unseen. */
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
    this.count++;
    const atUs = Math.round(atMs * 1_000);
    this.#mix(atUs | 0);
    this.#mix((atUs / twoTo32) | 0);
    this.#mixText(where);
    this.#mixText(what);
    if (bytes !== null) this.#mixBytes(bytes);
    if (this.#lines === null || this.#lines.length >= this.#linesMax) return;
    const line = `${atMs.toFixed(3)} ${where} ${what}`;
    this.#lines.push(bytes === null ? line : `${line} ${bytes.byteLength} bytes → ${this.hash}`);
  }

  #mix(word: number): void {
    let low = Math.imul(this.#low ^ word, 0x9e37_79b1);
    low ^= low >>> 15;
    const high = Math.imul(this.#high ^ word, 0x85eb_ca77);
    this.#low = low;
    this.#high = high ^ (high >>> 13) ^ low;
  }

  #mixText(text: string): void {
    const { length } = text;
    this.#mix(length);
    // Two units of UTF-16 a word.
    for (let at = 0; at < length; at += 2)
      this.#mix(text.charCodeAt(at) | (at + 1 < length ? text.charCodeAt(at + 1) << 16 : 0));
  }

  #mixBytes(bytes: Uint8Array): void {
    const whole = bytes.length & ~3;
    for (let at = 0; at < whole; at += 4)
      this.#mix(bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24));
    for (let at = whole; at < bytes.length; at++) this.#mix(bytes[at]!);
    this.#mix(bytes.length);
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
