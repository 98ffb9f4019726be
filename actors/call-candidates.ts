// Who may be called: who offers the service as the catalog knows it, how membership and the breakers stand to them, and the balancer of
// the service, which chooses among them. The list is the same as long as nothing has changed, which makes a choice cheap.
import {
  type BalancerOptions,
  type BalancerState,
  balancerLimits,
  type Candidate,
  createBalancer,
} from '../machines/balancer/index.ts';
import type { Entry, Offer } from '../machines/catalog/index.ts';
import { type Failure, failure } from '../machines/errors.ts';
import type { Change, MemberView } from '../machines/membership/index.ts';
import { type Budget, type BudgetOptions, createBudget, rpcLimits } from '../machines/rpc/index.ts';
import type { CallBreakers } from './call-breakers.ts';
import type { ClockPort, PeerId } from './ports/index.ts';
import type { CatalogApi, ServiceCall } from './service-api.ts';

export type CandidatesArguments = {
  self: PeerId;
  region: string;
  clock: ClockPort;
  seed: () => number;
  balancer: BalancerOptions;
  budget: BudgetOptions;
  find: CatalogApi['find'];
  breakers: CallBreakers;
  /** Whom membership knows, whenever it is asked. */
  members: () => readonly MemberView[];
  isConnected: (peer: PeerId) => boolean;
  /** Connected, or a message opens a connection. */
  isStraight: (peer: PeerId) => boolean;
};

/** What is known of calls to one service. */
export type Room = {
  readonly service: string;
  readonly balancer: BalancerState;
  readonly budget: Budget;
  /** By the catalog's answer: for calls that name a range, and for those that want what is newest. */
  readonly plans: readonly [WeakMap<readonly Entry[], Plan>, WeakMap<readonly Entry[], Plan>];
  /** Calls under way. */
  calls: number;
};

export type Plan = {
  /** What membership and breakers had said by then. */
  readonly stamp: number;
  /** Those who are reached straight on, or if there is nobody, all. */
  readonly list: readonly Candidate[];
  /** The rest: whoever can be called without others carries the call better, and knows better what became of it. */
  readonly around: readonly Candidate[];
  /** Of each of them. */
  readonly offers: ReadonlyMap<PeerId, Offer>;
};

export interface Candidates {
  room(service: string): Room | Failure;
  plan(room: Room, call: ServiceCall): Plan | Failure;
  /** That one alone; null: it offers nothing of the kind. */
  only(plan: Plan, peer: PeerId): Plan | null;
  memberOf(peer: PeerId): MemberView | null;
  changed(changes: readonly Change[]): void;
  stop(): void;
}

/** News of how busy members are is taken in at most so often: a list that changes is looked up anew. */
const loadsEveryMs = 100;
const weightMax = 1_000_000;
const never: PeerId = '';

const share = (value: number): number | null => (value >= 0 && value <= 1 ? value : null);

/** Versions that promise to be compatible (semver.org, 4 and 8). */
const isLine = ({ version: a }: Entry, { version: b }: Entry): boolean =>
  a.major === b.major && (a.major > 0 || a.minor === b.minor);

const nobody: readonly Candidate[] = [];

