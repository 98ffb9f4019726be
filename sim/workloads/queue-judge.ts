// What was seen of a queue, and whether it can be true of one that keeps its promises: nothing that was acknowledged is lost, nothing is
// given out after it was done, to two at once or out of its turn, nothing is made up. All of it is told by places in the log, which
// the answers carry, so that no clock and no order of arrival has a say.

export type Sent = { value: string; ordering: string | null; end: 'ok' | 'fail' | 'info'; message: number | null };

export type Given = {
  message: number;
  value: string;
  ordering: string | null;
  /** Place in the log of what gave it out. */
  index: number;
  /** Log time then, and when it comes into sight. */
  logMs: number;
  visibleMs: number;
  deliveries: number;
  /** It was given back, or perhaps: from this place in the log on; Infinity: it was not. */
  backFrom: number;
};

/** Of one queue. */
export type Seen = {
  /** The next of an ordering key is out only when the one before is done: what comes back too often may become a dead letter. */
  dies: boolean;
  sent: Map<string, Sent>;
  given: Given[];
  /** By message: where in the log it was acknowledged (0: perhaps), and where it was given out under that receipt. */
  done: Map<number, { at: number; given: number }>;
  /** Values that were dead letters in the end. */
  dead: Set<string>;
};

export const nothingSeen = (dies: boolean): Seen => ({
  ...{ dies, sent: new Map(), given: [], done: new Map(), dead: new Set() },
});

/** Messages whose number is known, by number. */
const numbered = ({ sent, given }: Seen): Map<number, { value: string; ordering: string | null }> => {
  const known = new Map<number, { value: string; ordering: string | null }>();
  for (const { message, value, ordering } of sent.values()) if (message !== null) known.set(message, { value, ordering });
  for (const { message, value, ordering } of given) known.set(message, { value, ordering });
  return known;
};

const madeUp = ({ sent, given }: Seen): string | null => {
  const numbers = new Map<string, number>();
  for (const { message, value, ordering } of given) {
    const one = sent.get(value);
    if (one === undefined) return `${value} was given out, but nobody sent it`;
    if (one.end === 'fail') return `${value} was given out, but sending it had failed`;
    if (one.ordering !== ordering) return `${value} was sent with the ordering key ${one.ordering} and came with ${ordering}`;
    const number = numbers.get(value) ?? one.message ?? message;
    if (number !== message) return `${value} is two messages, ${number} and ${message}`;
    numbers.set(value, number);
  }
  return null;
};

const afterItsEnd = ({ given, done }: Seen): string | null => {
  for (const { message, value, index } of given) {
    const end = done.get(message);
    if (end === undefined || end.at === 0) continue;
    if (index > end.at) return `${value} was done at ${end.at} and given out again at ${index}`;
    if (index > end.given)
      return `${value} was done at ${end.at} under a receipt of ${end.given}, after it was given out at ${index}`;
  }
  return null;
};

/** By place in the log, those of one message behind each other. */
const toTwo = ({ given }: Seen): string | null => {
  const last = new Map<number, Given>();
  for (const one of [...given].sort((a, b) => a.index - b.index)) {
    const before = last.get(one.message);
    last.set(one.message, one);
    // Under an idempotency key the same answer may come twice.
    if (before === undefined || before.index === one.index) continue;
    const isBack = before.backFrom <= one.index || one.logMs >= before.visibleMs;
    if (!isBack)
      return `${one.value} was given out at ${before.index} until ${before.visibleMs}, and again at ${one.index}, ${one.logMs}`;
    if (one.deliveries <= before.deliveries)
      return `${one.value} was delivered ${one.deliveries} times after ${before.deliveries}`;
  }
  return null;
};

const outOfTurn = (seen: Seen): string | null => {
  if (seen.dies) return null;
  const lines = new Map<string, [number, string][]>();
  for (const [message, { value, ordering }] of numbered(seen))
    if (ordering !== null) lines.set(ordering, [...(lines.get(ordering) ?? []), [message, value]]);
  for (const { message, value, ordering, index } of seen.given)
    for (const [earlier, other] of ordering === null ? [] : lines.get(ordering)!) {
      if (earlier >= message) continue;
      const doneAt = seen.done.get(earlier)?.at;
      if (doneAt === undefined || doneAt >= index)
        return `${value} was given out at ${index} before ${other} of the same ordering key, which was sent before it, was done`;
    }
  return null;
};

const lost = ({ dies, sent, given, done, dead }: Seen): string | null => {
  for (const { value, end, message } of sent.values()) {
    if (dead.has(value)) {
      if (!dies) return `${value} is a dead letter after too few deliveries`;
      continue;
    }
    const number = message ?? given.find((one) => one.value === value)?.message;
    if (end === 'ok' && (number === undefined || !done.has(number))) return `${value} was acknowledged and is lost`;
  }
  return null;
};

/** What is wrong, in words, or null. In the end whoever asks has taken out all there was. */
export const wrongOf = (seen: Seen): string | null =>
  madeUp(seen) ?? afterItsEnd(seen) ?? toTwo(seen) ?? outOfTurn(seen) ?? lost(seen);
