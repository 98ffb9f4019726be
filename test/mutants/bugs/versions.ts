// Bugs of upgrades: what is written before all can read it, what is migrated twice, and what goes with the last node that could follow it.
import type { Mutant } from '../mutant.ts';

const behind = 'actors/actor-replica-behind.ts';
const opening = 'actors/actor-replica-opening.ts';

const bug = (name: string, sentence: string, file: string, find: string, replace: string): Mutant => ({
  ...{ name, sentence, from: 'known-bugs', hunted: { scenario: 'actor-versions' }, edits: [{ file, find, replace }] },
});

/** No seed shows it soon: a test does. */
const seen = (laws: string, ...given: Parameters<typeof bug>): Mutant => ({ ...bug(...given), hunted: { laws } });

export const versions: readonly Mutant[] = [
  bug(
    'entries-before-all',
    'A leader enables entries that it reads itself, whether the others do or not.',
    ...([
      'actors/group-entries.ts',
      'const version = Math.min(newest, ...peers.map((peer) => reads.get(peer)!));',
      'const version = newest;',
    ] as const),
  ),
  bug(
    'actors-before-entries',
    'A leader writes entries about actors before the group uses them.',
    ...([
      'actors/group.ts',
      'whyNot: () => entries.whyNot(entryVersions.actors)',
      'whyNot: () => (entries.whyNot(entryVersions.actors), null)',
    ] as const),
  ),
  bug(
    'migrated-twice',
    'A state goes through its migrations a second time.',
    ...([
      opening,
      'const migrated = migrate(definition, version, persisted.snapshot);',
      'const once = migrate(definition, version, persisted.snapshot);\n  const migrated = once.ok ? migrate(definition, version, once.snapshot) : once;',
    ] as const),
  ),
  bug(
    'timer-without-code',
    'A leader rings timers of actors that it has no code for.',
    ...([
      'actors/actor-replica-reign.ts',
      'if (record.backlog.length > 0 || (host?.find(type, record.version) ?? null) === null) {',
      'if (record.backlog.length > 0 && host === null) {',
    ] as const),
  ),
  seen(
    ...([
      'actors/replica-versions',
      'last-word-unsaid',
      'The last node that could follow a version stops without telling what came of the last events.',
    ] as const),
    ...([behind, "if (record !== null && record.presence === 'live') this.#tellState(record, null);", ''] as const),
  ),
  seen(
    ...([
      'actors/replica-versions',
      'definite-too-soon',
      'Who asks for an actor is told that nobody can know its state, while one who knows it may come back.',
    ] as const),
    ...([behind, 'return others(group).some((peer) => !asked.lacking.has(peer));', 'return false;'] as const),
  ),
  seen(
    ...([
      'actors/entry-versions',
      'unreadable-skipped',
      'A replica takes an entry that it does not read for one that says nothing.',
    ] as const),
    ...([
      'actors/raft.ts',
      "entry.kind === 'command' && !replicated.reads(entry)",
      "entry.kind === 'configuration' && !replicated.reads(entry)",
    ] as const),
  ),
];
