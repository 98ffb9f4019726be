// Questions about ways on the wire: compact arrays, checked field by field. What a peer sends becomes a message or a named refusal.
import { routesLimits as max, type PeerId, type RouteAnswer, type RouteQuestion } from './types.ts';

export type Parsed<Value> = ({ ok: true } & Value) | { ok: false; refused: 'ROUTES_MALFORMED'; message: string };

const refused = (message: string): { ok: false; refused: 'ROUTES_MALFORMED'; message: string } => ({
  ...{ ok: false, refused: 'ROUTES_MALFORMED', message },
});

const isCount = (value: unknown, most: number): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= most;

export const isPeerId = (value: unknown): value is PeerId =>
  typeof value === 'string' && value.length > 0 && value.length <= max.peerCharsMax;

/** Peers, each once. */
export const isPath = (value: unknown): value is PeerId[] =>
  Array.isArray(value) && value.length <= max.pathMax && value.every(isPeerId) && new Set(value).size === value.length;

export const formRouteQuestion = ({ target, travelled, flood, linksMax, isWide }: RouteQuestion): unknown => [
  ...[target, travelled, flood, linksMax, isWide],
];

export const parseRouteQuestion = (value: unknown): Parsed<{ question: RouteQuestion }> => {
  if (!Array.isArray(value) || value.length !== 5) return refused('not a question about a way');
  const [target, travelled, flood, linksMax, isWide] = value as unknown[];
  if (!isPeerId(target) || !isPath(travelled)) return refused('its target or its path is malformed');
  if (!isCount(flood, 0xffff_ffff) || !isCount(linksMax, max.pathMax) || typeof isWide !== 'boolean')
    return refused('its numbers are malformed');
  return { ok: true, question: { target, travelled, flood, linksMax, isWide } };
};

export const formRouteAnswer = (answer: RouteAnswer | null): unknown =>
  answer === null ? null : [answer.path, answer.latencyMs, answer.leftMs];

export const parseRouteAnswer = (value: unknown): Parsed<{ answer: RouteAnswer | null }> => {
  if (value === null) return { ok: true, answer: null };
  if (!Array.isArray(value) || value.length !== 3) return refused('not an answer about a way');
  const [path, latencyMs, leftMs] = value as unknown[];
  if (!isPath(path) || !isCount(leftMs, max.timeMsMax)) return refused('its path or its time is malformed');
  const isMeasured = typeof latencyMs === 'number' && latencyMs >= 0 && latencyMs <= max.latencyMsMax;
  if (latencyMs !== null && !isMeasured) return refused('its latency is malformed');
  return { ok: true, answer: { path, latencyMs, leftMs } };
};
