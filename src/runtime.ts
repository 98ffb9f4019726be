// Which Node this runs on. Imports nothing: it must load on a Node that is too old for everything else.

const majorMin = 22;
const minorMin = 18;

/** What is wrong with the Node of that version, or null. */
export const runtimeProblem = (version: string): string | null => {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > majorMin || (major === majorMin && minor >= minorMin)) return null;
  return `polity needs Node ${majorMin}.${minorMin} or newer, this is ${version}`;
};

/**
 * How Node runs the command: the first line of src/cli/main.ts says the same. V8 lets the young generation of an idle process grow to
 * 32 MB of garbage and keeps them; with half of that a node is as fast (docs/internals/raft.md) and nearly 30 MB smaller.
 */
export const nodeFlags: readonly string[] = ['--max-semi-space-size=8'];
