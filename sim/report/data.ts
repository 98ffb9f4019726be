// Everything that a report shows, put together: the run, what was recorded of it, and the commands that repeat it. Plain data; how it
// looks is decided by text.ts and html.ts.
import type { Chronicle } from '../chronicle.ts';
import type { FaultDone } from '../nemesis/index.ts';
import type { RunResult } from '../swarm.ts';
import { type Call, callsOf, type FailingPart } from './calls.ts';

export type ReportData = {
  readonly result: RunResult;
  /** The command that gives this run again. */
  readonly repeat: string;
  /** Where this run came from, if it was made smaller. */
  readonly shrunkFrom: { readonly repeat: string; readonly was: string; readonly is: string } | null;
  readonly version: string;
  readonly nodes: readonly string[];
  readonly calls: readonly Call[];
  readonly part: FailingPart | null;
  readonly chronicle: Chronicle;
};

export type ReportSource = Pick<ReportData, 'result' | 'repeat' | 'shrunkFrom' | 'version' | 'part' | 'chronicle'>;

export const reportData = (source: ReportSource): ReportData => ({
  ...source,
  nodes: Array.from({ length: source.result.knobs.nodes }, (_, at) => `n${at + 1}`),
  calls: callsOf(source.result.history),
});

export const verdictSentence: Record<RunResult['verdict'], string> = {
  held: 'Every promise held.',
  crash: 'A process ended with an exception that nobody caught.',
  liveness: 'The cluster did not come back in time after everything was mended.',
  correctness: 'A promise was broken.',
};

/** Knobs and what they were drawn as, in words that fit a cell. */
export const drawnOf = ({ knobs }: RunResult): [name: string, value: string][] =>
  Object.entries(knobs).map(([name, value]) => [
    name.replaceAll(/([A-Z])/g, (letter) => ` ${letter.toLowerCase()}`),
    describeKnob(value),
  ]);

const describeKnob = (value: unknown): string => {
  if (Array.isArray(value)) {
    if (value.length === 2 && value.every((bound) => typeof bound === 'number')) return `${value[0]} to ${value[1]}`;
    return value.length === 0 ? 'none' : value.map(String).join(', ');
  }
  if (typeof value === 'object' && value !== null) return JSON.stringify(value);
  return String(value);
};

/** Names of nodes that a fault's `where` speaks of. */
export const nodesOf = ({ where }: Pick<FaultDone, 'where'>, nodes: readonly string[]): string[] => {
  const words = new Set(where.split(/[^\w-]+/));
  return nodes.filter((node) => words.has(node));
};

/** `3.208 s`, `1 min 4.2 s`: of virtual time. */
export const secondsText = (ms: number): string => {
  if (ms < 60_000) return `${(ms / 1_000).toFixed(3)} s`;
  const minutes = Math.floor(ms / 60_000);
  return `${minutes} min ${((ms - minutes * 60_000) / 1_000).toFixed(1)} s`;
};
