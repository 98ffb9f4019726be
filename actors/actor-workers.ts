// What an actor with a log does to the world: its actions, its messages to others, and its promises, callbacks and observables while they are
// under way. Each under the id of its effect, which is the same when it is done once more after a crash.
import type { EventObject } from 'xstate';
import type { ActorAddress } from '../machines/entity/address.ts';
import type { Trail } from './actor-api.ts';
import type { ActorBody, BodyAnswer, BodyEffect, BodyPath } from './actor-body-api.ts';
import { executing } from './actor-execution.ts';

type Begun = NonNullable<ReturnType<ActorBody['invoke']>>;

export type WorkersArguments = {
  address: ActorAddress;
  id: string;
  /** What ids of effects begin with: no other life of an actor of that name has had it. */
  life: () => string;
  send: (to: ActorAddress, event: EventObject, trail: Trail, effectId: string) => void;
  /** By the actor itself, and its entry is on the disk. */
  emitted: (event: EventObject) => void;
  /** What an invocation says. */
  answered: (path: BodyPath, invocation: string, answer: BodyAnswer) => void;
  /** What is thrown by what ends. */
  threw: (error: unknown) => void;
};

export class Workers {
  readonly #args: WorkersArguments;
  readonly #begun = new Map<BodyPath, { readonly invocation: string; readonly work: Begun }>();

  constructor(args: WorkersArguments) {
    this.#args = args;
  }

  get size(): number {
    return this.#begun.size;
  }

  /** Throws what an action throws. */
  perform(body: ActorBody, number: number, effects: readonly BodyEffect[], trail: Trail): void {
    for (const [at, effect] of effects.entries())
      this.#run(`${number}.${at}`, trail, () => this.#one(body, `${number}.${at}`, effect, trail));
  }

  /** Those that were under way when the actor was left. */
  resume(body: ActorBody, invocations: ReadonlyMap<BodyPath, string>): void {
    for (const invoked of body.invoked()) {
      const invocation = invocations.get(invoked.path) ?? '';
      if (this.#begun.has(invoked.path)) continue;
      this.#run(invocation, nobody, () => this.#begin(body, invocation, { kind: 'invoke', ...invoked }));
    }
  }

  stop(): void {
    const ending = [...this.#begun.values()];
    this.#begun.clear();
    for (const { work } of ending) this.#end(work);
  }

  #run(effect: string, { correlation }: Trail, run: () => void): void {
    const { address, life } = this.#args;
    const known = correlation === '' ? {} : { correlation };
    executing({ address, token: null, effectId: `${life()}.${effect}`, ...known }, run);
  }

  #one(body: ActorBody, place: string, effect: BodyEffect, trail: Trail): void {
    const { id, life, send } = this.#args;
    switch (effect.kind) {
      case 'action':
        body.run(effect);
        return;
      case 'send':
        return send(effect.to, effect.event, { source: id, correlation: trail.correlation }, `${life()}.${place}`);
      case 'invoke':
        return this.#begin(body, place, effect);
      case 'uninvoke': {
        const begun = this.#begun.get(effect.path);
        this.#begun.delete(effect.path);
        if (begun !== undefined) this.#end(begun.work);
        return;
      }
      case 'tell':
        return this.#begun.get(effect.path)?.work.tell(effect.event);
      case 'emit':
        // What a child emits is heard inside alone.
        return effect.path === '' ? this.#args.emitted(effect.event) : undefined;
    }
  }

  #begin(body: ActorBody, invocation: string, effect: Extract<BodyEffect, { kind: 'invoke' }>): void {
    const { path } = effect;
    let isFirst = true;
    const work = body.invoke(effect, (answer) => {
      const isMine = isFirst || this.#begun.get(path)?.work === work;
      if (isMine) this.#args.answered(path, invocation, answer);
    });
    isFirst = false;
    if (work !== null) this.#begun.set(path, { invocation, work });
  }

  #end(work: Begun): void {
    try {
      work.stop();
    } catch (error) {
      this.#args.threw(error);
    }
  }
}

const nobody: Trail = { source: '', correlation: '' };