export const createCandidates = (args: CandidatesArguments): Candidates => {
  const { self, clock, breakers, find } = args;
  const rooms = new Map<string, Room>();
  let stamp = 0;
  let view: Map<PeerId, MemberView> | null = null;
  let loadsDue = false;
  let viewedMs = Number.NEGATIVE_INFINITY;

  const renew = (): void => {
    view = null;
    loadsDue = false;
    stamp++;
  };
  const endBreakers = breakers.onChanged(() => stamp++);

  const members = (): Map<PeerId, MemberView> => {
    if (view !== null) return view;
    viewedMs = clock.nowMs();
    view = new Map(args.members().map((member) => [member.peer, member]));
    return view;
  };

  const mayBeCalled = (peer: PeerId): boolean => {
    if (peer === self || peer === never) return false;
    const member = members().get(peer);
    // The catalog may hear of somebody before membership does.
    return member === undefined ? args.isConnected(peer) : member.status === 'alive' || member.status === 'suspect';
  };

  const candidateOf = (service: string, { owner, offer }: Entry): Candidate => {
    const member = members().get(owner);
    const cost = offer.resources.cost;
    const { breaker, probes } = breakers.at(owner, service);
    return {
      ...{ node: owner, zone: null, breaker, probes: Math.max(0, probes) },
      region: member === undefined || member.region === '' ? null : member.region,
      weight: member === undefined || member.capacity <= 0 ? 1 : Math.min(member.capacity, weightMax),
      cost: typeof cost === 'number' && cost >= 0 && cost <= 1e12 ? cost : null,
      load: member === undefined ? null : share(member.load),
    };
  };

  const planOf = (service: string, found: readonly Entry[], isAnyLine: boolean): Plan => {
    const entries = new Map<PeerId, Entry>();
    // The highest version first: the first of an owner is his newest.
    for (const entry of found)
      if (!entries.has(entry.owner) && (isAnyLine || isLine(entry, found[0]!)) && mayBeCalled(entry.owner))
        entries.set(entry.owner, entry);
    const all = [...entries.values()].slice(0, balancerLimits.candidatesMax).map((entry) => candidateOf(service, entry));
    const offers = new Map(all.map(({ node }) => [node, entries.get(node)!.offer]));
    const straight = all.filter(({ node }) => args.isStraight(node));
    if (straight.length === 0 || straight.length === all.length) return { stamp, offers, list: all, around: nobody };
    return { stamp, offers, list: straight, around: all.filter(({ node }) => !straight.some((one) => one.node === node)) };
  };

  const isFresh = (plan: Plan | undefined): plan is Plan => plan?.stamp === stamp;

  /** One that was given up for it had no call under way. */
  const makeRoom = (service: string): Room | Failure => {
    if (rooms.size >= rpcLimits.roomsMax) {
      for (const [name, { calls }] of rooms) {
        if (calls > 0) continue;
        rooms.delete(name);
        break;
      }
      if (rooms.size >= rpcLimits.roomsMax)
        return failure('OVERLOADED', `calls of ${rooms.size} services are under way here, which is the most`);
    }
    const here = { zone: null, region: args.region === '' ? null : args.region };
    const nowMs = clock.nowMs();
    const balancer = createBalancer({ here, options: args.balancer, seed: args.seed(), nowMs });
    const room: Room = {
      ...{ service, balancer, budget: createBudget(args.budget, nowMs), plans: [new WeakMap(), new WeakMap()], calls: 0 },
    };
    rooms.set(service, room);
    return room;
  };

  return {
    room: (service) => rooms.get(service) ?? makeRoom(service),

    plan(room, { service, version, resources, capabilities }) {
      const found = find({
        ...{ name: service, kind: 'service', range: version ?? '*' },
        ...(resources === undefined ? undefined : { resources }),
        ...(capabilities === undefined ? undefined : { capabilities }),
      });
      if (!found.ok) return failure('INVALID_REQUEST', `${service}: ${found.message}`);
      if (loadsDue && clock.nowMs() - viewedMs >= loadsEveryMs) renew();
      const plans = room.plans[version === undefined ? 1 : 0];
      const known = plans.get(found.entries);
      if (isFresh(known)) return known;
      const plan = planOf(service, found.entries, version !== undefined);
      // Probes of a half-open breaker come and go without a word.
      if (plan.list.every(({ breaker }) => breaker !== 'half-open')) plans.set(found.entries, plan);
      return plan;
    },

    only(plan, peer) {
      const list = [...plan.list, ...plan.around].filter(({ node }) => node === peer);
      return list.length === 0 ? null : { ...plan, list };
    },

    memberOf: (peer) => members().get(peer) ?? null,

    changed(changes) {
      if (changes.length === 0 || changes.some(({ before, after }) => before !== after)) renew();
      else loadsDue = true;
    },

    stop: () => void endBreakers(),
  };
};
