// What was seen of a topic, and whether it can be true of one that keeps its promises: one order for all, no gap that is not said,
// nothing acknowledged lost, and of a named subscription nothing passed over that nobody handled. Told by the numbers of messages and by
// tokens, which are places in the log, so that no clock and no order of arrival has a say.

export type Publishing = { text: string; end: 'ok' | 'fail' | 'info'; sequence: number | null };

type Subscription = {
  /** Numbers that somebody said he handled, and that somebody was told are lost. */
  handled: Set<number>;
  lost: Set<number>;
  /** Where whoever took it over was told to begin, by the index of his token. */
  taken: Map<number, number>;
};

/** One who reads, from its beginning to its end. */
export type Reader = { subscription: string | null; expected: number | null };

export class TopicJudge {
  readonly published = new Map<string, Publishing>();
  /** By subscriptions that were waited for: how many had handled it. */
  readonly acknowledged: { sequence: number; count: number }[] = [];
  readonly subscriptions = new Map<string, Subscription>();
  /** By number, as the first who saw it did. */
  readonly #texts = new Map<number, string>();
  readonly #keepsAll: boolean;
  #wrong: string | null = null;

  constructor(keepsAll: boolean) {
    this.#keepsAll = keepsAll;
  }

  #say(wrong: string): void {
    this.#wrong ??= wrong;
  }

  #subscription(name: string): Subscription {
    const one = this.subscriptions.get(name) ?? { handled: new Set(), lost: new Set(), taken: new Map() };
    this.subscriptions.set(name, one);
    return one;
  }

  #is(sequence: number, text: string): void {
    const known = this.#texts.get(sequence);
    if (known === undefined) this.#texts.set(sequence, text);
    else if (known !== text) this.#say(`message ${sequence} is ${known} and ${text}`);
  }

  took(reader: Reader, token: number, next: number): void {
    if (reader.subscription === null) return;
    reader.expected = next;
    this.#subscription(reader.subscription).taken.set(token, next);
  }

  given(reader: Reader, sequence: number, text: string): void {
    if (reader.expected !== null && sequence !== reader.expected)
      this.#say(`${reader.subscription ?? 'a reader'} was given ${sequence} where ${reader.expected} was to come`);
    reader.expected = sequence + 1;
    this.#is(sequence, text);
  }

  handled(reader: Reader, sequence: number): void {
    if (reader.subscription !== null) this.#subscription(reader.subscription).handled.add(sequence);
  }

  lost(reader: Reader, from: number, count: number): void {
    if (this.#keepsAll) this.#say(`${count} messages from ${from} on are said to be lost of a topic that keeps all`);
    if (reader.expected !== null && from !== reader.expected)
      this.#say(`messages from ${from} on are said to be lost where ${reader.expected} was to come`);
    reader.expected = from + count;
    if (reader.subscription === null) return;
    const { lost } = this.#subscription(reader.subscription);
    for (let sequence = from; sequence < from + count; sequence++) lost.add(sequence);
  }

  /** In the end, when all is quiet: the whole log, what it keeps from `first` on. */
  kept(first: number, messages: readonly { sequence: number; text: string }[]): void {
    messages.forEach(({ sequence, text }, at) => {
      if (sequence !== first + at) this.#say(`the log has ${sequence} where ${first + at} was to come`);
      this.#is(sequence, text);
    });
    if (this.#keepsAll && first !== 1) this.#say(`a topic that keeps all begins with ${first}`);
    const last = first + messages.length - 1;
    for (const { text, end, sequence } of this.published.values())
      if (end === 'ok' && sequence !== null && sequence > last)
        this.#say(`${text} was acknowledged as ${sequence} and is lost`);
  }

  #onePlace(): void {
    const places = new Map<string, number>();
    for (const [sequence, text] of this.#texts) {
      const other = places.get(text);
      if (other !== undefined) this.#say(`${text} is two messages, ${other} and ${sequence}`);
      places.set(text, sequence);
      const one = this.published.get(text);
      if (one === undefined) this.#say(`${text} is message ${sequence}, but nobody published it`);
      else if (one.end === 'fail') this.#say(`${text} is message ${sequence}, but publishing it had failed`);
      else if (one.sequence !== null && one.sequence !== sequence)
        this.#say(`${text} was acknowledged as ${one.sequence} and is message ${sequence}`);
    }
  }

  /** Who takes a subscription over begins where nothing before is left to do, and never before who had it earlier. */
  #takenOver(): void {
    for (const [name, { handled, lost, taken }] of this.subscriptions) {
      const inOrder = [...taken].sort(([a], [b]) => a - b);
      let done = inOrder[0]?.[1] ?? 0;
      for (const [token, next] of inOrder) {
        if (next < done) this.#say(`${name} went back from ${done} to ${next} at ${token}`);
        for (let sequence = done; sequence < next; sequence++)
          if (!handled.has(sequence) && !lost.has(sequence))
            this.#say(`${name} begins with ${next} at ${token}, but nobody handled ${sequence}`);
        done = Math.max(done, next);
      }
    }
  }

  #counted(): void {
    for (const { sequence, count } of this.acknowledged) {
      const handling = [...this.subscriptions.values()].filter(({ handled }) => handled.has(sequence)).length;
      if (handling < count) this.#say(`${count} are said to have handled ${sequence}, ${handling} did`);
    }
  }

  verdict(): string | null {
    this.#onePlace();
    this.#takenOver();
    this.#counted();
    return this.#wrong;
  }
}
