// No two copies of one actor with valid tokens, at one moment of virtual time: asked of all nodes whenever an actor does something, and now
// and then. And tokens rise: what a deposed one does carries an older one, so that a resource that compares them refuses it.
import type { FencingToken } from '../../machines/register/types.ts';
import type { SimulatedNode } from '../node.ts';

const isOlder = (a: FencingToken, b: FencingToken): boolean => a.term < b.term || (a.term === b.term && a.index < b.index);
const shown = ({ term, index }: FencingToken): string => `(${term}, ${index})`;

export class Fences {
  readonly #nodes: readonly SimulatedNode[];
  readonly #blame: (rule: string, what: string) => void;
  /** By group: the latest that anybody worked under. */
  readonly #latest = new Map<string, { token: FencingToken; life: string }>();

  constructor(nodes: readonly SimulatedNode[], blame: (rule: string, what: string) => void) {
    this.#nodes = nodes;
    this.#blame = blame;
  }

  /** An actor of this group works under this token, now. */
  worked(group: string, token: FencingToken, life: string, what: string): void {
    const holders = this.look(group);
    if (!holders.some((holder) => holder.life === life && shown(holder.token) === shown(token)))
      this.#blame('who works holds its token', `${what} at ${life} under ${shown(token)} of ${group}`);
    const latest = this.#latest.get(group);
    if (latest !== undefined && isOlder(token, latest.token))
      this.#blame(
        'tokens rise',
        `${what} at ${life} under ${shown(token)} of ${group}, after ${shown(latest.token)} of ${latest.life}`,
      );
    if (latest !== undefined && latest.life !== life && shown(latest.token) === shown(token))
      this.#blame('a token is of one', `${shown(token)} of ${group}: ${latest.life} and ${life}`);
    this.#latest.set(group, { token, life });
  }

  /** Who holds a token of this group; more than one is too many. */
  look(group: string): readonly { life: string; token: FencingToken }[] {
    const holders: { life: string; token: FencingToken }[] = [];
    for (const { api, process } of this.#nodes) {
      const token = api?.shards.leadership(group).token ?? null;
      if (token !== null) holders.push({ life: process!.label, token });
    }
    const [one, other] = holders;
    if (one !== undefined && other !== undefined)
      this.#blame(
        'one token holds at a time',
        `${one.life} holds ${shown(one.token)} and ${other.life} ${shown(other.token)} of ${group}`,
      );
    return holders;
  }
}
