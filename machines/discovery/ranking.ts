// In which order places are tried: those that work first, then by priority, and among equals by chance in proportion to weight
// (RFC 2782, "Usage rules").
import { nextBetween } from '../random.ts';
import type { DiscoveryState, Place } from './state.ts';

const classOf = (place: Place): number =>
  (place.healthy ? 0 : 4) + (place.failures === 0 ? 0 : 2) + (place.status === 'stale' || place.status === 'lost' ? 1 : 0);

/** RFC 2782: those of weight 0 first in the running sum, a number up to the sum, the first that reaches it. */
const drawWeighted = (state: DiscoveryState, places: readonly Place[]): Place[] => {
  const left = [...places].sort((a, b) => Math.sign(a.weight) - Math.sign(b.weight));
  const drawn: Place[] = [];
  while (left.length > 0) {
    const sum = left.reduce((total, { weight }) => total + weight, 0);
    const wanted = nextBetween(state.random, 0, sum + 1);
    let running = 0;
    const at = left.findIndex(({ weight }) => {
      running += weight;
      return running >= wanted;
    });
    drawn.push(...left.splice(at, 1));
  }
  return drawn;
};

export const ranked = (state: DiscoveryState, places: readonly Place[]): Place[] => {
  const byRank = new Map<number, Place[]>();
  for (const place of places) {
    const rank = classOf(place) * 65_536 + place.priority;
    byRank.set(rank, [...(byRank.get(rank) ?? []), place]);
  }
  return [...byRank.entries()].sort(([a], [b]) => a - b).flatMap(([, equals]) => drawWeighted(state, equals));
};
