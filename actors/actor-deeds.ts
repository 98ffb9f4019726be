// Actions by names that a log can keep. An action that has a name in `setup({ actions })` is called that; one that is written where it is
// used gets the name of its place in the chart (`#door.open.entry.0`), for its function's own name is often empty or the same as another's.
import type { AnyActorLogic, AnyStateMachine } from 'xstate';

export type Exec = (info: never, params: unknown) => void;

type StateNode = {
  readonly id: string;
  readonly entry: readonly unknown[];
  readonly exit: readonly unknown[];
  readonly initial: { readonly actions: readonly unknown[] } | undefined;
  readonly transitions: ReadonlyMap<string, readonly { readonly actions: readonly unknown[] }[]>;
  readonly always?: readonly { readonly actions: readonly unknown[] }[];
  readonly type: string;
};

type Index = { names: Map<unknown, string>; deeds: Map<string, Exec> };

const indices = new WeakMap<AnyActorLogic, Index>();

const indexOf = (machine: AnyActorLogic): Index => {
  const known = indices.get(machine);
  if (known !== undefined) return known;
  const index: Index = { names: new Map(), deeds: new Map() };
  const note = (actions: readonly unknown[], place: string): void => {
    for (const [at, action] of actions.entries()) {
      if (typeof action !== 'function' || 'resolve' in action || index.names.has(action)) continue;
      index.names.set(action, `${place}.${at}`);
      index.deeds.set(`${place}.${at}`, action as Exec);
    }
  };
  for (const node of (machine as AnyStateMachine & { idMap: Map<string, StateNode> }).idMap.values()) {
    note(node.entry, `#${node.id}.entry`);
    note(node.exit, `#${node.id}.exit`);
    if (node.type === 'compound') note(node.initial?.actions ?? [], `#${node.id}.initial`);
    for (const [event, transitions] of [...node.transitions, ['', node.always ?? []] as const])
      for (const [at, { actions }] of transitions.entries()) note(actions, `#${node.id}.on.${event}.${at}`);
  }
  indices.set(machine, index);
  return index;
};

const implemented = (machine: AnyActorLogic, type: string): unknown =>
  (machine as AnyStateMachine).implementations.actions[type as never];

/** What a log calls it. */
export const nameOf = (machine: AnyActorLogic, type: string, exec: unknown): string =>
  implemented(machine, type) === exec ? type : (indexOf(machine).names.get(exec) ?? type);

/** What is done under this name; null: this machine has none of that name. */
export const deedOf = (machine: AnyActorLogic, name: string): Exec | null => {
  const found = implemented(machine, name);
  if (typeof found === 'function' && !('resolve' in found)) return found as Exec;
  return indexOf(machine).deeds.get(name) ?? null;
};
