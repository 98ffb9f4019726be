// Where an actor is: of which type, under which key, and at which node where it belongs to one. As text `type/key` for an actor of the
// cluster and `type/key@node` for one of a node. What could be mistaken in a key is written as in URLs (RFC 3986, 2.1).

/** `node`: a node's name; null: wherever the cluster has put it. */
export type ActorAddress = { readonly type: string; readonly key: string; readonly node: string | null };

/** What a reference is made of: the package's `Ref` has it under this symbol, so that it can be recognised in any message. */
export const refMark: unique symbol = Symbol.for('polity.ref');

/** The runtime's own actors (`polity/raft/kv@n1`) stand under this type; nobody else's do. */
export const runtimeType = 'polity';

export const addressLimits = {
  ...{ typeCharsMax: 63, keyCharsMax: 256, nodeCharsMax: 63 },
  /** As text: what is written as in URLs takes nine characters for one at worst. */
  textCharsMax: 63 + 1 + 9 * 256 + 1 + 63,
} as const;

const typePattern = /^[a-z][a-z0-9-]{0,62}$/;
const nodePattern = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

export const isActorType = (value: unknown): value is string => typeof value === 'string' && typePattern.test(value);

/** Any text without control characters, and not empty. */
export const isActorKey = (value: unknown): value is string =>
  typeof value === 'string' && value.length >= 1 && value.length <= addressLimits.keyCharsMax && !/[\p{Cc}\p{Cs}]/u.test(value);

export const isActorAddress = (value: unknown): value is ActorAddress => {
  if (typeof value !== 'object' || value === null) return false;
  const { type, key, node } = value as Record<string, unknown>;
  return isActorType(type) && isActorKey(key) && (node === null || (typeof node === 'string' && nodePattern.test(node)));
};

/** What is wrong with it, for whoever wrote it; null: nothing. */
export const addressProblem = ({ type, key, node }: ActorAddress): string | null => {
  if (!isActorType(type)) return `its type has 1 to ${addressLimits.typeCharsMax} of a-z, 0-9 and -, a letter first`;
  if (!isActorKey(key))
    return `its key has 1 to ${addressLimits.keyCharsMax} characters, none of them a control character ('-' where there is one only)`;
  return node === null || nodePattern.test(node) ? null : `'${node.slice(0, 64)}' is no name of a node`;
};

export const addressText = ({ type, key, node }: ActorAddress): string => {
  const written = key.replace(/[%@\s]/g, (char) => encodeURIComponent(char));
  return `${type}/${written}${node === null ? '' : `@${node}`}`;
};

/** Null: it is none. */
export const parseAddress = (text: unknown): ActorAddress | null => {
  if (typeof text !== 'string' || text.length > addressLimits.textCharsMax) return null;
  const slash = text.indexOf('/');
  if (slash < 1) return null;
  const at = text.lastIndexOf('@');
  const node = at > slash ? text.slice(at + 1) : null;
  try {
    const key = decodeURIComponent(text.slice(slash + 1, node === null ? undefined : at));
    const address = { type: text.slice(0, slash), key, node };
    return isActorAddress(address) ? address : null;
  } catch {
    return null;
  }
};
