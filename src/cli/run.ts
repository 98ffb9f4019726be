// `polity run`: a graph of calls from a file, each step told as it ends.
import { readFileSync } from 'node:fs';
import type { Graph, StepReport } from '../../machines/graph/index.ts';
import { RunError } from '../client/index.ts';
import { graphOfText } from '../graph-json.ts';
import { jsonTextOf } from '../replica-json.ts';
import { CommandError } from './exit.ts';
import { cell, print, printJson } from './output.ts';
import { type ReachOptions, withClient } from './reach.ts';

export type RunCommand = Pick<ReachOptions, 'node' | 'tokenFile' | 'json'> & { check?: boolean; principal?: string };

const resultCharsMax = 200;

const graphIn = (file: string): Graph => {
  let text: string;
  try {
    text = readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    throw new CommandError(`${file}: ${(error as Error).message}`, 'usage');
  }
  // The node says what is wrong with it, all of it at once.
  return graphOfText(text, file === '-' ? 'the graph' : file) as Graph;
};

/** Why it is as it is, or what came of it. Words of services: nothing in them may reach the terminal as a command. */
const tailOf = ({ status, result, failure, because }: StepReport): string => {
  if (failure !== null) return `${failure.code}: ${cell(failure.message, resultCharsMax)}`;
  if (status === 'done') return cell(jsonTextOf(result as never), resultCharsMax);
  if (because === null) return '';
  switch (because.why) {
    case 'condition':
      return 'its condition does not hold';
    case 'no-error':
      return 'nothing failed';
    case 'needs':
      return `without ${because.step}`;
    case 'failed':
      return because.step === null ? 'nothing begins any more' : `because of ${because.step}`;
  }
};

const lineOf = (report: StepReport): string => {
  const { step, status, compensation, tookMs, node } = report;
  const at = (where: string | null, ms: number): string =>
    `${where === null ? '' : ` at ${cell(where)}`}, ${Math.round(ms)} ms`;
  if (compensation === null) return `${step}: ${status}${node === null ? '' : at(node, tookMs)}  ${tailOf(report)}`.trimEnd();
  const { failure } = compensation;
  const end = failure === null ? 'undone' : `NOT undone: ${failure.code}: ${cell(failure.message, resultCharsMax)}`;
  return `${step}: ${end}${at(compensation.node, compensation.tookMs)}`;
};

export const run = (file: string, options: RunCommand): Promise<void> =>
  withClient(options, async ({ runs }) => {
    const graph = graphIn(file);
    const isJson = options.json === true;
    if (options.check === true) {
      await runs.checkRun(graph);
      return isJson ? printJson({ ok: true }) : print('it would run now');
    }
    const end = new AbortController();
    const giveUp = (): void =>
      end.abort(new CommandError('the run was given up; the node undoes what had happened', 'unknown'));
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, giveUp);
    const { principal } = options;
    const steps = runs.run(graph, { signal: end.signal, ...(principal === undefined ? {} : { principal }) });
    try {
      for (;;) {
        const next = await steps.next();
        if (next.done === true) {
          const { tookMs } = next.value;
          return isJson ? printJson({ end: true, tookMs }) : print(`done in ${Math.round(tookMs)} ms`);
        }
        print(isJson ? jsonTextOf(next.value as never) : lineOf(next.value));
      }
    } catch (error) {
      if (error instanceof RunError && error.notUndone.length > 0 && !isJson)
        print(`what these did may still stand: ${error.notUndone.join(', ')}`);
      throw error;
    }
  });
