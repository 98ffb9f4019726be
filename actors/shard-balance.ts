// Looks now and then who should lead the groups that hold actors, and hands over what this node leads and another should: what
// machines/entity decides (placement.ts, balance.ts), from what this node knows of the others.
import { type BalanceOptions, createBalance, type LedGroup, nextHandover } from '../machines/entity/balance.ts';
import { type Hosted, lacks } from '../machines/entity/hosted.ts';
import { type GroupToLead, type LeaderCandidate, preferredLeaders } from '../machines/entity/placement.ts';
import type { MemberView } from '../machines/membership/index.ts';
import { isVoter, type RaftState } from '../machines/raft/index.ts';
import type { Member as Replica } from '../machines/raft/types.ts';
import type { ShardFacts } from './actor-shards.ts';
import type { Leaderships } from './leadership.ts';
import type { ClockPort, PeerId, SinkPort } from './ports/index.ts';
import type { ShardView, VoterStanding } from './shard-api.ts';

/** Entries that a new leader may lack: they are on their way. */
const behindMax = 256;
const nothing: Hosted = new Map();

export type ShardBalanceArguments = {
  name: string;
  self: PeerId;
  clock: Pick<ClockPort, 'nowMs'>;
  sink: SinkPort;
  options: BalanceOptions;
  leaderships: Leaderships;
  facts: ShardFacts;
  members: () => readonly MemberView[];
  /** What a connected peer hosts. */
  hostedAt: (peer: PeerId) => Hosted;
};

export interface ShardBalance {
  /** Hands over at most one group. */
  look(): void;
  /** This node stops: hands over all that it leads, at once. */
  drain(): void;
  /** It begins to lead the group, or does not any more. */
  led(group: string, leads: boolean): void;
}

export const createShardBalance = (args: ShardBalanceArguments): ShardBalance => {
  const { name, self, clock, sink, options, leaderships, facts, hostedAt } = args;
  const state = createBalance(clock.nowMs());
  const leadsSinceMs = new Map<string, number>();
  /** Groups of which this node lacks more than another. */
  const unfit = new Set<string>();
  const standings = new Map<string, ShardView['voters']>();

  const votersOf = (raft: RaftState): Replica[] =>
    raft.configuration.voters.flatMap((id) => raft.configuration.members[id] ?? []);

  const hosted = (peer: PeerId): Hosted => (peer === self ? facts.hosted() : hostedAt(peer));

  /** Voters that are there, and of those the ones that lack least of what the group needs. */
  const candidates = (
    group: string,
    voters: readonly Replica[],
    members: ReadonlyMap<PeerId, MemberView>,
    wanted: ReadonlySet<string>,
  ): LeaderCandidate[] => {
    const persisted = facts.host()?.persisted?.(group) ?? nothing;
    const there = voters.flatMap(({ name: voter, peer }) => {
      const member = members.get(peer);
      if (member?.status !== 'alive' || member.state !== 'ready') return [];
      const { capacity, region } = member;
      return [{ lacking: lacks(hosted(peer), wanted, persisted), one: { name: voter, capacity, zone: region } }];
    });
    const least = Math.min(...there.map(({ lacking }) => lacking));
    const able = there.filter(({ lacking }) => lacking === least).map(({ one }) => one);
    if (there.some(({ one, lacking }) => one.name === name && lacking > least)) unfit.add(group);
    const standingOf = ({ name: voter, peer }: Replica): VoterStanding => {
      if (able.some((one) => one.name === voter)) return 'able';
      if (members.get(peer)?.status !== 'alive') return 'away';
      return there.some(({ one }) => one.name === voter) ? 'lacking' : 'not-ready';
    };
    standings.set(
      group,
      voters.map((voter) => ({ node: voter.name, standing: standingOf(voter) })),
    );
    return able;
  };

  /** Handing over would cost those who wait no more than a moment. */
  const isReady = (raft: RaftState, to: string): boolean => {
    const { configuration, configurationIndex, commit, reconfiguration, transfer, log, quiet } = raft;
    if (configuration.outgoing !== null || reconfiguration !== null || transfer !== null || configurationIndex > commit)
      return false;
    const progress = raft.progress.get(to);
    if (progress === undefined || progress.regressed || progress.mode !== 'replicate' || !isVoter(configuration, to))
      return false;
    const wasHeard = quiet || clock.nowMs() - progress.heardMs <= raft.options.electionTimeoutMinMs;
    return wasHeard && log.lastIndex - progress.match <= behindMax;
  };

  const replicaOf = (raft: RaftState, node: string): string | null =>
    votersOf(raft).find((voter) => voter.name === node)?.replica ?? null;

  const ledGroup = (group: string, raft: RaftState): LedGroup => {
    const wish = facts.preferred.get(group) ?? null;
    const preferred = wish === name ? null : wish;
    const to = preferred === null ? null : replicaOf(raft, preferred);
    const sinceMs = leadsSinceMs.get(group) ?? clock.nowMs();
    const goes = to !== null && isReady(raft, to);
    return { group, preferred, leadsSinceMs: sinceMs, isReady: goes, isUrgent: unfit.has(group) };
  };

  /** Who should lead what; null where nobody hosts actors of the cluster: then it is not this one's business. */
  const prefer = (isWell: (peer: PeerId) => boolean): ReadonlyMap<string, RaftState> | null => {
    const members = new Map(args.members().flatMap((member) => (isWell(member.peer) ? [[member.peer, member] as const] : [])));
    const replicas = new Map(
      facts.groups().flatMap((group) => {
        const raft = leaderships.of(group).replica();
        return raft === null ? [] : [[group, raft] as const];
      }),
    );
    const voters = new Map([...replicas].map(([group, raft]) => [group, votersOf(raft)]));
    const wanted = new Set([...voters.values()].flat().flatMap(({ peer }) => [...hosted(peer).keys()]));
    if (wanted.size === 0) return null;
    unfit.clear();
    const groups = [...voters].map(
      ([group, of]): GroupToLead => ({ group, candidates: candidates(group, of, members, wanted) }),
    );
    facts.preferred = preferredLeaders(groups);
    facts.voters = standings;
    return replicas;
  };

  const led = (replicas: ReadonlyMap<string, RaftState>): LedGroup[] =>
    [...replicas].flatMap(([group, raft]) => (leaderships.of(group).reign() === null ? [] : [ledGroup(group, raft)]));

  const handOver = (group: string, to: string, replicas: ReadonlyMap<string, RaftState>): void => {
    const replica = replicaOf(replicas.get(group)!, to);
    if (replica === null) return;
    sink.log('info', 'LEADER_MOVES', `${name} hands '${group}' to ${to}, who should lead it`, { group });
    sink.count('shard_handovers_total', { group });
    leaderships.of(group).transfer(replica);
  };

  let isDraining = false;
  return {
    look() {
      const replicas = isDraining ? null : prefer(() => true);
      if (replicas === null) return;
      const next = nextHandover(state, options, clock.nowMs(), led(replicas));
      if (next !== null) handOver(next.group, next.to, replicas);
    },
    drain() {
      isDraining = true;
      const replicas = prefer((peer) => peer !== self);
      for (const { group, preferred, isReady: goes } of replicas === null ? [] : led(replicas))
        if (preferred !== null && goes) handOver(group, preferred, replicas!);
    },
    led(group, leads) {
      if (!leads) leadsSinceMs.delete(group);
      else if (!leadsSinceMs.has(group)) leadsSinceMs.set(group, clock.nowMs());
    },
  };
};
