// Which Node this runs on. Imports nothing: it must load on a Node that is too old for everything else.

const majorMin = 22;
const minorMin = 18;

/** What is wrong with the Node of that version, or null. */
export const runtimeProblem = (version: string): string | null => {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > majorMin || (major === majorMin && minor >= minorMin)) return null;
  return `polity needs Node ${majorMin}.${minorMin} or newer, this is ${version}`;
};
