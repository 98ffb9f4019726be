// A client who comes at the worst moment: as soon as something is committed in a later term, whoever still believes that it leads an
// earlier one is asked for a read, and again as long as it believes so. Its lease must be over (dissertation §6.4.1), and what it
// confirms is judged like every read (checkers/raft.ts). Clients of the workload seldom come within those few milliseconds.
import type { Observation } from '../actors/observe.ts';
import type { SimulatedNode } from './node.ts';
import type { World } from './world.ts';

/** After the first commit of the later term: answers that come late must not make a lease last longer. */
const askedAfterMs = [0, 20, 50, 90] as const;
const timeoutMs = 500;

type GroupSeen = {
  /** By node: the term that it leads, as far as it knows. */
  leading: Map<string, number>;
  /** The latest in which something was applied. */
  term: number;
};

export class LateReader {
  readonly #world: World;
  readonly #nodes: readonly SimulatedNode[];
  readonly #groups = new Map<string, GroupSeen>();

  constructor(world: World, nodes: readonly SimulatedNode[]) {
    this.#world = world;
    this.#nodes = nodes;
  }

  observed(node: string, observation: Observation): void {
    const { type, group } = observation;
    if (type !== 'role' && type !== 'restored' && type !== 'applied') return;
    let seen = this.#groups.get(group);
    if (seen === undefined) this.#groups.set(group, (seen = { leading: new Map(), term: 0 }));
    if (type === 'restored') seen.leading.delete(node);
    else if (type === 'role') {
      if (observation.role === 'leader') seen.leading.set(node, observation.term);
      else seen.leading.delete(node);
    } else this.#onApplied(group, seen, observation.entries.at(-1)?.term ?? 0);
  }

  #onApplied(group: string, seen: GroupSeen, term: number): void {
    if (term <= seen.term) return;
    seen.term = term;
    for (const [name, led] of seen.leading) {
      if (led >= term) continue;
      const node = this.#nodes.find((one) => one.name === name)!;
      for (const afterMs of askedAfterMs)
        this.#world.after(afterMs, () => {
          if (seen.leading.get(name) === led) this.#ask(node, group);
        });
    }
  }

  #ask(node: SimulatedNode, group: string): void {
    node.enter('late read', (api) =>
      api.read({ op: 'get', key: 'late' }, { group, consistency: 'lease', timeoutMs }, () => {}),
    );
  }
}
