// What a run of a mesh says of its nodes in numbers: how soon a crash was noticed and known, how often somebody was doubted, what
// was done to them.
import type { Change } from '../../machines/membership/index.ts';
import type { Mesh } from './mesh.ts';
import type { MeshNode } from './node.ts';

/** Milliseconds; null where there is nothing to measure. */
export type Spread = { median: number; worst: number } | null;

export const spreadOf = (values: readonly number[]): Spread => {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  return { median: Math.round(sorted[sorted.length >> 1]!), worst: Math.round(sorted.at(-1)!) };
};

/** One crash, until its victim is back. */
type Crash = { life: number; atMs: number; noticedMs: number | null; knownMs: number | null };

export class Figures {
  /** Own probes that were not answered, of members alive or not. */
  suspicions = 0;
  readonly #mesh: Mesh;
  readonly #open = new Map<MeshNode, Crash>();
  readonly #crashes: Crash[] = [];

  constructor(mesh: Mesh) {
    this.#mesh = mesh;
  }

  crashed(node: MeshNode): void {
    const crash: Crash = { life: node.life, atMs: this.#mesh.nowMs, noticedMs: null, knownMs: null };
    this.#open.set(node, crash);
    this.#crashes.push(crash);
  }

  /** It is back before everybody knew that it was gone, or after. */
  started(node: MeshNode): void {
    this.#open.delete(node);
  }

  changed({ peer, after, why }: Change): void {
    if (after === 'suspect' && why === 'unanswered') this.suspicions++;
    if (after !== 'failed') return;
    const about = this.#mesh.nodeOf(peer);
    const crash = this.#open.get(about);
    if (crash === undefined || about.life !== crash.life) return;
    const afterMs = this.#mesh.nowMs - crash.atMs;
    crash.noticedMs ??= afterMs;
    if (crash.knownMs === null && this.#isKnown(about)) crash.knownMs = afterMs;
  }

  /** Nobody who is up holds it for alive. */
  #isKnown(victim: MeshNode): boolean {
    return this.#mesh.nodes.every(({ state }) => (state?.table.members.get(victim.peer)?.at ?? -1) < 0);
  }

  get crashes(): number {
    return this.#crashes.length;
  }

  /** Of the crashes that lasted until somebody noticed them. */
  get noticedMs(): Spread {
    return spreadOf(this.#crashes.flatMap(({ noticedMs }) => noticedMs ?? []));
  }

  /** Of those that lasted until everybody knew of them, on every side of every partition. */
  get knownMs(): Spread {
    return spreadOf(this.#crashes.flatMap(({ knownMs }) => knownMs ?? []));
  }
}
