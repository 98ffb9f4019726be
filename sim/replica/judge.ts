// The judge of one replicated object: what every change put there and took away is known, so whatever a node shows says which changes it
// has and which it has lost. Promises: nothing from nowhere; what was acknowledged is on its own node's disk at any time, and
// everywhere in the end; what was taken away by whoever saw it does not come back; what a process has seen go stays gone; elements
// of a sequence stand in one order for all (the strong list specification of Attiya et al. 2016).
import { isShared, type Kind, placeOf, type Token, type View } from './kind.ts';
import { Order } from './order.ts';

/** `unknown`: it may have happened, or need not last. */
export type Outcome = 'open' | 'acknowledged' | 'unknown' | 'not done';

export type Made = {
  readonly number: number;
  readonly atMs: number;
  readonly node: string;
  /** Whose disk it was written to. */
  readonly keeper: string;
  /** The run of the replicator that made it. */
  readonly incarnation: string;
  readonly adds: readonly Token[];
  readonly takes: readonly Token[];
  readonly after: View;
  outcome: Outcome;
  answeredMs: number;
};

export type Reading = Pick<Made, 'node' | 'keeper' | 'incarnation'> & { readonly view: View };

type Known = { readonly made: Made; readonly takers: Made[] };
type Sight = { readonly seen: Set<Token>; readonly gone: Set<Token> };

/** Its disk was damaged or lost after it was answered, and with it what nobody else may have had. */
export type IsExcused = (made: Made) => boolean;

const told = ({ node, atMs, number, outcome }: Made): string =>
  `change ${number} at ${node}, ${Math.round(atMs)} ms, ${outcome}`;

export class ObjectJudge {
  readonly kind: Kind;
  readonly key: string;
  /** Type and key. */
  readonly name: string;
  readonly changes: Made[] = [];
  readonly #isExcused: IsExcused;
  readonly #tokens = new Map<Token, Known>();
  readonly #sights = new Map<string, Sight>();
  readonly #order: Order | null;

  constructor(kind: Kind, key: string, isExcused: IsExcused) {
    this.kind = kind;
    this.key = key;
    this.name = `${kind.type}/${key}`;
    this.#isExcused = isExcused;
    this.#order = kind.isOrdered ? new Order() : null;
  }

  /** Before anybody can see it. */
  made(made: Made): void {
    this.changes.push(made);
    for (const token of made.adds) if (!isShared(token)) this.#tokens.set(token, { made, takers: [] });
    for (const token of made.takes) this.#tokens.get(token)?.takers.push(made);
  }

  /** What is wrong with what a node shows at any time, or null. */
  whyNot(reading: Reading): string | null {
    this.#order?.see(reading.view);
    return this.#whyNotThere(reading) ?? this.#whyNotKept(reading) ?? this.#whyBack(reading);
  }

