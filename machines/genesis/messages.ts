// Bytes from a peer become a genesis message or null. Everything is plain maps; names, ids and lists have limits.
import { limits } from '../wire/limits.ts';
import type { Genesis, GenesisMessage, GenesisNode, Offer } from './index.ts';

const nodesMax = 1_024;
const namePattern = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** A node's or group's name: 1 to 63 of a-z, 0-9 and '-', not at an end. */
export const isNodeName = (value: unknown): value is string => typeof value === 'string' && namePattern.test(value);

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
const isId = (value: unknown): value is string => typeof value === 'string' && value.length >= 1 && value.length <= 128;
const isNames = (value: unknown): value is string[] =>
  Array.isArray(value) && value.length <= nodesMax && value.every(isNodeName) && new Set(value).size === value.length;
const isReplicas = (value: unknown): value is Record<string, string> =>
  isRecord(value) &&
  Object.keys(value).length <= limits.groupsMax &&
  Object.entries(value).every(([group, id]) => isNodeName(group) && isId(id));

const parseNode = (value: unknown): GenesisNode | null =>
  isRecord(value) && isNodeName(value.name) && isId(value.peer) && isReplicas(value.replicas)
    ? { name: value.name, peer: value.peer, replicas: value.replicas }
    : null;

export const parseGenesis = (value: unknown): Genesis | null => {
  if (!isRecord(value) || !isId(value.clusterId) || !isNodeName(value.cluster) || !isNames(value.groups)) return null;
  if (!Array.isArray(value.nodes) || value.nodes.length > nodesMax) return null;
  const nodes = value.nodes.map(parseNode);
  if (nodes.some((node) => node === null)) return null;
  return { clusterId: value.clusterId, cluster: value.cluster, groups: value.groups, nodes: nodes as GenesisNode[] };
};

const parseOffer = (value: unknown): Offer | null =>
  isRecord(value) && isNodeName(value.name) && isNames(value.bootstrap) && isNames(value.groups) && isReplicas(value.replicas)
    ? { name: value.name, bootstrap: value.bootstrap, groups: value.groups, replicas: value.replicas }
    : null;

const parseTaken = (value: unknown): Record<string, string> | null =>
  isRecord(value) &&
  Object.keys(value).length <= nodesMax * 4 &&
  Object.entries(value).every(([name, peer]) => isNodeName(name) && isId(peer))
    ? (value as Record<string, string>)
    : null;

export const parseGenesisMessage = (type: string, body: unknown): GenesisMessage | null => {
  if (type === 'ask') return isNodeName(body) ? { type, name: body } : null;
  if (type === 'offer') {
    const offer = parseOffer(body);
    return offer === null ? null : { type, offer };
  }
  if (type !== 'formed' || !isRecord(body)) return null;
  const genesis = parseGenesis(body.genesis);
  const taken = parseTaken(body.taken);
  return genesis === null || taken === null ? null : { type, genesis, taken };
};
