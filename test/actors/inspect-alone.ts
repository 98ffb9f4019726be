// Looking on at one node that is alone, without its tree: stand-ins for the actors that users write, and of the runtime's own what a test
// says. Over a hand clock or the real one.
import type { InspectActorEvent, InspectArguments } from '../../actors/actor-inspect.ts';
import { createInspectActor, createInspectDoor } from '../../actors/actor-inspect.ts';
import type { GroupStatus } from '../../actors/api.ts';
import { createRuntimeSubjects } from '../../actors/inspect-runtime.ts';
import type { ClockPort } from '../../actors/ports/index.ts';
import { createRouter, type Router } from '../../actors/router.ts';
import type { BreakerReport } from '../../actors/service-api.ts';
import type { Cell } from '../../actors/supervise.ts';
import type { MemberView } from '../../machines/membership/index.ts';
import { createHandNetwork } from './hand-network.ts';
import { createHandScope } from './hand-scope.ts';
import { StandIns } from './stand-in-actors.ts';

export const groupAt = (changes: Partial<GroupStatus> = {}): GroupStatus => ({
  ...{ id: 'kv', role: 'follower', term: 3, leader: 'n2', voters: ['n1', 'n2', 'n3'], learners: [], commitIndex: 9 },
  ...{ appliedIndex: 9, firstIndex: 1, lastIndex: 9, quiet: false, replica: 'r1', joint: false, halted: null, ...changes },
});

export const createInspectAlone = (
  clock: ClockPort,
  { name = 'n1', isOn = true, router: given }: { name?: string; isOn?: boolean; router?: Router } = {},
) => {
  const actors = new StandIns();
  const groups = [groupAt()];
  const breakers: BreakerReport[] = [];
  const members: MemberView[] = [];
  const sink = { log: () => {}, count: () => {} };
  const router = given ?? createRouter({ network: createHandNetwork().port(`p-${name}`) as never, clock, sink });
  const runtime = createRuntimeSubjects({
    ...{
      node: name,
      clock,
      cells: () => [],
      groups: () => groups,
      breakers: () => breakers,
      summaries: {},
      nameOf: () => null,
    },
    life: () => ({ value: 'ready', context: { reason: null } }),
    discovery: () => ({ peers: [], sources: [] }),
  });
  let ids = 0;
  const args: InspectArguments = {
    ...{ name, isOn, router, actors: () => actors, runtime, members: () => members },
    ports: { clock, sink, random: { uint32: () => ++ids, bytes: (length) => new Uint8Array(length) } },
  };
  const scope = createHandScope(clock, 'inspect');
  let component = createInspectActor(scope, args);
  const cell = { send: (event: InspectActorEvent) => component.receive(event) } as Cell<InspectActorEvent>;
  const door = createInspectDoor({ ...args, cell: () => cell });
  router.on('inspect', (delivery) => component.receive({ type: 'delivery', delivery }));
  return {
    ...{ actors, groups, breakers, members, api: door.api },
    peerClosed: (peer: string) => component.receive({ type: 'peer-close', peer }),
    stop(): void {
      component.stop(null);
      scope.end();
      component = { receive: door.undelivered, stop: () => {} };
    },
  };
};
