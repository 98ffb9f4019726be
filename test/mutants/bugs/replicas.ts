// Bugs of replicated data: those that CRDTs are known for, and what a node may do wrong between its objects, its disk and the others.
import type { Mutant } from '../mutant.ts';

const scenario = 'replica';
const known = { from: 'known-bugs', hunted: { scenario } } as const;
const own = { from: 'own-history', hunted: { scenario } } as const;
/** Those that show too seldom, or repair themselves: what is promised is asked directly. */
const lawful = (laws: string) => ({ from: 'known-bugs', hunted: { laws } }) as const;
const log = 'actors/replica-log.ts';
const store = 'actors/replica-store.ts';
const types = 'machines/replicator';

export const replicas: readonly Mutant[] = [
  {
    name: 'delta-without-predecessor',
    sentence: 'A delta is applied although the one before it, of the same author, has not come.',
    ...known,
    edits: [{ file: `${types}/dots.ts`, find: 'count > known + 1 || !covers', replace: '!covers' }],
  },
  {
    name: 'removal-ahead',
    sentence: 'A delta is applied although it takes away what has not come.',
    ...lawful('machines/replicator/or-set'),
    edits: [{ file: `${types}/dots.ts`, find: 'count > known + 1 || !covers(vector, seen)', replace: 'count > known + 1' }],
  },
  {
    name: 'removed-returns',
    sentence: 'What was removed here is taken from whoever still has it: > for ≥ in dominance.',
    ...known,
    edits: [
      {
        file: `${types}/dots.ts`,
        find: 'if (countOf(vector, replica) >= count) continue',
        replace: 'if (countOf(vector, replica) > count) continue',
      },
    ],
  },
  {
    name: 'new-is-removed',
    sentence: 'What the other has not heard of is taken for what he has removed: ≥ for > in dominance.',
    ...known,
    edits: [
      {
        file: `${types}/dots.ts`,
        find: 'countOf(others, replica) < count) continue',
        replace: 'countOf(others, replica) + 1 < count) continue',
      },
    ],
  },
  {
    name: 'late-add-after-remove',
    sentence: 'An add that comes a second time, after it was removed, is an add again.',
    ...known,
    edits: [{ file: `${types}/dots.ts`, find: 'count > 0 && count <= known', replace: 'count > 0 && count < known' }],
  },
  {
    name: 'clear-without-context',
    sentence: 'Who clears a set does not say what he saw in it.',
    ...known,
    edits: [{ file: `${types}/or-set.ts`, find: '      orSetDots.gather(store, event.seen);\n', replace: '' }],
  },
  {
    name: 'key-removed-unseen',
    sentence: 'Removing a key of a map takes nothing away at others.',
    ...known,
    edits: [{ file: `${types}/or-map.ts`, find: '    kind.gather(there, event.seen);\n', replace: '' }],
  },
  {
    name: 'siblings-kept',
    sentence: 'A value that was overwritten knowingly stays as a sibling.',
    ...known,
    edits: [
      {
        file: `${types}/register.ts`,
        find: 'hasSibling(other.siblings, one) || !knows(other.vector, one[0], one[1])',
        replace: 'hasSibling(other.siblings, one) || one[1] > 0',
      },
    ],
  },
  {
    name: 'counter-adds-sums',
    sentence: 'Hearing of a sum adds it, each time.',
    ...known,
    edits: [
      {
        file: `${types}/pn-counter.ts`,
        find: 'put(state, at, [replica, Math.max(up, raised), Math.max(down, lowered)]);',
        replace: 'put(state, at, [replica, up + raised, down + lowered]);',
      },
    ],
  },
  {
    name: 'counter-tells-steps',
    sentence: 'A delta of a counter is the step and not the sum.',
    ...known,
    edits: [{ file: `${types}/g-counter.ts`, find: '    return [replica, sum];', replace: '    return [replica, by];' }],
  },
  {
    name: 'enable-loses',
    sentence: 'Of switches that knew nothing of each other disable wins in a flag that enable should win.',
    ...known,
    edits: [
      {
        file: `${types}/flag.ts`,
        find: "flagDots('flag', (switches) => switches.some(([, , on]) => on))",
        replace: "flagDots('flag', (switches) => switches.length > 0 && switches.every(([, , on]) => on))",
      },
    ],
  },
  {
    name: 'no-tombstone',
    sentence: 'A removed key of a map is forgotten at once, and an older put brings it back.',
    ...known,
    edits: [
      {
        file: `${types}/lww-map.ts`,
        find: '  state.entries.set(key, entry);',
        replace: '  if (entry.value === undefined) state.entries.delete(key);\n  else state.entries.set(key, entry);',
      },
    ],
  },
  {
    name: 'clock-goes-back',
    sentence: 'A write is stamped by the clock alone, also where it was set back.',
    ...known,
    edits: [
      {
        file: 'machines/versions/hybrid-clock.ts',
        find: 'clock.last = Math.max(clock.last + 1, Math.floor(wallMs) * perMs);',
        replace: 'clock.last = Math.floor(wallMs) * perMs;',
      },
      { file: `${types}/stamped.ts`, find: 'Math.max(stamp, before.stamp + 1)', replace: 'stamp' },
    ],
  },
  {
    name: 'clock-from-the-future',
    sentence: 'A stamp is believed and adopted however far ahead it is.',
    ...known,
    edits: [
      {
        file: 'machines/versions/hybrid-clock.ts',
        find: 'stampMs(stamp) <= wallMs + aheadMsMax',
        replace: 'stampMs(stamp) <= wallMs + 100 * aheadMsMax',
      },
    ],
  },
  {
    name: 'replica-id-reused',
    sentence: 'A replica goes on under its id although part of what it wrote is lost.',
    ...known,
    edits: [{ file: store, find: 'isHurt && known !== null ? ports.newReplicaId() : read.replica', replace: 'read.replica' }],
  },
  {
    name: 'lost-value-unseen',
    sentence: 'Nobody notices that a state is gone from the disk, or the beginning of the log (ceca682).',
    ...{ from: 'own-history', hunted: { laws: 'actors/replica-store' } },
    edits: [
      { file: store, find: 'if (missing !== 0 && base !== null) damaged', replace: 'if (missing > 1_000_000) damaged' },
      { file: store, find: 'let expected = base?.first ?? null;', replace: 'let expected: number | null = null;' },
    ],
  },
  {
    name: 'damage-noticed-again',
    sentence: 'Damage stays on the disk, and each start takes it for new and goes on under another replica id (ceca682).',
    ...own,
    edits: [{ file: store, find: '      if (isHurt) store.checkpoint(() => {});\n', replace: '' }],
  },
  {
    name: 'told-before-disk',
    sentence: 'Changes are told when they are made, not when they are on the disk.',
    ...known,
    edits: [
      {
        file: log,
        find: '      const bytes = addOwn(last.batch, object, record);\n',
        replace:
          '      const bytes = addOwn(last.batch, object, record);\n      tell({ bytes: last.batch.ink.bytes.slice(before, before + bytes), records: 1 });\n',
      },
    ],
  },
  {
    name: 'acknowledged-before-disk',
    sentence: 'A change is acknowledged when it is made, not when it is on the disk.',
    ...known,
    edits: [
      {
        file: log,
        find: "if (sync === 'write') last.dones.push(answer);",
        replace: "if (sync === 'write') answer(outcome);",
      },
    ],
  },
  {
    name: 'log-not-synced',
    sentence: 'The log is written, but not synced, before its changes are acknowledged.',
    ...known,
    edits: [
      {
        file: store,
        find: 'writer.write([{ key, value }], { durable: true }, done);',
        replace: 'writer.write([{ key, value }], { durable: false }, done);',
      },
    ],
  },
  {
    name: 'log-cut-before-states',
    sentence: 'The log is cut when a checkpoint begins, not when the states are written.',
    ...known,
    edits: [
      {
        file: store,
        find: '        log.bytes -= bytes;\n        cut(from, to, () => (isStopped ? finish() : bury(finish)));\n',
        replace: '        bury(finish);\n',
      },
      {
        file: store,
        find: '      next(null);\n',
        replace: '      log.bytes -= bytes;\n      cut(from, to, () => {});\n      next(null);\n',
      },
    ],
  },
  {
    name: 'heard-not-logged',
    sentence: 'What others told is not logged, and what is made upon it is.',
    ...known,
    edits: [
      {
        file: 'actors/replica-deltas.ts',
        find: 'if (records > 0) log.appendHeard(packed.subarray(begin, to), records);',
        replace: '',
      },
      { file: 'actors/replica-deltas.ts', find: "if (heard === 'changed') log.appendHeard(packed, 1);", replace: '' },
    ],
  },
  {
    name: 'repaired-not-logged',
    sentence: 'What came by repair is not logged, and what is made upon it is.',
    ...known,
    edits: [
      {
        file: 'actors/replica-repair.ts',
        find: '    log.appendState(type, key, form);\n',
        replace: '',
      },
    ],
  },
  {
    name: 'never-compared',
    sentence: 'Nodes do not compare their objects: what gossip lost is lost.',
    ...known,
    edits: [
      {
        file: 'actors/replica-repair.ts',
        find: '    fresh.delete(peer);\n    args.greet(peer);\n',
        replace: '    fresh.delete(peer);\n',
      },
    ],
  },
  {
    name: 'digest-not-renewed',
    sentence: 'The digest of an object that changed is that of what it was: what looks the same is not compared.',
    ...known,
    edits: [{ file: `${types}/objects.ts`, find: '  objects.trie.touch(object.slot);\n', replace: '' }],
  },
  {
    name: 'insert-order-of-arrival',
    sentence: 'Of elements inserted at one place the one that came first stands first, wherever.',
    ...known,
    edits: [
      {
        file: `${types}/sequence-tree.ts`,
        find: '  if (a.replica !== b.replica) return a.replica < b.replica ? -1 : 1;',
        replace: '  if (a.replica !== b.replica) return -1;',
      },
    ],
  },
  {
    name: 'removal-of-what-is-not-here',
    sentence: 'Removing elements that have not come is done with, and they come later.',
    ...lawful('machines/replicator/sequence'),
    edits: [
      {
        file: `${types}/sequence.ts`,
        find: "  if (runs.some(([replica, , to]) => countOf(vector, replica) < to)) return 'gap';\n",
        replace: "  if (runs.length === 0 || vector.length === 0) return 'gap';\n",
      },
    ],
  },
  {
    name: 'tie-goes-to-nobody',
    sentence: 'Of writes with equal stamps each replica keeps the one that it heard of first.',
    ...lawful('machines/replicator/lww-register'),
    edits: [
      {
        file: `${types}/stamped.ts`,
        find: 'a.stamp - b.stamp || (a.replica < b.replica ? -1 : a.replica > b.replica ? 1 : 0)',
        replace: 'a.stamp - b.stamp',
      },
    ],
  },
  {
    name: 'write-older-than-overwritten',
    sentence: 'A write of a node whose clock went back is older than what it overwrites.',
    ...lawful('machines/replicator/lww-register'),
    edits: [{ file: `${types}/stamped.ts`, find: 'Math.max(stamp, before.stamp + 1)', replace: 'stamp' }],
  },
  {
    name: 'tombstone-collected-early',
    sentence: 'Tombstones of the stable round are collected, and not only those of the rounds before.',
    ...lawful('machines/replicator/lww-map'),
    edits: [{ file: `${types}/lww-map.ts`, find: 'round < stable) entries', replace: 'round <= stable) entries' }],
  },
  {
    name: 'old-news-taken',
    sentence: 'What comes late, of a round that all have, is put where its tombstone has been collected.',
    ...lawful('machines/replicator/lww-map'),
    edits: [
      {
        file: `${types}/lww-map.ts`,
        find: 'here === undefined ? entry.round <= stable : !isLater',
        replace: 'here === undefined ? false : !isLater',
      },
    ],
  },
  {
    name: 'remove-takes-unseen',
    sentence: 'Who removes an element takes away adds that he has not seen.',
    ...lawful('machines/replicator/or-set'),
    edits: [
      {
        file: `${types}/or-set.ts`,
        find: 'joinDots(here ?? none, none, none, seen)',
        replace: 'dot === null ? none : joinDots(here ?? none, none, none, seen)',
      },
    ],
  },
  {
    name: 'set-by-arrival',
    sentence: 'Equal sets have different bytes: elements stand in the order in which they came.',
    ...lawful('machines/replicator/or-set'),
    edits: [{ file: `${types}/or-set.ts`, find: 'as unknown[]).sort(byFirstDot)', replace: 'as unknown[])' }],
  },
  {
    name: 'empty-key-kept',
    sentence: 'A key of a map stays when nothing is in it any more.',
    ...lawful('machines/replicator/or-map'),
    edits: [{ file: `${types}/or-map.ts`, find: 'if (kinds[of].isEmpty(child)) {', replace: 'if (child === null) {' }],
  },
  {
    name: 'map-counts-steps',
    sentence: 'A step of a counter inside a map forgets those before it.',
    ...lawful('machines/replicator/or-map'),
    edits: [{ file: `${types}/inside.ts`, find: 'own ?? [0, 0]', replace: 'own === undefined ? [0, 0] : [0, 0]' }],
  },
  {
    name: 'flag-of-the-highest',
    sentence: 'A flag shows the switch of the highest replica.',
    ...lawful('machines/replicator/flag'),
    edits: [{ file: `${types}/flag.ts`, find: 'switches.some(([, , on]) => on)', replace: 'switches.at(-1)?.[2] === true' }],
  },
];
