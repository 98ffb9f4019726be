// The order of a sequence as all who read it have seen it: there must be one order of all elements, also of those that are gone, of which
// every reading is a part.
import type { Token, View } from './kind.ts';

export class Order {
  readonly #followers = new Map<Token, Set<Token>>();

  see(view: View): void {
    for (const [at, token] of view.entries()) {
      const followers = this.#followers.get(token) ?? new Set();
      this.#followers.set(token, followers);
      if (at + 1 < view.length) followers.add(view[at + 1]!);
    }
  }

  /** Takes away, again and again, what nothing precedes (Kahn 1962): what is left then stands in a ring. */
  whyNotOne(name: string): string | null {
    const before = new Map<Token, number>();
    for (const followers of this.#followers.values())
      for (const token of followers) before.set(token, (before.get(token) ?? 0) + 1);
    const free = [...this.#followers.keys()].filter((token) => !before.has(token));
    for (let token = free.pop(); token !== undefined; token = free.pop())
      for (const follower of this.#followers.get(token) ?? []) {
        const left = before.get(follower)! - 1;
        if (left > 0) before.set(follower, left);
        else {
          before.delete(follower);
          free.push(follower);
        }
      }
    if (before.size === 0) return null;
    return `${name}: not all have read one order of ${[...before.keys()].slice(0, 10).join(' ')}`;
  }
}
