// News on its way: who is worth telling about, and to how many it has been told. What was told to fewest goes first (SWIM §4.1), and
// facts are formed when they leave, so that a newer one takes an older one's place by itself.
import { membershipLimits } from './limits.ts';
import { factBytes } from './messages.ts';
import type { Fact, PeerId } from './types.ts';

export type Update = { told: number; profile: boolean };

export type Updates = {
  readonly of: Map<PeerId, Update>;
  /** Peers by how many they have been told to, in order of arrival. */
  readonly levels: Set<PeerId>[];
};

export const createUpdates = (): Updates => ({ of: new Map(), levels: [] });

export const clearUpdates = (updates: Updates): void => {
  updates.of.clear();
  updates.levels.length = 0;
};

const levelAt = ({ levels }: Updates, told: number): Set<PeerId> => {
  while (levels.length <= told) levels.push(new Set());
  return levels[told]!;
};

const drop = (updates: Updates, peer: PeerId): void => {
  const update = updates.of.get(peer);
  if (update === undefined) return;
  updates.levels[update.told]!.delete(peer);
  updates.of.delete(peer);
};

/** When too much is on its way, what most have heard goes: exchanges will tell the rest. */
const dropMostTold = (updates: Updates): void => {
  for (let told = updates.levels.length - 1; told >= 0; told--)
    for (const peer of updates.levels[told]!) return drop(updates, peer);
};

/** There is news of this peer; `profile` says whether its profile is part of it. */
export const addUpdate = (updates: Updates, peer: PeerId, profile: boolean): void => {
  const before = updates.of.get(peer)?.profile ?? false;
  drop(updates, peer);
  if (updates.of.size >= membershipLimits.updatesMax) dropMostTold(updates);
  updates.of.set(peer, { told: 0, profile: profile || before });
  levelAt(updates, 0).add(peer);
};

export type Taking = {
  bytes: number;
  /** How many will be told. */
  listeners: number;
  /** An update told to so many is done with. */
  toldMax: number;
  /** Null: no longer worth telling. */
  factOf: (peer: PeerId, profile: boolean) => Fact | null;
  /** Peers not to be told about: already in the message. */
  without: readonly Fact[];
};

const missesMax = 8;

/** Appends to `facts` what fits, fewest told first, and counts it as told. A fact too large for any message goes alone if `facts` is empty. */
export const takeUpdates = (updates: Updates, facts: Fact[], { bytes, listeners, toldMax, factOf, without }: Taking): void => {
  let left = bytes;
  let misses = 0;
  const taken: PeerId[] = [];
  const done: PeerId[] = [];
  for (let told = 0; told < updates.levels.length && left > 0 && misses <= missesMax; told++)
    for (const peer of updates.levels[told]!) {
      if (facts.length >= membershipLimits.factsPerMessageMax / 2) break;
      if (without.some((fact) => fact.peer === peer)) continue;
      const fact = factOf(peer, updates.of.get(peer)!.profile);
      if (fact === null) {
        done.push(peer);
        continue;
      }
      const size = factBytes(fact);
      if (size > left && facts.length > 0) {
        // Something smaller may fit, but not the whole queue is searched for it.
        if (++misses > missesMax) break;
        continue;
      }
      left -= size;
      facts.push(fact);
      taken.push(peer);
      if (left <= 0) break;
    }
  for (const peer of done) drop(updates, peer);
  for (const peer of taken) {
    const update = updates.of.get(peer)!;
    updates.levels[update.told]!.delete(peer);
    update.told += listeners;
    if (update.told >= toldMax) updates.of.delete(peer);
    else levelAt(updates, update.told).add(peer);
  }
};