  #whyNotThere({ node, view }: Reading): string | null {
    if (new Set(view).size < view.length) return `${this.name}: ${node} shows something twice: ${view.join(' ')}`;
    for (const token of view) {
      if (isShared(token)) continue;
      const known = this.#tokens.get(token);
      if (known === undefined) return `${this.name}: ${node} shows ${token}, which nobody put there`;
      if (known.made.outcome === 'not done') return `${this.name}: ${node} shows ${token} of ${told(known.made)}`;
    }
    return null;
  }

  #isSure(made: Made): boolean {
    return made.outcome === 'acknowledged' && !this.#isExcused(made);
  }

  /** A node never lacks what is on its own disk, nor a process what it was told itself. */
  #whyNotKept({ node, keeper, incarnation, view }: Reading): string | null {
    const visible = new Set(view);
    for (const [token, { made, takers }] of this.#tokens) {
      const isOwn =
        made.incarnation === incarnation ? made.outcome !== 'not done' : made.keeper === keeper && this.#isSure(made);
      const isMissing = this.kind.rule === 'kept' && isOwn && !visible.has(token);
      if (isMissing && takers.every(({ outcome }) => outcome === 'not done'))
        return `${this.name}: ${node} has lost ${token} of ${told(made)}`;
      const taker = visible.has(token) ? takers.find((one) => one.keeper === keeper && this.#isSure(one)) : undefined;
      if (taker !== undefined) return `${this.name}: ${node} shows ${token} again, which went with ${told(taker)}`;
    }
    return null;
  }

  /** One incarnation only learns. */
  #whyBack({ node, incarnation, view }: Reading): string | null {
    const sight = this.#sights.get(incarnation) ?? { seen: new Set(), gone: new Set() };
    this.#sights.set(incarnation, sight);
    const visible = new Set(view);
    const back = view.find((token) => sight.gone.has(token));
    if (back !== undefined) return `${this.name}: ${node} shows ${back} again, which it had seen go`;
    for (const token of sight.seen)
      if (!visible.has(token)) {
        sight.seen.delete(token);
        sight.gone.add(token);
      }
    for (const token of view) if (!isShared(token)) sight.seen.add(token);
    return null;
  }

  /** What is wrong with what all of them show when all is quiet, or null. */
  whyNotInTheEnd(view: View): string | null {
    const visible = new Set(view);
    for (const [token, { made, takers }] of this.#tokens) {
      const taker = visible.has(token) ? takers.find((one) => this.#isSure(one)) : undefined;
      if (taker !== undefined) return `${this.name}: all show ${token} again, which went with ${told(taker)}`;
      if (visible.has(token) || !this.#isSure(made) || takers.some(({ outcome }) => outcome !== 'not done')) continue;
      if (this.kind.rule === 'kept' || !this.#mayHaveLost(token, made, view))
        return `${this.name}: all have lost ${token} of ${told(made)}`;
    }
    return this.#whyNotSwitched(view) ?? this.#order?.whyNotOne(this.name) ?? null;
  }

  /** A last writer's value may lose to one that knew nothing of it. */
  #mayHaveLost(token: Token, made: Made, view: View): boolean {
    const place = placeOf(token);
    const winner = view.find((one) => placeOf(one) === place);
    if (winner !== undefined) return !this.#overwrites(made, winner);
    return this.changes.some((other) => {
      const isRemoval =
        other.outcome !== 'not done' && other.adds.length === 0 && other.takes.some((one) => placeOf(one) === place);
      return isRemoval && (other.keeper !== made.keeper || other.number > made.number || this.#isExcused(other));
    });
  }

  /** It knew of the other, by the chain of what each took away. */
  #overwrites(made: Made, token: Token): boolean {
    for (let next = made.takes.filter((one) => placeOf(one) === placeOf(token)); next.length > 0; ) {
      if (next.includes(token)) return true;
      next = next.flatMap((one) => this.#tokens.get(one)?.made.takes ?? []).filter((one) => placeOf(one) === placeOf(token));
    }
    return false;
  }

  /** A flag: the side that wins must show if nobody overruled it later, and must not if whoever chose it was surely overruled. */
  #whyNotSwitched(view: View): string | null {
    const { rule } = this.kind;
    if (rule !== 'on' && rule !== 'off') return null;
    const isOn = view.length > 0;
    const isWinning = (made: Made): boolean => made.after.length > 0 === (rule === 'on');
    const winners = this.changes.filter((made) => made.outcome !== 'not done' && isWinning(made));
    const others = this.changes.filter((made) => made.outcome !== 'not done' && !isWinning(made));
    const wins = isOn === (rule === 'on');
    const stays = winners.find((made) => this.#isSure(made) && others.every(({ number }) => number < made.number));
    if (stays !== undefined && !wins)
      return `${this.name}: all show ${isOn ? 'on' : 'off'}, and nobody overruled ${told(stays)}`;
    const isOverruled = (made: Made): boolean =>
      others.some(
        (other) =>
          this.#isSure(other) &&
          other.keeper === made.keeper &&
          other.number > made.number &&
          (other.incarnation === made.incarnation || this.#isSure(made)),
      );
    // A flag that nobody has enabled is off, whoever wins.
    const mustNotWin = winners.every(isOverruled) && (rule === 'on' || others.some((made) => this.#isSure(made)));
    if (wins && mustNotWin) return `${this.name}: all show ${isOn ? 'on' : 'off'}, and every change to that was overruled`;
    return null;
  }
}
