// Where actors of the cluster live. A key belongs to one group for ever, and an actor lives at its group's leader; so what can be chosen
// is who leads. Both by rendezvous hashing (Thaler and Ravishankar 1998): everybody who knows the same names decides alike, without a
// word. Capacity and zones count in seats: each node has so many groups to lead as its share of the capacity allows, rounded; groups
// and nodes find each other by deferred acceptance (Gale and Shapley 1962), so that nobody moves who need not. Consistent hashing with
// bounded loads (Mirrokni, Thorup, Zadimoghaddam 2018) is the same idea for keys.
import { mixHashes, textHash } from '../hash.ts';

const groupPrefix = 'actors';

/** Groups of the genesis that actors are spread over: those named for it (`actors…`), or all if there is none. */
export const actorGroups = (groups: readonly string[]): readonly string[] => {
  const own = groups.filter((group) => group.startsWith(groupPrefix));
  return own.length > 0 ? own : groups;
};

/** The group of an actor, among `groups`, of which there is at least one. They never change, so a key never changes its group. */
export const keyPlacement = (groups: readonly string[]): ((actor: { type: string; key: string }) => string) => {
  const places = [...groups].sort().map((group) => ({ group, hash: textHash(group) }));
  return ({ type, key }) => {
    const hash = textHash(key, textHash(`${type}/`));
    let best = places[0]!;
    let highest = -1;
    for (const place of places) {
      const score = mixHashes(hash, place.hash);
      if (score <= highest) continue;
      best = place;
      highest = score;
    }
    return best.group;
  };
};

// ---------------------------------------------------------------- who leads which group

export type LeaderCandidate = {
  readonly name: string;
  /** In the unit of all; 0 (not said) counts as 1. */
  readonly capacity: number;
  readonly zone: string;
};

export type GroupToLead = { readonly group: string; readonly candidates: readonly LeaderCandidate[] };

const weightOf = ({ capacity }: { capacity: number }): number => (capacity > 0 ? capacity : 1);

/**
 * So many seats for each, by weight: whole shares first, what is left to the largest remainders (Hamilton). Of equal ones the same come
 * first as long as they are there.
 */
const seatsOf = (weights: ReadonlyMap<string, number>, seats: number): Map<string, number> => {
  const total = [...weights.values()].reduce((sum, weight) => sum + weight, 0);
  const shares = [...weights].map(([name, weight]) => {
    const share = (seats * weight) / total;
    const whole = Math.floor(share + 1e-9);
    return { name, whole, rest: share - whole, hash: textHash(name) };
  });
  let left = seats - shares.reduce((sum, { whole }) => sum + whole, 0);
  // Remainders that differ by rounding alone are equal.
  shares.sort((a, b) => Math.round((b.rest - a.rest) * 1e6) || b.hash - a.hash || (a.name < b.name ? -1 : 1));
  return new Map(shares.map(({ name, whole }) => [name, whole + (left-- > 0 ? 1 : 0)]));
};

/** Zones have their seats first, and their nodes share them: no zone leads more than its part, however many nodes round up. */
const seatsOfNodes = (nodes: readonly LeaderCandidate[], groups: number): Map<string, number> => {
  const zones = new Map<string, Map<string, number>>();
  for (const node of nodes) {
    const zone = zones.get(node.zone) ?? new Map<string, number>();
    zones.set(node.zone, zone.set(node.name, weightOf(node)));
  }
  const weights = [...zones].map(([zone, of]): [string, number] => [zone, [...of.values()].reduce((sum, one) => sum + one, 0)]);
  const seats = seatsOf(new Map(weights), groups);
  return new Map([...zones].flatMap(([zone, of]) => [...seatsOf(of, seats.get(zone)!)]));
};

type Proposer = { group: string; wishes: { name: string; score: number }[]; next: number };

/** Whom a group would like best: first by score, and who is of equal score by name. */
const proposerOf = ({ group, candidates }: GroupToLead): Proposer => {
  const hash = textHash(group);
  const wishes = candidates.map(({ name }) => ({ name, score: mixHashes(hash, textHash(name)) }));
  wishes.sort((a, b) => b.score - a.score || (a.name < b.name ? -1 : 1));
  return { group, wishes, next: 0 };
};

/** Who should lead each group; groups without candidates are left out. The order of what is given makes no difference. */
export const preferredLeaders = (groups: readonly GroupToLead[]): Map<string, string> => {
  const placeable = groups.filter(({ candidates }) => candidates.length > 0);
  const nodes = new Map(placeable.flatMap(({ candidates }) => candidates.map((one) => [one.name, one] as const)));
  const seats = seatsOfNodes([...nodes.values()], placeable.length);
  const held = new Map<string, { proposer: Proposer; score: number }[]>([...nodes.keys()].map((name) => [name, []]));
  const waiting = placeable.map(proposerOf);
  const unseated: Proposer[] = [];
  for (let proposer = waiting.pop(); proposer !== undefined; proposer = waiting.pop()) {
    const wish = proposer.wishes[proposer.next++];
    if (wish === undefined) {
      unseated.push(proposer);
      continue;
    }
    const has = held.get(wish.name)!;
    has.push({ proposer, score: wish.score });
    has.sort((a, b) => b.score - a.score || (a.proposer.group < b.proposer.group ? -1 : 1));
    if (has.length > seats.get(wish.name)!) waiting.push(has.pop()!.proposer);
  }
  const leaders = new Map([...held].flatMap(([name, has]) => has.map(({ proposer }) => [proposer.group, name] as const)));
  // Its voters are too few for all seats to be used: it leads where that weighs least.
  const loads = new Map([...held].map(([name, has]) => [name, has.length]));
  unseated.sort((a, b) => (a.group < b.group ? -1 : 1));
  for (const { group, wishes } of unseated) {
    const loadOf = (name: string): number => (loads.get(name)! + 1) / weightOf(nodes.get(name)!);
    const least = wishes.reduce((best, wish) => (loadOf(wish.name) < loadOf(best.name) ? wish : best));
    loads.set(least.name, loads.get(least.name)! + 1);
    leaders.set(group, least.name);
  }
  return leaders;
};
