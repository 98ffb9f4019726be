// `polity run`: a graph of calls from a file, each step told as it ends.
import { readFileSync } from 'node:fs';
import type { Graph, StepReport } from '../../machines/graph/index.ts';
import { RunError } from '../client/index.ts';
import { parseDuration } from '../duration.ts';
import { graphOfText } from '../graph-json.ts';
import { jsonTextOf } from '../replica-json.ts';
import { CommandError } from './exit.ts';
import { cell, print, printJson } from './output.ts';
import { type ReachOptions, withClient } from './reach.ts';

export type RunCommand = Pick<ReachOptions, 'node' | 'tokenFile' | 'json'> & {
  check?: boolean;
  principal?: string;
  durable?: string;
  keep?: string;
  attach?: string;
  cancel?: string;
};

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

/** What does not go together is said before a node is asked. */
const durableOf = (file: string | undefined, options: RunCommand): { durable?: { id: string; keepMs?: number } } => {
  const { durable, keep, attach, cancel } = options;
  const given = [file, attach, cancel].filter((one) => one !== undefined);
  if (given.length !== 1) throw new CommandError('give one of FILE, --attach ID and --cancel ID', 'usage');
  if (file === undefined && (durable !== undefined || options.check === true || options.principal !== undefined))
    throw new CommandError('--durable, --check and --principal are for a FILE', 'usage');
  if (durable === undefined && keep !== undefined) throw new CommandError('--keep is for --durable ID', 'usage');
  if (durable === undefined) return {};
  const keepMs = keep === undefined ? undefined : parseDuration(keep);
  if (keepMs === null) throw new CommandError(`--keep is a time like 10m, not '${keep}'`, 'usage');
  return { durable: { id: durable, ...(keepMs === undefined ? {} : { keepMs }) } };
};

export const run = (file: string | undefined, options: RunCommand): Promise<void> =>
  withClient(options, async ({ runs }) => {
    const durable = durableOf(file, options);
    const isJson = options.json === true;
    const { principal, attach, cancel } = options;
    if (cancel !== undefined) {
      await runs.cancel(cancel);
      return isJson ? printJson({ cancelled: true }) : print('it is given up, unless it had ended');
    }
    const graph = attach === undefined ? graphIn(file!) : null;
    if (graph !== null && options.check === true) {
      await runs.checkRun(graph);
      return isJson ? printJson({ ok: true }) : print('it would run now');
    }
    const id = attach ?? durable.durable?.id;
    const end = new AbortController();
    const leaving =
      id === undefined
        ? 'the run was given up; the node undoes what had happened'
        : `the run goes on: polity run --attach '${id}' looks at it, --cancel '${id}' gives it up`;
    const leave = (): void => end.abort(new CommandError(leaving, 'unknown'));
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, leave);
    const look = { signal: end.signal };
    const steps =
      graph === null
        ? runs.attach(attach!, look)
        : runs.run(graph, { ...look, ...durable, ...(principal === undefined ? {} : { principal }) });
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
