// What a node does with definitions: hosts them, makes references, and brings actors to life that nobody has a name for.
import { type ActorDefinition, type ActorsApi, actorLimits, onlyKey } from '../../actors/actor-api.ts';
import type { RandomPort } from '../../actors/ports/index.ts';
import { type ActorAddress, isActorAddress, isActorKey } from '../../machines/entity/address.ts';
import { failure, PolityError } from '../../machines/errors.ts';
import { demandActor } from './define.ts';
import { Ref, type RefPort } from './ref.ts';
import { SpawnedInputs } from './spawned.ts';
import type { AnyDefinedActor, TypesOf } from './types.ts';
import { optionsOf } from './waiting.ts';

export type RefOptions = {
  /** Name of the node where it lives; for placements 'node' and 'each', default this node. */
  node?: string;
};

export type SpawnOptions<Actor> = {
  /** What this one is started with, instead of what its definition's `input` says. Held in memory as long as it lives. */
  input?: TypesOf<Actor>['input'];
  /** Made up when absent. */
  key?: string;
};

const invalid = (why: string): PolityError => new PolityError(failure('INVALID_REQUEST', why));

const keyShown = (key: unknown): string => {
  if (typeof key !== 'string') return key === undefined || key === null ? String(key) : `a ${typeof key}`;
  return key.length > 64 ? `one of ${key.length} characters` : JSON.stringify(key);
};

const keyOf = ({ name, placement }: ActorDefinition, key: string | undefined): string => {
  if (placement === 'each' || placement === 'singleton') {
    if (key === undefined || key === onlyKey) return onlyKey;
    throw invalid(`${name} is placed '${placement}': there are no keys`);
  }
  if (isActorKey(key)) return key;
  throw invalid(`a key of ${name} is a text of 1 to 256 characters without control characters, not ${keyShown(key)}`);
};

/** Where it is by its definition. Throws INVALID_REQUEST. */
export const addressOf = (
  definition: ActorDefinition,
  key: string | undefined,
  options: RefOptions,
  self: string,
): ActorAddress => {
  const { node } = optionsOf(options, ['node']);
  const { name, placement } = definition;
  const isPlaced = placement === 'sharded' || placement === 'singleton';
  if (isPlaced && node !== undefined) throw invalid(`${name} is placed by the cluster: it has no node`);
  const address = { type: name, key: keyOf(definition, key), node: isPlaced ? null : (node ?? self) };
  if (isActorAddress(address)) return address;
  throw invalid(`'${String(node).slice(0, 64)}' is no name of a node`);
};

export type HostingPorts = { readonly port: RefPort; readonly self: string; readonly random: RandomPort };

export class ActorHosting {
  readonly #ports: HostingPorts;
  /** As hosted here: each has inputs of its own for those that were spawned. */
  readonly #hosted = new Map<AnyDefinedActor, SpawnedInputs>();

  constructor(ports: HostingPorts) {
    this.#ports = ports;
  }

  get #actors(): ActorsApi {
    return this.#ports.port.actors;
  }

  /** Throws INVALID_REQUEST: it is no definition, or another one of its name is hosted here. */
  host(actor: AnyDefinedActor): void {
    const defined = demandActor(actor);
    if (this.#hosted.has(actor)) return;
    const inputs = new SpawnedInputs(defined);
    const why = this.#actors.host(Object.freeze({ ...defined, input: (key: string) => inputs.of(key) }));
    if (why !== null) throw new PolityError(why);
    this.#hosted.set(actor, inputs);
  }

  ref<Actor extends AnyDefinedActor>(actor: Actor, key: string | undefined, options: RefOptions): Ref<Actor> {
    const definition = demandActor(actor);
    return new Ref<Actor>(this.#ports.port, addressOf(definition, key, options, this.#ports.self), definition);
  }

  spawn<Actor extends AnyDefinedActor>(actor: Actor, options: SpawnOptions<Actor>): Ref<Actor> {
    const { input, key } = optionsOf(options, ['input', 'key']);
    const { name, placement } = demandActor(actor);
    if (placement !== 'node') throw invalid(`${name} is placed '${placement}': only those placed 'node' are spawned`);
    this.host(actor);
    const ref = this.ref(actor, key ?? Buffer.from(this.#ports.random.bytes(12)).toString('hex'), {});
    const inputs = this.#hosted.get(actor)!;
    if (input !== undefined) {
      if (inputs.has(ref.address.key) || this.#actors.find(ref.address) !== null)
        throw invalid(`${ref} lives already: what it was started with stays`);
      inputs.keep(ref.address, input, this.#actors);
    }
    this.#begin(ref, (lives) => inputs.begun(ref.address.key, lives));
    return ref;
  }

  /** It begins when somebody looks at it. */
  #begin(ref: Ref, begun: (lives: boolean) => void): void {
    let isBegun = false;
    let leave = (): void => {};
    const told = (lives: boolean): void => {
      if (isBegun) return;
      isBegun = true;
      begun(lives);
      leave();
    };
    leave = this.#actors.subscribe(
      ref.address,
      'status',
      () => told(true),
      () => told(false),
    );
    if (isBegun) leave();
  }
}

/** Those that one node can host together, each once; looked at before there is a node that would have to be stopped again. */
export const hostable = (actors: readonly AnyDefinedActor[]): AnyDefinedActor[] => {
  const all = [...new Set(actors)];
  const names = new Set<string>();
  for (const actor of all) {
    const { name } = demandActor(actor);
    if (names.has(name)) throw invalid(`two actors are called '${name}': a node hosts one of a name`);
    names.add(name);
  }
  if (all.length > actorLimits.typesMax) throw invalid(`a node hosts at most ${actorLimits.typesMax} types of actors`);
  return all;
};
