// Majorities against their dumb twins: try every subset.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { majorityValue, quorumValue, type VoteResult, voteResult } from '../../../machines/raft/quorum.ts';
import type { Configuration, ReplicaId } from '../../../machines/raft/types.ts';

const ids = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
const someIds = fc.subarray(ids);
const configurations: fc.Arbitrary<Configuration> = fc
  .record({ voters: fc.subarray(ids, { minLength: 1 }), outgoing: fc.option(fc.subarray(ids, { minLength: 1 })) })
  .map(({ voters, outgoing }) => ({ voters, outgoing, learners: [], learnersNext: [], members: {} }));
const values = fc.array(fc.nat(20), { minLength: ids.length, maxLength: ids.length });

const isMajority = (voters: readonly ReplicaId[], those: readonly ReplicaId[]): boolean =>
  voters.filter((id) => those.includes(id)).length * 2 > voters.length;

const decides = ({ voters, outgoing }: Configuration, those: readonly ReplicaId[]): boolean =>
  isMajority(voters, those) && (outgoing === null || isMajority(outgoing, those));

/** The twin: the greatest value that a deciding set of replicas has reached. */
const slowQuorumValue = (configuration: Configuration, of: (id: ReplicaId) => number): number =>
  Math.max(
    ...ids.map(of).filter((value) =>
      decides(
        configuration,
        ids.filter((id) => of(id) >= value),
      ),
    ),
    0,
  );

test('the quorum value is the greatest that every majority needed has reached', () => {
  fc.assert(
    fc.property(configurations, values, (configuration, given) => {
      const of = (id: ReplicaId): number => given[ids.indexOf(id)]!;
      assert.equal(quorumValue(configuration, of), slowQuorumValue(configuration, of));
    }),
  );
});

test('a vote is won by a deciding set, lost when none can come about any more', () => {
  fc.assert(
    fc.property(configurations, someIds, someIds, (configuration, granting, answering) => {
      const votes = new Map(answering.map((id) => [id, granting.includes(id)]));
      const granted = answering.filter((id) => granting.includes(id));
      const possible = ids.filter((id) => votes.get(id) !== false);
      const expected: VoteResult = decides(configuration, granted)
        ? 'won'
        : decides(configuration, possible)
          ? 'pending'
          : 'lost';
      assert.equal(voteResult(configuration, votes), expected);
    }),
  );
});

test('two winning votes of one configuration, or of a joint one and either of its halves, share a voter', () => {
  fc.assert(
    fc.property(configurations, someIds, someIds, (joint, first, second) => {
      const halves = [joint.voters, ...(joint.outgoing === null ? [] : [joint.outgoing])];
      if (!decides(joint, first)) return;
      for (const voters of halves)
        if (isMajority(voters, second)) assert.ok(first.some((id) => second.includes(id) && voters.includes(id)));
    }),
  );
});

test('nobody is a majority of nobody: an empty set holds nothing back, and decides nothing by itself', () => {
  assert.equal(
    majorityValue([], () => 0),
    Number.POSITIVE_INFINITY,
  );
});
