// A stage for the catalog: offers, one node to talk to, and a small world of nodes that lose, delay, crash and are cut off.
import assert from 'node:assert/strict';
import {
  type CatalogEffect,
  type CatalogEvent,
  type CatalogState,
  catalogDefaults,
  createCatalog,
  formCatalogMessage,
  formWord,
  list,
  type Offer,
  type OfferId,
  parseCatalogMessage,
  parseWord,
  step,
  type Told,
  type Word,
} from '../../../machines/catalog/index.ts';
import { nextBetween, type RandomState, randomFrom } from '../../../machines/random.ts';

export const offerOf = (name: string, more: Partial<Offer> = {}): Offer => ({
  ...{ kind: 'service', name, version: '1.0.0', resources: {}, capabilities: [], tags: [] },
  methods: { run: { input: { type: 'object' }, output: null, idempotent: true } },
  ...more,
});

export const catalogOf = (self = 'self', seed = 1, epoch = 1): CatalogState =>
  createCatalog({ ...{ self, epoch, said: 0, options: catalogDefaults, seed, nowMs: 0, checkAll: true } });

export const of = <Type extends CatalogEffect['type']>(
  effects: readonly CatalogEffect[],
  type: Type,
): Extract<CatalogEffect, { type: Type }>[] =>
  effects.filter((effect): effect is Extract<CatalogEffect, { type: Type }> => effect.type === type);

/** Everything that is listed, as `owner name@version`. */
export const listed = (state: CatalogState, nowMs: number): string[] => {
  const all: string[] = [];
  let cursor: string | null = null;
  do {
    const page = list(state, nowMs, {}, { limit: 7, cursor });
    assert.ok(page.ok);
    all.push(...page.items.map(({ entry }) => `${entry.owner} ${entry.offer.name}@${entry.offer.version}`));
    cursor = page.cursor;
  } while (cursor !== null);
  return all.sort();
};

/** An owner that says words, without a catalog of its own machinery. */
export const speaker = (self: string, epoch = 1) => {
  const state = catalogOf(self, 1, epoch);
  const wordOf = (effects: readonly CatalogEffect[]): Word => {
    const [announced] = of(effects, 'announce');
    assert.ok(announced !== undefined, 'something is announced');
    return announced.word;
  };
  return {
    state,
    offer: (offer: Offer): Word => wordOf(step(state, 0, { type: 'offer', offer })),
    withdraw: (id: OfferId): Word => wordOf(step(state, 0, { type: 'withdraw', id })),
    told: (): Told => ({ sequence: state.said, count: state.own.count, hash: state.own.hash }),
    renew: (): Word => ({ type: 'renew', told: { sequence: state.said, count: state.own.count, hash: state.own.hash } }),
  };
};

export const heard = (source: string, word: Word, epoch = 1, leftMs = 120_000): CatalogEvent => ({
  ...{ type: 'heard', source, epoch, word, leftMs },
});

// ---------------------------------------------------------------- a world

type Node = { name: string; epoch: number; state: CatalogState; isUp: boolean; side: number };

export class World {
  nowMs = 0;
  /** Shares of announcements and of messages that are lost. */
  lostAnnouncements = 0;
  lostMessages = 0;
  sent = { announcements: 0, messages: 0, bytes: 0 };
  readonly nodes = new Map<string, Node>();
  readonly #random: RandomState;
  readonly #due: { atMs: number; order: number; run: () => void }[] = [];
  #order = 0;

  constructor(seed: number) {
    this.#random = randomFrom(seed);
  }

