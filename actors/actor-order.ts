// Active states in the order of the document. XState keeps active states in the order in which they were entered, and goes
// through them in that order; a machine that was restored has another. Two copies of one actor would then run the same actions
// in different orders. (SCXML 3.13 has document order, too.)
import type { AnyActorLogic, AnyActorScope, AnyStateMachine, EventObject, Snapshot, StateValue } from 'xstate';

type Node = {
  readonly order: number;
  readonly key: string;
  readonly type: string;
  readonly states: Readonly<Record<string, Node>>;
};
type MachineSnapshot = Snapshot<unknown> & { _nodes: Node[]; value: StateValue };

const inOrder = (node: Node, value: StateValue | undefined): StateValue | undefined => {
  if (typeof value !== 'object') return value;
  const ordered: Record<string, StateValue | undefined> = {};
  for (const key of Object.keys(node.states)) if (key in value) ordered[key] = inOrder(node.states[key]!, value[key]);
  return ordered as StateValue;
};

const wrapped = new WeakMap<AnyActorLogic, AnyActorLogic>();

const wrap = (machine: AnyStateMachine): AnyActorLogic => {
  const root = machine.root as unknown as Node;
  const order = (snapshot: MachineSnapshot): MachineSnapshot => {
    const nodes = snapshot._nodes;
    for (let at = 1; at < nodes.length; at++) {
      if (nodes[at - 1]!.order < nodes[at]!.order) continue;
      return {
        ...snapshot,
        _nodes: [...nodes].sort((a, b) => a.order - b.order),
        value: inOrder(root, snapshot.value) as StateValue,
      };
    }
    return snapshot;
  };
  return Object.assign(Object.create(machine) as AnyActorLogic, {
    transition: (snapshot: Snapshot<unknown>, event: EventObject, scope: AnyActorScope) =>
      order(machine.transition(snapshot as never, event, scope as never) as unknown as MachineSnapshot),
    getInitialSnapshot: (scope: AnyActorScope, input: unknown) =>
      order(machine.getInitialSnapshot(scope as never, input as never) as unknown as MachineSnapshot),
    restoreSnapshot: (snapshot: Snapshot<unknown>, scope: AnyActorScope) =>
      order(machine.restoreSnapshot(snapshot as never, scope as never) as unknown as MachineSnapshot),
  });
};

const hasParallel = (node: Node): boolean => node.type === 'parallel' || Object.values(node.states).some(hasParallel);

/** The machine, such that its active states are in the order of the document whenever it rests. */
export const orderly = (machine: AnyActorLogic): AnyActorLogic => {
  const known = wrapped.get(machine);
  if (known !== undefined) return known;
  const made = hasParallel((machine as AnyStateMachine).root as unknown as Node) ? wrap(machine as AnyStateMachine) : machine;
  wrapped.set(machine, made);
  return made;
};
