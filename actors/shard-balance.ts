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

export const createShardBalance = (args: ShardBalanceArguments): { look(): void; led(group: string, leads: boolean): void } => {
  const { name, self, clock, sink, options, leaderships, facts, hostedAt } = args;
  const state = createBalance(clock.nowMs());
  const leadsSinceMs = new Map<string, number>();

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
    const able = voters.flatMap(({ name: voter, peer }) => {
      const member = members.get(peer);
      if (member?.status !== 'alive' || member.state !== 'ready') return [];
      const { capacity, region } = member;
      return [{ lacking: lacks(hosted(peer), wanted, persisted), one: { name: voter, capacity, zone: region } }];
    });
    const least = Math.min(...able.map(({ lacking }) => lacking));
    return able.filter(({ lacking }) => lacking === least).map(({ one }) => one);
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
    return { group, preferred, leadsSinceMs: sinceMs, isReady: to !== null && isReady(raft, to) };
  };

  return {
    look() {
      const members = new Map(args.members().map((member) => [member.peer, member]));
      const replicas = new Map(
        facts.groups().flatMap((group) => {
          const raft = leaderships.of(group).replica();
          return raft === null ? [] : [[group, raft] as const];
        }),
      );
      const voters = new Map([...replicas].map(([group, raft]) => [group, votersOf(raft)]));
      const wanted = new Set([...voters.values()].flat().flatMap(({ peer }) => [...hosted(peer).keys()]));
      // Where nobody hosts actors of the cluster, who leads is not this one's business.
      if (wanted.size === 0) return;
      const groups = [...voters].map(
        ([group, of]): GroupToLead => ({ group, candidates: candidates(group, of, members, wanted) }),
      );
      facts.preferred = preferredLeaders(groups);
      const led = [...replicas].flatMap(([group, raft]) =>
        leaderships.of(group).reign() === null ? [] : [ledGroup(group, raft)],
      );
      const next = nextHandover(state, options, clock.nowMs(), led);
      if (next === null) return;
      const to = replicaOf(replicas.get(next.group)!, next.to);
      if (to === null) return;
      sink.log('info', 'LEADER_MOVES', `${name} hands '${next.group}' to ${next.to}, who should lead it`, {
        group: next.group,
      });
      sink.count('shard_handovers_total', { group: next.group });
      leaderships.of(next.group).transfer(to);
    },
    led(group, leads) {
      if (!leads) leadsSinceMs.delete(group);
      else if (!leadsSinceMs.has(group)) leadsSinceMs.set(group, clock.nowMs());
    },
  };
};
