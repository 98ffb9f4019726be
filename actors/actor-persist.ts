// A body as plain data, and back. As XState persists it, but that XState loses what matters to actors that outlive their process: it forgets
// that a child knew its parent or its sibling (a later message would go to the sender itself), leaves out children whose logic it
// does not find, keeps going with those that fail to be restored, and changes what it restores from.
import type { ActorAddress } from '../machines/entity/address.ts';
import type { BodyPath } from './actor-body-api.ts';
import { childrenOf, type InnerActor, type Inside } from './actor-inside.ts';
import { isMachine } from './actor-logics.ts';
import { plainError, plainOf, revive, valueLimits } from './actor-values.ts';

/** What an actor of the body is in plain data. `gone`: it had ended. */
type Mention = { $actor: BodyPath; gone?: true };

/** Beyond these `plainOf` refuses it. */
const { depthMax, nodesMax } = valueLimits;

/** What cannot be written down; the message says where it is. */
export class Unwritable extends TypeError {
  override name = 'Unwritable';
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !(value instanceof Uint8Array);

/** Goes through lists and plain objects, copying what changes. */
const mapped = (value: unknown, change: (value: object) => unknown): unknown => mappedIn(value, change, { nodes: 0 }, 0);

const mappedIn = (value: unknown, change: (value: object) => unknown, walk: { nodes: number }, depth: number): unknown => {
  if (!isRecord(value) || depth > depthMax || ++walk.nodes > nodesMax) return value;
  const instead = change(value);
  if (instead !== undefined) return instead;
  if (Array.isArray(value)) {
    let list: unknown[] | null = null;
    for (let at = 0; at < value.length; at++) {
      const one = mappedIn(value[at], change, walk, depth + 1);
      if (one !== value[at]) (list ??= value.slice())[at] = one;
    }
    return list ?? value;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return value;
  let record: Record<string, unknown> | null = null;
  for (const key of Object.keys(value)) {
    const one = mappedIn(value[key], change, walk, depth + 1);
    if (one !== value[key]) (record ??= { ...value })[key] = one;
  }
  return record ?? value;
};

const mention =
  (inside: Inside) =>
  (value: object): Mention | undefined => {
    const path = inside.pathOf(value);
    if (path === undefined) return undefined;
    return inside.actors.get(path) === value ? { $actor: path } : { $actor: path, gone: true };
  };

/** With the body's own actors as `{ $actor }`. Throws an Unwritable. */
export const writable = (inside: Inside, value: unknown, name: string): unknown => {
  const plain = plainOf(mapped(value, mention(inside)), name);
  if (!plain.ok) throw new Unwritable(plain.failure.message);
  return plain.value;
};

type History = Record<string, readonly { readonly id: string }[]>;

const historyOf = (history: History): unknown => {
  const written: Record<string, unknown> = {};
  for (const id in history) if (Object.hasOwn(history, id)) written[id] = history[id]!.map((node) => ({ id: node.id }));
  return written;
};

const errorOf = (error: unknown): unknown => (error === undefined ? undefined : plainError(error));

const layOut = (actor: InnerActor, path: string): unknown => {
  const { logic, _snapshot: snapshot } = actor;
  if (!isMachine(logic)) {
    const { status, output, error, ...own } = logic.getPersistedSnapshot(snapshot) as Record<string, unknown>;
    // In one order, whichever of them were undefined and left out when it was written before.
    const fields = Object.keys(own).sort();
    return { status, output, error: errorOf(error), ...Object.fromEntries(fields.map((field) => [field, own[field]])) };
  }
  const { status, output, error, value, context, historyValue } = snapshot as unknown as Record<string, unknown>;
  const children: Record<string, unknown> = {};
  const living = actor._snapshot.children;
  for (const id in living) {
    const child = Object.hasOwn(living, id) ? living[id] : undefined;
    if (child === undefined) continue;
    const where = `${path}.children.${id}`;
    if (typeof child.src !== 'string')
      throw new Unwritable(`${where} is of a logic that has no name: name it in setup({ actors }), so that it is found again`);
    const { systemId, _syncSnapshot: syncSnapshot } = child;
    children[id] = { src: child.src, snapshot: layOut(child, where), systemId, syncSnapshot };
  }
  return { status, output, error: errorOf(error), value, historyValue: historyOf(historyValue as History), context, children };
};

/** Not looked through. Throws an Unwritable where what stands there has no name. */
export const outlineInside = (inside: Inside): unknown => layOut(inside.root, 'snapshot');

/** Throws an Unwritable. */
export const persistInside = (inside: Inside): unknown => writable(inside, outlineInside(inside), 'snapshot');

const copyOf = (value: unknown): unknown => {
  if (!isRecord(value)) return value;
  if (Array.isArray(value)) return value.map(copyOf);
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, copyOf(one)]));
};

const noRef = (address: ActorAddress): unknown => {
  throw new Error(`InvariantBroken: a body without references meets ${address.type}/${address.key}`);
};

/** A copy of what was persisted, for one restoration, with references that work. Mentions are still mentions. */
export const restorable = (persisted: unknown, formRef: ((address: ActorAddress) => unknown) | undefined): unknown => {
  const copy = copyOf(persisted);
  return revive(copy, formRef ?? noRef);
};

const mentioned =
  (inside: Inside) =>
  (value: object): unknown => {
    const { $actor: path, gone } = value as Partial<Mention>;
    if (typeof path !== 'string') return undefined;
    const keys = Object.keys(value).length;
    if (keys !== (gone === true ? 2 : 1)) return undefined;
    return gone === true ? inside.gone(path) : (inside.actors.get(path) ?? inside.gone(path));
  };

/** Mentions become the actors that are meant. */
export const recall = (inside: Inside, value: unknown): unknown => mapped(value, mentioned(inside));

type Persisted = { status?: unknown; children?: Record<string, { src?: unknown; snapshot?: unknown }> };

/** After the restoration, before the start: everybody who was there is, and knows those again whom it knew. */
export const completeInside = (inside: Inside, persisted: unknown): void => {
  complete(inside, inside.root, persisted as Persisted, 'snapshot');
};

const complete = (inside: Inside, actor: InnerActor, persisted: Persisted, path: string): void => {
  const { _snapshot: snapshot } = actor;
  if (snapshot.status === 'error' && persisted.status !== 'error') throw snapshot.error;
  if (snapshot.status !== persisted.status) throw new Unwritable(`${path} is no snapshot of this logic`);
  const fields = snapshot as unknown as Record<string, unknown>;
  for (const field of ['context', 'input', 'output', 'error'])
    if (fields[field] !== undefined) fields[field] = recall(inside, fields[field]);
  const here = new Map(childrenOf(actor));
  for (const [id, child] of Object.entries(persisted.children ?? {})) {
    const found = here.get(id);
    if (found === undefined) throw new Unwritable(`${path}.children.${id}: this logic has no '${String(child.src)}'`);
    complete(inside, found, child.snapshot as Persisted, `${path}.children.${id}`);
  }
};
