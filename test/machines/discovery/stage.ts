// One node's discovery with a clock in hand: what it wants done is collected, and time passes as its own deadlines say.
import {
  createDiscovery,
  type DiscoveryEffect,
  type DiscoveryEvent,
  type DiscoveryOptions,
  type DiscoveryState,
  type DiscoveryView,
  discoveryDefaults,
  discoveryView,
  type Finding,
  type RememberedPlace,
  step,
} from '../../../machines/discovery/index.ts';

export const finding = (peer: string | null, given: Partial<Finding> = {}): Finding => ({
  ...{ peer, name: peer, addresses: [`/dns/${peer ?? 'somebody'}/tcp/7400`], priority: 0, weight: 0, healthy: true },
  ...{ ttlMs: 30_000, ...given },
});

type EffectOf<Type extends DiscoveryEffect['type']> = Extract<DiscoveryEffect, { type: Type }>;

export class Stage {
  nowMs = 0;
  readonly state: DiscoveryState;
  readonly effects: DiscoveryEffect[] = [];

  constructor(
    sources: string[],
    given: { options?: Partial<DiscoveryOptions>; remembered?: RememberedPlace[]; seed?: number } = {},
  ) {
    const { options = {}, remembered = [], seed = 1 } = given;
    this.state = createDiscovery({
      ...{ self: 'me', options: { ...discoveryDefaults, ...options }, sources, remembered, seed, nowMs: 0 },
    });
    this.send({ type: 'wake' });
  }

  send(event: DiscoveryEvent): void {
    this.effects.push(...step(this.state, this.nowMs, event));
  }

  answered(source: string, findings: Finding[], emptyTtlMs = 5_000): void {
    this.send({ type: 'answered', source, findings, emptyTtlMs });
  }

  failed(source: string, code = 'SOURCE_UNREACHABLE'): void {
    this.send({ type: 'failed', source, code, message: 'no route' });
  }

  met(peer: string): void {
    this.send({ type: 'met', peer, name: peer, addresses: [`/dns/${peer}/tcp/7400`] });
  }

  /** Wakes it whenever it wants to be, until so much time has passed. */
  pass(ms: number): void {
    const endMs = this.nowMs + ms;
    for (let wakes = 0; this.state.deadlineMs <= endMs; wakes++) {
      if (wakes > 100_000) throw new Error('it never sleeps');
      this.nowMs = Math.max(this.nowMs, this.state.deadlineMs);
      this.send({ type: 'wake' });
    }
    this.nowMs = endMs;
  }

  /** Effects of this type since the last time, which are forgotten. */
  take<Type extends DiscoveryEffect['type']>(type: Type): EffectOf<Type>[] {
    const taken = this.effects.filter((effect): effect is EffectOf<Type> => effect.type === type);
    for (const effect of taken) this.effects.splice(this.effects.indexOf(effect), 1);
    return taken;
  }

  get view(): DiscoveryView {
    return discoveryView(this.state, this.nowMs);
  }

  /** `peer:state` of each place. */
  get places(): string[] {
    return this.view.peers.map(({ peer, state }) => `${peer}:${state}`);
  }
}
