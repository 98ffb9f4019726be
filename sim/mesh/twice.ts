// A seed of a mesh is run twice, with another in between, to show where the two part if they do.
import { type MeshResult, type MeshRunOptions, runMeshSeed } from './swarm.ts';

export type MeshTwice =
  | { same: true; result: MeshResult }
  | { same: false; result: MeshResult; line: number; first: string; second: string };

const linesMax = 2_000_000;

export const runMeshTwice = (seed: number, options: MeshRunOptions = {}): MeshTwice => {
  const first = runMeshSeed(seed, { ...options, linesMax });
  runMeshSeed(seed ^ 0x5eed, { nodes: 3, timeMs: 1_000 });
  const second = runMeshSeed(seed, { ...options, linesMax });
  if (first.hash === second.hash) return { same: true, result: first };
  const longest = Math.max(first.lines.length, second.lines.length);
  let line = 0;
  while (line < longest && first.lines[line] === second.lines[line]) line++;
  const at = ({ lines }: MeshResult): string => lines[line] ?? '(it ends here)';
  return { same: false, result: first, line: line + 1, first: at(first), second: at(second) };
};