  chance(): number {
    return nextBetween(this.#random, 0, 1 << 20) / (1 << 20);
  }

  between(from: number, to: number): number {
    return nextBetween(this.#random, from, to);
  }

  start(name: string): void {
    const epoch = (this.nodes.get(name)?.epoch ?? 0) + 1;
    const seed = nextBetween(this.#random, 0, 0x7fff_ffff);
    const state = createCatalog({
      ...{ self: name, epoch, said: 0, options: catalogDefaults, seed, nowMs: this.nowMs, checkAll: true },
    });
    const node: Node = { name, epoch, state, isUp: true, side: this.nodes.get(name)?.side ?? 0 };
    this.nodes.set(name, node);
    for (const other of this.others(node)) this.#meet(node, other);
    this.#wakeAt(node);
  }

  stop(name: string): void {
    const node = this.nodes.get(name)!;
    node.isUp = false;
    for (const other of this.others(node)) this.tell(other, { type: 'lost', peer: name });
  }

  /** Cuts the nodes in two, or mends the cut. */
  cut(sideOf: (name: string) => number): void {
    for (const node of this.nodes.values()) {
      const side = sideOf(node.name);
      const before = new Set(this.others(node));
      node.side = side;
      const after = new Set(this.others(node));
      for (const other of before) {
        if (after.has(other)) continue;
        this.tell(node, { type: 'lost', peer: other.name });
        this.tell(other, { type: 'lost', peer: node.name });
      }
      for (const other of after) if (!before.has(other)) this.#meet(node, other);
    }
  }

  others(node: Node): Node[] {
    return [...this.nodes.values()].filter((other) => other !== node && other.isUp && other.side === node.side);
  }

  #meet(one: Node, other: Node): void {
    this.tell(one, { type: 'met', peer: other.name, epoch: other.epoch });
    this.tell(other, { type: 'met', peer: one.name, epoch: one.epoch });
  }

  tell(node: Node, event: CatalogEvent): void {
    if (!node.isUp || this.nodes.get(node.name) !== node) return;
    for (const effect of step(node.state, this.nowMs, event)) this.#fulfil(node, effect);
    this.#wakeAt(node);
  }

  #wakeAt(node: Node): void {
    const atMs = node.state.deadlineMs;
    if (atMs === Number.POSITIVE_INFINITY) return;
    this.#at(atMs, () => {
      if (node.state.deadlineMs <= this.nowMs) this.tell(node, { type: 'wake' });
    });
  }

  #fulfil(node: Node, effect: CatalogEffect): void {
    if (effect.type === 'announce') {
      const bytes = formWord(effect.word);
      this.sent.announcements++;
      this.sent.bytes += bytes.byteLength;
      const saidMs = this.nowMs;
      for (const other of this.others(node)) {
        if (this.chance() < this.lostAnnouncements) continue;
        this.#at(this.nowMs + this.between(1, this.chance() < 0.1 ? 2_000 : 20), () => {
          const parsed = parseWord(bytes);
          assert.ok(parsed.ok);
          const leftMs = effect.ttlMs - (this.nowMs - saidMs);
          this.tell(other, { type: 'heard', source: node.name, epoch: node.epoch, word: parsed.word, leftMs });
        });
      }
    }
    if (effect.type === 'send') {
      const given = formCatalogMessage(effect.message);
      const text = JSON.stringify(given);
      this.sent.messages++;
      this.sent.bytes += text.length;
      const other = this.nodes.get(effect.to);
      if (other === undefined || !this.others(node).includes(other) || this.chance() < this.lostMessages) return;
      this.#at(this.nowMs + this.between(1, 20), () => {
        const parsed = parseCatalogMessage(JSON.parse(text));
        assert.ok(parsed.ok);
        if (this.others(node).includes(other)) this.tell(other, { type: 'message', from: node.name, message: parsed.message });
      });
    }
  }

  #at(atMs: number, run: () => void): void {
    const one = { atMs, order: this.#order++, run };
    let [low, high] = [0, this.#due.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#due[middle]!;
      if (other.atMs < atMs || (other.atMs === atMs && other.order < one.order)) low = middle + 1;
      else high = middle;
    }
    this.#due.splice(low, 0, one);
  }

  run(forMs: number): void {
    const endMs = this.nowMs + forMs;
    while (this.#due.length > 0 && this.#due[0]!.atMs <= endMs) {
      const { atMs, run } = this.#due.shift()!;
      this.nowMs = Math.max(this.nowMs, atMs);
      run();
    }
    this.nowMs = endMs;
  }

  /** What all who are up offer, by their own word. */
  truth(side = 0): string[] {
    const all: string[] = [];
    for (const { state, isUp, side: at, name } of this.nodes.values())
      if (isUp && at === side)
        for (const { entry } of state.own.kept.values())
          if (entry !== null) all.push(`${name} ${entry.offer.name}@${entry.offer.version}`);
    return all.sort();
  }
}
