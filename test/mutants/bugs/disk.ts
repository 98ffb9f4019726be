// Bugs between the log and the disk: what is said, synced, written in one piece, and believed at the next start.
import type { Mutant } from '../mutant.ts';

export const disk: readonly Mutant[] = [
  {
    name: 'said-before-sync',
    sentence: 'Acknowledgements and votes leave when their write is handed over, not when it is on the disk.',
    from: 'known-bugs',
    edits: [
      {
        file: 'actors/raft.ts',
        find: '    persisting = true;\n    writer.write(',
        replace: '    persisting = true;\n    for (const message of effect.messages) send(message);\n    writer.write(',
      },
      {
        file: 'actors/raft.ts',
        find: '    for (const message of messages) send(message);\n    run(',
        replace: '    void messages;\n    run(',
      },
    ],
  },
  {
    name: 'not-synced',
    sentence: 'The log is written, but not synced, before it is acknowledged.',
    from: 'known-bugs',
    edits: [
      {
        file: 'actors/raft.ts',
        find: '      store.persist(effect),\n      { durable: true },',
        replace: '      store.persist(effect),\n      { durable: false },',
      },
    ],
  },
  {
    name: 'sync-lost-in-merge',
    sentence: 'A batch that must be synced is not, once a write that need not be is merged into it.',
    from: 'known-bugs',
    edits: [{ file: 'actors/writer.ts', find: 'batch.durable ||= durable;', replace: 'batch.durable = durable;' }],
  },
  {
    name: 'sync-error-ignored',
    sentence: 'A write that failed is taken for one that succeeded.',
    from: 'known-bugs',
    edits: [
      {
        file: 'actors/raft.ts',
        find: '        if (why !== null) return failed();\n',
        replace: '        void why;\n',
      },
    ],
  },
  {
    name: 'persist-in-pieces',
    sentence: 'What must be written at once is written in two steps.',
    from: 'known-bugs',
    edits: [
      {
        file: 'actors/writer.ts',
        find: '    storage.write([...batch.operations.values()], { durable: batch.durable }, (why) => finish(batch, why));',
        replace:
          '    const all = [...batch.operations.values()];\n    const half = all.length >> 1;\n    const { durable } = batch;\n    storage.write(all.slice(half), { durable }, (first) =>\n      storage.write(all.slice(0, half), { durable }, (why) => finish(batch, first ?? why)),\n    );',
      },
    ],
  },
  {
    name: 'torn-log-votes',
    sentence: 'A log with a damaged batch counts as one that ends before it, and its replica votes on.',
    from: 'known-bugs',
    edits: [
      {
        file: 'actors/raft-restore.ts',
        find: '        for (const [key, value] of page) addBatch(key, value, base?.index ?? 0, batches, entries);\n      } catch (error) {\n        problem = (error as Error).message;\n      }',
        replace:
          '        for (const [key, value] of page) addBatch(key, value, base?.index ?? 0, batches, entries);\n      } catch {\n        view.close();\n        return finish();\n      }',
      },
    ],
  },
];
