// The real catalog of a node, without a network: what others offer is said by a test.
import type { Announced } from '../../../actors/api.ts';
import { type CatalogActorEvent, catalogTopic, createCatalogActor } from '../../../actors/catalog.ts';
import { createCatalogDoor } from '../../../actors/catalog-door.ts';
import { createRouter } from '../../../actors/router.ts';
import type { CatalogApi } from '../../../actors/service-api.ts';
import type { Cell, Component } from '../../../actors/supervise.ts';
import { catalogDefaults, createCatalog, formWord, type Offer, type OfferId, step } from '../../../machines/catalog/index.ts';
import { createHandClock } from '../../actors/hand-clock.ts';
import { createHandNetwork } from '../../actors/hand-network.ts';
import { createHandScope } from '../../actors/hand-scope.ts';

/** Somebody else who offers. */
const createOwner = (peer: string) =>
  createCatalog({ ...{ self: peer, epoch: 1, said: 0, options: catalogDefaults, seed: 1, nowMs: 0, checkAll: false } });

export class FakeCatalog {
  readonly api: CatalogApi;
  readonly clock = createHandClock();
  #hear: (announced: Announced) => void = () => {};
  #isStopping = false;
  readonly #owners = new Map<string, ReturnType<typeof createOwner>>();
  readonly #leave: () => void;

  constructor(self: string) {
    const { clock } = this;
    const sink = { log: () => {}, count: () => {} };
    const network = createHandNetwork().port(self);
    const random = { uint32: () => 7, bytes: (length: number) => new Uint8Array(length) };
    let component: Component<CatalogActorEvent> | null = null;
    const cell: Cell<CatalogActorEvent> = {
      address: 'catalog',
      send: (event) => component?.receive(event),
      report: () => ({ address: 'catalog', state: 'running', restarts: 0, reason: null }),
      load: () => ({ handled: 0, waiting: 0 }),
      tap: () => () => {},
      stop() {},
    };
    const door = createCatalogDoor({
      ...{ name: 'n1', clock, sink, isStopping: () => this.#isStopping, cell: () => cell },
      publish: (_topic, _body, _options, done) => done({ ok: true, value: { sequence: 1 } }),
      listen: (_topic, on) => {
        this.#hear = on;
        return () => {};
      },
    });
    component = createCatalogActor(createHandScope(clock), {
      ...{ options: catalogDefaults, checkAll: false, epoch: 1, connected: [] },
      ports: { clock, sink, random, network } as never,
      router: createRouter({ network: network as never, clock, sink }),
      ...door.memory(),
    });
    this.api = door.api;
    this.#leave = door.leave;
  }

  #step(peer: string, event: Parameters<typeof step>[2]): void {
    const owner = this.#owners.get(peer) ?? createOwner(peer);
    this.#owners.set(peer, owner);
    for (const effect of step(owner, this.clock.nowMs(), event))
      if (effect.type === 'announce')
        this.#hear({
          ...{ source: peer, epoch: 1, sequence: owner.said, topic: catalogTopic, body: formWord(effect.word) },
          ...{ leftMs: effect.ttlMs, late: false },
        });
  }

  offered(peer: string, offer: Offer): void {
    this.#step(peer, { type: 'offer', offer });
  }

  withdrawn(peer: string, id: OfferId): void {
    this.#step(peer, { type: 'withdraw', id });
  }

  stop(): void {
    this.#leave();
    this.#isStopping = true;
  }
}
