// Forms or joins the cluster: drives machines/genesis with the router's messages and the writer, and tells the node which
// replicas to host (decision 10).
import {
  createGenesis,
  deadlineMs,
  type Genesis,
  type GenesisEffect,
  type GenesisNode,
  step,
} from '../machines/genesis/index.ts';
import { parseGenesisMessage } from '../machines/genesis/messages.ts';
import { genesisOperation, readGenesis } from './identity.ts';
import type { PeerId, Ports, StorageOperation, Timer } from './ports/index.ts';
import type { Delivery, Router } from './router.ts';
import type { Component, Scope } from './supervise.ts';
import type { Writer } from './writer.ts';

export const genesisAddress = 'genesis';

export type GenesisActorEvent =
  | { type: 'peer-open' | 'peer-close'; peer: PeerId }
  | { type: 'delivery'; delivery: Delivery }
  /** This node was added to a group meanwhile: its name is its own again. */
  | { type: 'hosted' };

export type GenesisArguments = {
  cluster: string;
  self: GenesisNode;
  bootstrap: string[];
  groups: string[];
  genesis: Genesis | null;
  newClusterId: string;
  /** Connected when this incarnation begins; an earlier one was told of them. */
  connected: readonly PeerId[];
  ports: Ports;
  router: Router;
  writer: Writer;
  /** Name → peer of every member of the groups this node hosts. */
  taken: () => Record<string, PeerId>;
  /** Operations that make the groups of the genesis exist on this node's disk, in the same batch as the genesis itself. */
  formOperations: (genesis: Genesis) => StorageOperation[];
  onFormed: (genesis: Genesis) => void;
  onIdentityLost: (lost: boolean) => void;
};

export const createGenesisActor = (scope: Scope, args: GenesisArguments): Component<GenesisActorEvent> => {
  const { ports, router, writer } = args;
  const { clock, sink } = ports;
  const pending = args.genesis === null ? readGenesis(writer) : null;
  const state = createGenesis({ ...args, pending, nowMs: clock.nowMs() });
  let timer: Timer | null = null;

  /** Answers once these and everything written before are durable. */
  const store = (operations: StorageOperation[]): void =>
    writer.write(
      operations,
      { durable: true },
      scope.guard((why) => {
        // The writer has told the node that its disk failed: it forms nothing and says nothing more. No fault of this actor.
        if (why === null) run({ type: 'persisted' });
      }),
    );

  const fulfil = (effect: GenesisEffect): void => {
    switch (effect.type) {
      case 'send': {
        const { peer, message } = effect;
        const body = message.type === 'offer' ? message.offer : message.name;
        router.send(peer, 'control', genesisAddress, genesisAddress, message.type, body);
        return;
      }
      case 'send-formed':
        router.send(effect.peer, 'control', genesisAddress, genesisAddress, 'formed', {
          genesis: effect.genesis,
          taken: args.taken(),
        });
        return;
      case 'persist':
        return store([genesisOperation(effect.genesis), ...args.formOperations(effect.genesis)]);
      case 'formed':
        sink.log('info', 'CLUSTER_FORMED', `cluster ${effect.genesis.cluster} ${effect.genesis.clusterId}`);
        return args.onFormed(effect.genesis);
      case 'identity-lost':
        sink.log(
          'error',
          'IDENTITY_LOST',
          `the name ${args.self.name} belongs to ${effect.owner}: this node lost its disk; remove and add it`,
        );
        return args.onIdentityLost(true);
      case 'name-free':
        return args.onIdentityLost(false);
      case 'warn':
        return sink.log('warn', effect.code, effect.message);
    }
  };

  const run = (event: Parameters<typeof step>[2]): void => {
    for (const effect of step(state, clock.nowMs(), event)) fulfil(effect);
    arm();
  };

  const arm = (): void => {
    timer?.cancel();
    timer = null;
    const atMs = deadlineMs(state);
    if (atMs !== Number.POSITIVE_INFINITY) timer = scope.after(Math.max(1, atMs - clock.nowMs()), () => run({ type: 'wake' }));
  };

  if (args.genesis !== null) scope.soon(() => args.onFormed(args.genesis!));
  else if (pending !== null) store([]);
  else run({ type: 'wake' });
  for (const peer of args.connected) run({ type: 'peer-open', peer });

  return {
    receive(event) {
      if (event.type === 'hosted') return args.onIdentityLost(false);
      if (event.type !== 'delivery') return run(event);
      const { peer, type, body } = event.delivery;
      const message = parseGenesisMessage(type, body);
      if (message === null) return router.refuse(peer, 'MESSAGE_MALFORMED', `what should be '${type.slice(0, 32)}' is not`);
      run({ type: 'message', peer, message });
    },
    stop: () => {},
  };
};
