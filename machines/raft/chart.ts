// The roles of a replica as a chart that a person can read (Raft Figure 4, with pre-vote). `step` is the program and this is
// its map: tests hold every change of role, standing, attention and disk that a step makes against it, and nothing runs on it.
import { and, createMachine, or, stateIn } from 'xstate';

/** Why a role changes. */
export type RoleEvent = {
  type:
    | 'ELECTION_DUE'
    | 'PRE_VOTE_WON'
    | 'VOTE_WON'
    | 'VOTE_LOST'
    | 'LEADER_HEARD'
    | 'HIGHER_TERM_SEEN'
    /** Another pre-candidate or candidate of the same term is let past. */
    | 'GAVE_WAY'
    | 'TOLD_TO_CAMPAIGN'
    | 'QUORUM_LOST'
    /** The configuration that leaves this leader out is committed (Raft §6). */
    | 'LEFT'
    | 'WRITE_FAILED'
    /** Who was told to take over has not: this leader may be elected anew, and has a lease again then. */
    | 'TRANSFER_UNANSWERED';
};

/** What the configuration in force makes of this replica, and whether its timers rest. */
export type FactEvent = {
  type: 'BECAME_VOTER' | 'BECAME_DEPARTING' | 'BECAME_LEARNER' | 'BECAME_OUTSIDER' | 'BECAME_QUIET' | 'WOKE';
};

const mayCampaign = and([
  or([stateIn({ standing: 'voter' }), stateIn({ standing: 'departing' })]),
  stateIn({ disk: 'working' }),
]);
const follower = { target: 'follower' };

export const raftChart = createMachine({
  types: {} as { events: RoleEvent | FactEvent },
  id: 'replica',
  type: 'parallel',
  states: {
    role: {
      initial: 'follower',
      on: { WRITE_FAILED: '.follower' },
      states: {
        follower: {
          on: {
            ELECTION_DUE: { target: 'pre-candidate', guard: mayCampaign },
            TOLD_TO_CAMPAIGN: { target: 'candidate', guard: mayCampaign },
          },
        },
        'pre-candidate': {
          on: {
            ELECTION_DUE: { target: 'pre-candidate', guard: mayCampaign, reenter: true },
            PRE_VOTE_WON: { target: 'candidate', guard: mayCampaign },
            VOTE_LOST: follower,
            LEADER_HEARD: follower,
            HIGHER_TERM_SEEN: follower,
            GAVE_WAY: follower,
          },
        },
        candidate: {
          on: {
            VOTE_WON: { target: 'leader', guard: mayCampaign },
            ELECTION_DUE: { target: 'pre-candidate', guard: mayCampaign },
            VOTE_LOST: follower,
            LEADER_HEARD: follower,
            HIGHER_TERM_SEEN: follower,
          },
        },
        leader: {
          on: { HIGHER_TERM_SEEN: follower, QUORUM_LOST: follower, LEFT: follower, TRANSFER_UNANSWERED: follower },
        },
      },
    },
    standing: {
      initial: 'outsider',
      on: {
        BECAME_VOTER: '.voter',
        BECAME_DEPARTING: '.departing',
        BECAME_LEARNER: '.learner',
        BECAME_OUTSIDER: '.outsider',
      },
      states: { outsider: {}, learner: {}, voter: {}, departing: {} },
    },
    attention: {
      initial: 'awake',
      states: {
        awake: {
          on: {
            // Only who follows or leads has somebody to be quiet with.
            BECAME_QUIET: [
              { target: 'quiet', guard: stateIn({ role: 'follower' }) },
              { target: 'quiet', guard: stateIn({ role: 'leader' }) },
            ],
          },
        },
        quiet: { on: { WOKE: 'awake' } },
      },
    },
    disk: {
      initial: 'working',
      states: { working: { on: { WRITE_FAILED: 'halted' } }, halted: {} },
    },
  },
});
