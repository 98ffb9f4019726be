// Judges a few Raft machines after every step: at most one leader a term, logs that match, leaders that have everything
// committed, one value per index, and roles that change only as the chart allows (Raft Figure 3).
import assert from 'node:assert/strict';
import { createActor } from 'xstate';
import { type FactEvent, type RaftState, raftChart, standingOf } from '../../../machines/raft/index.ts';
import type { Entry, ReplicaId } from '../../../machines/raft/types.ts';

const textOf = (entry: Entry): string => `${entry.term}:${entry.kind}:${Buffer.from(entry.data).toString('latin1')}`;

/** Follows one life of one replica through the chart. */
export class Mapped {
  private readonly chart = createActor(raftChart).start();
  private facts = { standing: 'outsider', quiet: false };

  step(state: RaftState, cause: string): void {
    this.follow(state, cause);
    const value = this.chart.getSnapshot().value;
    const expected = {
      role: state.role,
      standing: standingOf(state),
      attention: state.quiet ? 'quiet' : 'awake',
      disk: state.halted ? 'halted' : 'working',
    };
    assert.deepEqual(value, expected, `${state.replica} after ${cause}`);
  }

  private follow(state: RaftState, cause: string): void {
    const standing = standingOf(state);
    const woke: FactEvent[] = this.facts.quiet && !state.quiet ? [{ type: 'WOKE' }] : [];
    const asleep: FactEvent[] = !this.facts.quiet && state.quiet ? [{ type: 'BECAME_QUIET' }] : [];
    const moved: FactEvent[] = this.facts.standing === standing ? [] : [{ type: becoming[standing] }];
    for (const event of [...woke, ...state.roleEvents, ...moved, ...asleep]) {
      const snapshot = this.chart.getSnapshot();
      assert.ok(
        snapshot.can(event),
        `${state.replica}: the chart has no ${event.type} in ${JSON.stringify(snapshot.value)} (${cause})`,
      );
      this.chart.send(event);
    }
    this.facts = { standing, quiet: state.quiet };
  }
}

const becoming = {
  voter: 'BECAME_VOTER',
  departing: 'BECAME_DEPARTING',
  learner: 'BECAME_LEARNER',
  outsider: 'BECAME_OUTSIDER',
} as const;

/** What the whole cluster has shown to the outside: it may never be taken back. */
export class Judge {
  /** Entries known to be committed by anybody, as text. */
  readonly committed = new Map<number, string>();
  /** Highest index that any replica has applied: what a client may have been told of. */
  acknowledged = 0;
  private leaders = new Map<number, ReplicaId>();
  private checkedTo = new Map<ReplicaId, number>();

  reset(id: ReplicaId): void {
    this.checkedTo.delete(id);
  }

  step(state: RaftState): void {
    this.commits(state);
    if (state.role !== 'leader') return;
    const other = this.leaders.get(state.term);
    assert.ok(
      other === undefined || other === state.replica,
      `two leaders in term ${state.term}: ${other} and ${state.replica}`,
    );
    if (other === undefined) this.completeness(state);
    this.leaders.set(state.term, state.replica);
  }

  /** State machine safety: whoever knows an index to be committed knows the same entry there. */
  private commits(state: RaftState): void {
    const { log } = state;
    const from = Math.max(this.checkedTo.get(state.replica) ?? 0, log.base.index) + 1;
    for (let index = from; index <= state.commit; index++) this.fix(index, textOf(log.entryAt(index)!), state.replica);
    this.checkedTo.set(state.replica, state.commit);
  }

  private fix(index: number, text: string, by: ReplicaId): void {
    const known = this.committed.get(index);
    assert.ok(known === undefined || known === text, `entry ${index} committed as ${known} and, by ${by}, as ${text}`);
    this.committed.set(index, text);
  }

  /** Leader completeness (Raft §5.4.3): a new leader's log has every entry that was committed before. */
  private completeness(state: RaftState): void {
    for (const [index, text] of this.committed) {
      if (index <= state.log.base.index) continue;
      const entry = state.log.entryAt(index);
      assert.ok(
        entry !== undefined && textOf(entry) === text,
        `leader ${state.replica} of ${state.term} lacks ${index}: ${text}`,
      );
    }
  }

  applied(entries: readonly Entry[], by: ReplicaId): void {
    for (const entry of entries) this.fix(entry.index, textOf(entry), by);
    this.acknowledged = Math.max(this.acknowledged, entries.at(-1)!.index);
  }

  /** Log matching (Raft §5.3): where two logs agree on index and term, they agree on everything before. */
  logsMatch(states: readonly RaftState[]): void {
    for (const [at, one] of states.entries()) for (const other of states.slice(at + 1)) matchLogs(one, other);
  }
}

const matchLogs = (a: RaftState, b: RaftState): void => {
  let agree = false;
  const first = Math.max(a.log.base.index, b.log.base.index) + 1;
  for (let index = Math.min(a.log.lastIndex, b.log.lastIndex); index >= first; index--) {
    const [x, y] = [a.log.entryAt(index)!, b.log.entryAt(index)!];
    agree ||= x.term === y.term;
    if (agree) assert.equal(textOf(x), textOf(y), `logs of ${a.replica} and ${b.replica} differ at ${index}`);
  }
};
