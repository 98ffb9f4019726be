// What a registry holds and cannot be used is left out and said once, not at every answer: a foreign entry may stay there for years.
import type { Finding, SinkPort } from '../../actors/ports/index.ts';
import { sourceLimits } from './source.ts';

const keptMax = 256;
const wordsCharsMax = 128;

/** Words of others, fit for a line of a log. */
const plain = (text: string): string => text.replace(/[^\x20-\x7e]/g, '?').slice(0, wordsCharsMax);

export type LeaveOut = (what: string, problem: string) => void;

export const leaveOut = (sink: SinkPort, source: string): LeaveOut => {
  const said = new Set<string>();
  return (what, problem) => {
    const line = `'${plain(what)}' ${plain(problem)}`;
    if (said.has(line) || said.size >= keptMax) return;
    said.add(line);
    sink.log('warn', 'SOURCE_ENTRY_IGNORED', `${line}: it is left out`, { source });
  };
};

/** As many as an answer may hold; those that work before those that do not. */
export const cut = (findings: Finding[], say: LeaveOut, where: string): Finding[] => {
  if (findings.length <= sourceLimits.findingsMax) return findings;
  say(where, `has more than ${sourceLimits.findingsMax} members; what is beyond`);
  return findings.toSorted((one, other) => Number(other.healthy) - Number(one.healthy)).slice(0, sourceLimits.findingsMax);
};
