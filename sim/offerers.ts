// Every node offers services, withdraws them and looks for them now and then, while whatever else happens to the cluster happens: nobody may
// find what its owner never said or what has ended long ago, everybody finds what he offers himself, and in the end all agree.
import type { NodeApi } from '../actors/api.ts';
import { type CatalogOptions, catalogDefaults, type Entry, type Offer } from '../machines/catalog/index.ts';
import type { SimulatedNode } from './node.ts';
import type { Chance, World } from './world.ts';

/** Offers end soon enough that a short run shows it. */
export const offerersCatalog: CatalogOptions = {
  ...catalogDefaults,
  ...{ ttlMs: 12_000, renewMs: 4_000, settleMs: 500, askMsMin: 500, askMsMax: 5_000, rememberMs: 60_000, sweepMs: 500 },
};

/** What was offered last holds no longer than that by itself. */
const restMsMax = 16_000;
const everyMs = 2_000;
const names = ['a', 'b'];
const versions = ['1.0.0', '1.1.0', '2.0.0'];
/** Clocks run differently by so much at most, … */
const driftMax = 0.1;
/** … and a word may wait for so long in a process that stands still, in queues, and at each that passes it on. */
const slackMs = 30_000;

const offerOf = (name: string, version: string, number: number): Offer => ({
  ...{ kind: 'service', name, version, resources: {}, capabilities: [], tags: [`${number}`] },
  methods: { run: { input: null, output: null, idempotent: true } },
});

const keyOf = ({ name, version }: Pick<Offer, 'name' | 'version'>): string => `${name}@${version}`;

/** One word of an owner; `endedMs`: it was withdrawn, replaced, or its process ended, no later than then. */
type Said = { readonly peer: string; readonly epoch: number; endedMs: number };

/** What one process offers, by name and version. */
type Life = { readonly number: number; readonly offers: Map<string, Said> };

export class Offerers {
  violation: string | null = null;
  /** In the end nobody offers anything new for so long: what is found then was renewed. */
  readonly restMs: number;
  readonly #world: World;
  readonly #chance: Chance;
  readonly #nodes: readonly SimulatedNode[];
  readonly #lives = new Map<SimulatedNode, Life>();
  /** By the number that each offer carries as its tag. */
  readonly #said: Said[] = [];
  #isStopped = true;

  readonly #onSaid: (peer: string, epoch: number) => void;

  /** `onSaid`: a process announced something. */
  constructor(world: World, nodes: readonly SimulatedNode[], onSaid: (peer: string, epoch: number) => void) {
    this.#onSaid = onSaid;
    this.#world = world;
    this.#chance = world.chance('offerers');
    this.#nodes = nodes;
    this.restMs = this.#chance.happens(0.3) ? restMsMax : 0;
  }

  start(): void {
    this.#isStopped = false;
    for (const node of this.#nodes) this.#wait(node);
  }

  stop(): void {
    this.#isStopped = true;
  }

  #wait(node: SimulatedNode): void {
    this.#world.after(this.#chance.between(1, 2 * everyMs), () => {
      if (this.#isStopped) return;
      const life = this.#lifeOf(node);
      const [name, version] = [this.#chance.pick(names), this.#chance.pick(versions)];
      const offers = this.#chance.happens(0.6);
      if (offers) this.#offer(node, life, name, version);
      else this.#withdraw(node, life, name, version);
      this.#look(node);
      this.#wait(node);
    });
  }

  /** What an earlier process offered has ended. */
  #lifeOf(node: SimulatedNode): Life {
    const known = this.#lives.get(node);
    if (known?.number === node.lives && node.isUp) return known;
    for (const said of known?.offers.values() ?? []) this.#end(said);
    const life: Life = { number: node.lives, offers: new Map() };
    this.#lives.set(node, life);
    return life;
  }

  #end(said: Said): void {
    said.endedMs = Math.min(said.endedMs, this.#world.nowMs);
  }

  #offer(node: SimulatedNode, life: Life, name: string, version: string): void {
    node.enter('offer', (api) => {
      const number = this.#said.length;
      const offer = offerOf(name, version, number);
      const said: Said = { peer: api.status().peerId, epoch: api.status().epoch, endedMs: Number.POSITIVE_INFINITY };
      this.#said.push(said);
      api.catalog.offer(offer, (outcome) => {
        const before = life.offers.get(keyOf(offer));
        if (outcome.ok && before !== undefined) this.#end(before);
        if (outcome.ok) life.offers.set(keyOf(offer), said);
        else this.#end(said);
        if (outcome.ok) this.#onSaid(said.peer, said.epoch);
      });
    });
  }

  #withdraw(node: SimulatedNode, life: Life, name: string, version: string): void {
    node.enter('withdraw', (api) =>
      api.catalog.withdraw({ kind: 'service', name, version }, (outcome) => {
        const said = life.offers.get(keyOf({ name, version }));
        if (!outcome.ok || said === undefined) return;
        this.#end(said);
        life.offers.delete(keyOf({ name, version }));
      }),
    );
  }

  // -------------------------------------------------------------- judging

  #look(node: SimulatedNode): void {
    node.enter('find', (api) => {
      const life = this.#lifeOf(node);
      for (const name of names) {
        const entries = found(api, name);
        for (const entry of entries) this.#judge(node, entry);
        const own = entries.filter(({ owner }) => owner === api.status().peerId).map(({ offer }) => keyOf(offer));
        const offered = [...life.offers.keys()].filter((key) => key.startsWith(`${name}@`));
        if (own.sort().join() !== offered.sort().join() && !isStopping(api))
          this.violation ??= `${node.name} finds ${own.join()} of itself and offers ${offered.join()}`;
      }
    });
  }

  #judge(node: SimulatedNode, { offer, owner, epoch }: Entry): void {
    const said = this.#said[Number(offer.tags[0])];
    const what = `${node.name} finds ${keyOf(offer)} of ${owner} in its life ${epoch}`;
    if (said === undefined || said.peer !== owner || said.epoch !== epoch)
      this.violation ??= `${what}, which its owner never said`;
    else if (this.#world.nowMs > said.endedMs + offerersCatalog.ttlMs * (1 + driftMax) + slackMs)
      this.violation ??= `${what}, which ended ${Math.round(this.#world.nowMs - said.endedMs)} ms ago`;
  }

  /** Who does not know just what all of them offer, or null. */
  whyNotAgreed(nodes: readonly SimulatedNode[]): string | null {
    const offered = new Set<string>();
    for (const node of nodes) for (const [key, { peer }] of this.#lifeOf(node).offers) offered.add(`${key} of ${peer}`);
    const wanted = [...offered].sort().join(', ');
    for (const { name, api } of nodes) {
      if (api === null) return `${name} is down`;
      const known = names.flatMap((one) => found(api, one).map(({ offer, owner }) => `${keyOf(offer)} of ${owner}`));
      const seen = known.sort().join(', ');
      if (seen !== wanted) return `${name} finds ${seen || 'nothing'} where ${wanted || 'nothing'} is offered`;
    }
    return null;
  }
}

/** It has said already that it offers nothing; its status says so a moment later. */
const isStopping = (api: NodeApi): boolean => {
  let code = '';
  api.catalog.withdraw({ kind: 'service', name: 'none', version: '0.0.0' }, (outcome) => {
    code = outcome.ok ? '' : outcome.failure.code;
  });
  return code === 'STOPPING';
};

const found = (api: NodeApi, name: string): readonly Entry[] => {
  const found = api.catalog.find({ name });
  return found.ok ? found.entries : [];
};
