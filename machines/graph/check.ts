// Before anything runs: is it a graph, can it run to its end, and does anybody offer what it calls (row K3)?
import type { Found, Lookup } from '../catalog/index.ts';
import { type ErrorCode, type Failure, failure } from '../errors.ts';
import { graphLimits as max } from './limits.ts';
import { linkSteps } from './link.ts';
import { callsOf, type Plan, type PlannedCall, type ReadStep } from './plan.ts';
import { createProblems, failureOf, tell } from './problems.ts';
import { isStepName, type Reading, readCount, readStep } from './read.ts';
import { isRecord } from './values.ts';

const graphFields = ['steps', 'timeoutMs', 'compensateMs', 'concurrency'];
const words: readonly string[] = ['fail', 'continue'];

const readSteps = (reading: Reading, given: unknown): ReadStep[] => {
  const { problems } = reading;
  if (!isRecord(given)) {
    tell(problems, ['steps'], 'are a record of steps by their names');
    return [];
  }
  const names = Object.keys(given).filter((name) => given[name] !== undefined);
  if (names.length === 0 || names.length > max.stepsMax) {
    tell(problems, ['steps'], `are ${names.length}; a graph has 1 to ${max.stepsMax}`);
    return [];
  }
  const form = `a name begins with a letter and has up to ${max.nameCharsMax} of a-z A-Z 0-9 _ -`;
  for (const name of names) {
    if (!isStepName(name)) tell(problems, ['steps', name], `is no name of a step: ${form}`);
    if (words.includes(name)) tell(problems, ['steps', name], 'is a word of onError, and no name of a step');
  }
  const steps = names.filter(isStepName).map((name) => readStep(reading, name, given[name]));
  return steps.filter((step) => step !== null);
};

export type Checked = { readonly ok: true; readonly plan: Plan } | { readonly ok: false; readonly failure: Failure };

/** INVALID_REQUEST with everything that is wrong, or the plan. Nothing that is changed in `graph` later changes the plan. */
export const checkGraph = (graph: unknown): Checked => {
  const problems = createProblems();
  if (!isRecord(graph)) {
    tell(problems, [], 'it is an object with steps');
    return { ok: false, failure: failureOf(problems)! };
  }
  for (const name of Object.keys(graph))
    if (!graphFields.includes(name)) tell(problems, [], `it has the unknown field '${name.slice(0, 40)}'`);
  const reading: Reading = { problems, bytesLeft: max.graphBytesMax, referencesLeft: max.referencesMax };
  const count = (name: string, least: number, most: number, otherwise: number): number =>
    readCount(reading, graph[name], [least, most], [name]) ?? otherwise;
  const limits = {
    timeoutMs: count('timeoutMs', 1, max.timeoutMsMax, max.timeoutMsDefault),
    compensateMs: count('compensateMs', 1, max.timeoutMsMax, max.compensateMsDefault),
    concurrency: count('concurrency', 1, max.concurrencyMax, max.concurrencyDefault),
  };
  const steps = readSteps(reading, graph.steps);
  // What hangs together with what was not understood is not judged.
  const linked = problems.count === 0 ? linkSteps(problems, steps) : null;
  if (linked === null) return { ok: false, failure: failureOf(problems)! };
  return { ok: true, plan: { ...linked, ...limits } };
};

// ---------------------------------------------------------------- what is offered

export type Offered =
  /** The calls whose methods are idempotent, whoever offers them. */
  { readonly ok: true; readonly idempotent: ReadonlySet<PlannedCall> } | { readonly ok: false; readonly failure: Failure };

type Missing = { code: ErrorCode; text: string };

const lookUp = (
  call: PlannedCall,
  find: (lookup: Lookup) => Found,
): { missing: Omit<Missing, 'step'> | null; idempotent: boolean } => {
  const { service, method, version } = call;
  const called = version === null ? service : `${service}@${version}`;
  const found = find({ name: service, kind: 'service', ...(version === null ? {} : { range: version }) });
  if (!found.ok) return { missing: { code: 'INVALID_REQUEST', text: `${called}: ${found.message}` }, idempotent: false };
  if (found.entries.length === 0)
    return { missing: { code: 'SERVICE_NOT_FOUND', text: `nobody offers ${called}` }, idempotent: false };
  const methods = found.entries.flatMap(({ offer }) => (Object.hasOwn(offer.methods, method) ? [offer.methods[method]!] : []));
  if (methods.length === 0)
    return { missing: { code: 'METHOD_NOT_FOUND', text: `${called} has no method '${method}'` }, idempotent: false };
  return { missing: null, idempotent: methods.every(({ idempotent }) => idempotent) };
};

/** Of several kinds of mistakes the one that will not pass by itself is told. */
const gravity: readonly ErrorCode[] = ['INVALID_REQUEST', 'METHOD_NOT_FOUND', 'SERVICE_NOT_FOUND'];

/** SERVICE_NOT_FOUND or METHOD_NOT_FOUND, naming every step whose call, or whose compensation, nobody offers now. */
export const checkOffered = (plan: Plan, find: (lookup: Lookup) => Found): Offered => {
  const missing: Missing[] = [];
  const idempotent = new Set<PlannedCall>();
  for (const { step, isCompensation, call } of callsOf(plan)) {
    const looked = lookUp(call, find);
    const place = `steps.${step}${isCompensation ? '.compensate' : ''}`;
    if (looked.missing !== null) missing.push({ code: looked.missing.code, text: `${place}: ${looked.missing.text}` });
    else if (looked.idempotent) idempotent.add(call);
  }
  if (missing.length === 0) return { ok: true, idempotent };
  const code = gravity.find((one) => missing.some((miss) => miss.code === one))!;
  const told = missing.slice(0, max.problemsMax).map(({ text }) => text);
  const more = missing.length > told.length ? `; and ${missing.length - told.length} more` : '';
  return { ok: false, failure: failure(code, `the graph cannot run: ${told.join('; ')}${more}`, { problems: missing.length }) };
};
