// Bugs of durable runs of graphs: what is done twice, forgotten or never ended when a leader is lost.
import type { Mutant } from '../mutant.ts';

const file = 'machines/graph/durable.ts';

const bug = (name: string, sentence: string, find: string, replace: string): Mutant => ({
  ...{ name, sentence, from: 'known-bugs', hunted: { laws: 'machines/graph/durable' }, edits: [{ file, find, replace }] },
});

export const graphs: readonly Mutant[] = [
  bug(
    'graph-call-made-twice',
    'A call that is not idempotent is made again by the next leader.',
    ...(['if (!run.idempotent.has(was.planned)) {', 'if (was.planned === null) {'] as const),
  ),
  bug(
    'graph-interruption-stale',
    'What is told of a call that was made again since interrupts the call that was made in its place.',
    ...(['of === null || childOf(context, of) !== id ? null', 'of === null ? null'] as const),
  ),
  bug(
    'graph-call-not-stopped',
    'A call that has ended is left among those under way.',
    ...([
      'return { ...turn, wanted: [{ starts: false, id: childOf(context, of) }, ...turn.wanted] };',
      'return turn;',
    ] as const),
  ),
  bug(
    'graph-time-stands-still',
    'Nobody is told of the time when a run wakes, so that its time is never over.',
    ...([
      "advance(context, run, atMs, { type: 'wake' }) : interrupted(",
      "advance(context, run, run.nowMs, { type: 'wake' }) : interrupted(",
    ] as const),
  ),
  bug(
    'graph-begun-twice',
    'A request that is repeated begins the run from its beginning.',
    ...(["  if (context.phase !== 'new') return null;\n", ''] as const),
  ),
];
