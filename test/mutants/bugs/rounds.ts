// Bugs of the rounds by which removed things are forgotten: each rule of docs/internals/replicator-rounds.md, left out or one round off.
import type { Mutant } from '../mutant.ts';

const ledger = 'machines/replicator/rounds-ledger.ts';
const replica = 'machines/replicator/rounds-replica.ts';
const objects = 'machines/replicator/objects.ts';

const rule = (name: string, sentence: string, file: string, find: string, replace: string): Mutant => ({
  ...{ name, sentence, from: 'own-history', hunted: { laws: 'machines/replicator/rounds' }, edits: [{ file, find, replace }] },
});

export const rounds: readonly Mutant[] = [
  rule(
    'permission-a-round-early',
    'A round may be entered with all that was made up to three rounds before, not two.',
    ...([ledger, 'roundAfter(self) - 2;', 'roundAfter(self) - 3;'] as const),
  ),
  rule(
    'permission-not-entered',
    'Permission for a round is given to one who has not entered the one before.',
    ...([replica, 'self.round !== (selfIn(state)?.round ?? -1)', 'false'] as const),
  ),
  rule(
    'stable-a-round-early',
    'A round counts as stable that somebody who is permitted the next one may not have.',
    ...([ledger, 'lowest - 2)', 'lowest - 1)'] as const),
  ),
  rule(
    'beginner-not-waited-for',
    'What is stable rises while somebody begins, who has nothing of it.',
    ...([ledger, 'const lowest = listed.reduce(', 'const lowest = listed.filter(({ round }) => round > 0).reduce('] as const),
  ),
  rule(
    'retired-not-waited-for',
    'What is stable rises while what a retired replica left is not everywhere.',
    ...([ledger, 'const isStill = retired.length > 0 ||', 'const isStill ='] as const),
  ),
  rule(
    'retired-forgotten-early',
    'What a retired replica left is waited for for two rounds, not three.',
    ...([ledger, 'lowest < at + 3', 'lowest < at + 2'] as const),
  ),
  rule(
    'retired-at-stable',
    'A retired replica is held for one that made nothing after the stable round.',
    ...([ledger, 'at: ledger.highest }', 'at: ledger.stable }'] as const),
  ),
  rule(
    'retired-wants-nothing',
    'No round is wanted for the sake of what a retired replica left.',
    ...([ledger, 'retired.reduce((latest, { at }) => Math.max(latest, at), last) + 3', 'last + 3'] as const),
  ),
  rule(
    'former-self-stays',
    'A node that comes under a new replica id leaves its former one listed.',
    ...([ledger, 'withoutListed(ledger, (one) => one.peer === peer)', 'withoutListed(ledger, () => false)'] as const),
  ),
  rule(
    'early-for-ever',
    'Whoever is listed late goes on as he is, as if nothing had been forgotten yet.',
    ...([ledger, 'const isEarly = highest <= roundsWithoutLoss;', 'const isEarly = true;'] as const),
  ),
  rule(
    'early-a-round-longer',
    'Whoever is listed when somebody is in round 3 goes on as he is.',
    ...([ledger, 'const isEarly = highest <= roundsWithoutLoss;', 'const isEarly = highest <= 3;'] as const),
  ),
  rule(
    'begins-in-the-past',
    'What a late replica brings counts as of rounds that others have left.',
    ...([ledger, 'begin: isEarly ? 1 : highest,', 'begin: isEarly ? 1 : highest - 2,'] as const),
  ),
  rule(
    'begins-with-nothing',
    'Who begins is given permission before it has what a member has.',
    ...([replica, '  if (self.round === 0 && !state.isBased) return null;\n', ''] as const),
  ),
  rule(
    'brought-as-it-was',
    'What a late replica brings keeps the rounds in which it was made alone.',
    ...([objects, '    object.state = object.type.retag(object.state, round);\n', ''] as const),
  ),
  rule(
    'edition-ignored',
    'A replica takes what one passes on that knows of newcomers of which it knows nothing.',
    ...([replica, ' || edition > (state.ledger?.edition ?? 0)', ''] as const),
  ),
  rule(
    'stranger-heard',
    'A replica takes what one says that is retired, or not listed.',
    ...([
      replica,
      "sender === undefined || sender.round === 0 ? 'stranger' : 'welcome'",
      "'welcome' as 'welcome' | 'stranger'",
    ] as const),
  ),
  rule(
    'beginner-heard',
    'A replica takes what one says that begins.',
    ...([replica, 'sender === undefined || sender.round === 0 ?', 'sender === undefined ?'] as const),
  ),
  rule(
    'own-round-as-left',
    'A replica tells that it has left the round in which it is.',
    ...([replica, '[state.self, self.round - 1]]', '[state.self, self.round]]'] as const),
  ),
  rule(
    'retired-goes-on',
    'A retired replica that comes back registers again under its old id.',
    ...([replica, "isRetired ? 'retired' : 'apart'", "'apart' as 'apart' | 'retired'"] as const),
  ),
  rule(
    'nothing-is-something',
    'An object of which nothing is left stays, where others have none.',
    ...([objects, '    if (object.type.isEmpty?.(object.state) === true) forgetObject(objects, object);\n  }', '  }'] as const),
  ),
  rule(
    'unlisted-takes',
    'A replica that is not listed yet takes what members say, and counts it as its own when it begins.',
    ...([replica, 'selfIn(state) === undefined || edition', 'state.ledger === null || edition'] as const),
  ),
];
