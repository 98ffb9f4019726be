// Everything that a report shows, put together: the run, what was recorded of it, and the commands that repeat it. Plain data; how it
// looks is decided by text.ts and html.ts.
import type { Chronicle } from '../chronicle.ts';
import type { Knobs } from '../knobs.ts';
import type { FaultDone } from '../nemesis/index.ts';
import type { RunResult } from '../swarm.ts';
import { type Call, callsOf, type FailingPart } from './calls.ts';

/** What a report shows of a run, of ours or of an application's. */
export type ReportedRun = Omit<RunResult, 'operations' | 'replicaChanges' | 'calls' | 'actors' | 'lines'>;

export type ReportData = {
  readonly result: ReportedRun;
  /** The command that gives this run again. */
  readonly repeat: string;
  /** Where this run came from, if it was made smaller. */
  readonly shrunkFrom: { readonly repeat: string; readonly was: string; readonly is: string } | null;
  /** Null: not known to whoever makes the report. */
  readonly version: string | null;
  readonly nodes: readonly string[];
  readonly calls: readonly Call[];
  readonly part: FailingPart | null;
  readonly chronicle: Chronicle;
  /** What programs of an application did and were told, a line each; ours say nothing. */
  readonly story: readonly string[];
  /** Knobs that mean nothing in this run. */
  readonly unused: readonly (keyof Knobs)[];
};

export type ReportSource = Pick<ReportData, 'result' | 'repeat' | 'shrunkFrom' | 'version' | 'part' | 'chronicle'> &
  Partial<Pick<ReportData, 'story' | 'unused'>>;

export const reportData = (source: ReportSource): ReportData => ({
  ...{ story: [], unused: [] },
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
export const drawnOf = ({ result, unused }: ReportData): [name: string, value: string][] =>
  Object.entries(result.knobs)
    .filter(([name]) => !unused.includes(name as keyof Knobs))
    .map(([name, value]) => [name.replaceAll(/([A-Z])/g, (letter) => ` ${letter.toLowerCase()}`), describeKnob(value)]);

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
