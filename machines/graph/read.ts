// From whatever was given to steps: every field that is there is known and within its limits, or there is a problem with its place.
import { strategyNames } from '../balancer/index.ts';
import { parseRange } from '../catalog/index.ts';
import { isWellFormed } from '../wire/octets.ts';
import { graphLimits as max } from './limits.ts';
import type { PlannedCall, PlannedCondition, ReadStep } from './plan.ts';
import { type Problems, tell } from './problems.ts';
import { type Referred, readInput } from './references.ts';
import { type Fields, isRecord, type Part } from './values.ts';

type Path = readonly Part[];
/** What the whole graph may still weigh, and refer to. */
export type Reading = { readonly problems: Problems; bytesLeft: number; referencesLeft: number };

const callFields = ['service', 'method', 'input', 'version', 'timeoutMs', 'strategy', 'key', 'node', 'retry'] as const;
const stepFields = [...callFields, 'after', 'when', 'onError', 'compensate'] as const;
const nameForm = /^[A-Za-z][A-Za-z0-9_-]*$/;

export const isStepName = (name: unknown): name is string =>
  typeof name === 'string' && name.length <= max.nameCharsMax && nameForm.test(name);

const tellUnknown = ({ problems }: Reading, given: Fields, known: readonly string[], path: Path): void => {
  for (const name of Object.keys(given))
    if (!known.includes(name)) tell(problems, path, `has the unknown field '${name.slice(0, 40)}'`);
};

const readText = (reading: Reading, given: unknown, charsMax: number, path: Path): string | null => {
  if (given === undefined) return null;
  const isText = typeof given === 'string' && given !== '' && given.length <= charsMax && isWellFormed(given);
  if (!isText) tell(reading.problems, path, `is a text of 1 to ${charsMax} characters`);
  return isText ? given : null;
};

export const readCount = (reading: Reading, given: unknown, [least, most]: readonly [number, number], path: Path) => {
  if (given === undefined) return null;
  const isCount = Number.isSafeInteger(given) && (given as number) >= least && (given as number) <= most;
  if (!isCount) tell(reading.problems, path, `is a whole number from ${least} to ${most}`);
  return isCount ? (given as number) : null;
};

const readValue = (reading: Reading, given: unknown, path: Path): { input: unknown; references: Referred[] } => {
  const references: Referred[] = [];
  const { input, walk } = readInput({ bytesMax: reading.bytesLeft, path }, given, (referred, at) => {
    if (!isStepName(referred.step)) tell(reading.problems, at, 'refers to what is no name of a step');
    else references.push(referred);
  });
  if (walk.wrong !== null) tell(reading.problems, walk.wrong.path, walk.wrong.message);
  else reading.bytesLeft = walk.bytesLeft;
  if ((reading.referencesLeft -= references.length) < 0)
    tell(reading.problems, path, `makes it more than ${max.referencesMax} references in all`);
  return { input, references };
};

const readRetry = (reading: Reading, given: unknown, path: Path, times: number): PlannedCall['retry'] => {
  const retry = { times, delayMs: max.retryDelayMsDefault };
  if (given === undefined) return retry;
  if (!isRecord(given)) {
    tell(reading.problems, path, 'is { times, delayMs }');
    return retry;
  }
  tellUnknown(reading, given, ['times', 'delayMs'], path);
  return {
    times: readCount(reading, given.times, [0, max.retriesMax], [...path, 'times']) ?? times,
    delayMs: readCount(reading, given.delayMs, [1, max.retryDelayMsMax], [...path, 'delayMs']) ?? retry.delayMs,
  };
};

const readCall = (reading: Reading, given: Fields, path: Path, retries: number): PlannedCall => {
  const { problems } = reading;
  const text = (name: string, charsMax: number): string | null => readText(reading, given[name], charsMax, [...path, name]);
  for (const name of ['service', 'method']) if (given[name] === undefined) tell(problems, path, `has no ${name}`);
  const version = text('version', max.wordCharsMax);
  if (version !== null && parseRange(version) === null)
    tell(problems, [...path, 'version'], `is no range of versions: ${version.slice(0, 80)}`);
  const strategy = strategyNames.find((name) => name === given.strategy) ?? null;
  if (given.strategy !== undefined && strategy === null)
    tell(problems, [...path, 'strategy'], `is one of ${strategyNames.join(', ')}`);
  if (strategy === 'sticky' && given.key === undefined)
    tell(problems, path, "has the strategy 'sticky' and no key to keep together");
  return {
    service: text('service', max.wordCharsMax) ?? '',
    method: text('method', max.wordCharsMax) ?? '',
    ...{ version, strategy, key: text('key', max.keyCharsMax), node: text('node', max.wordCharsMax) },
    timeoutMs: readCount(reading, given.timeoutMs, [1, max.callTimeoutMsMax], [...path, 'timeoutMs']),
    retry: readRetry(reading, given.retry, [...path, 'retry'], retries),
    ...readValue(reading, given.input, [...path, 'input']),
  };
};

// ---------------------------------------------------------------- steps

const endings = ['done', 'failed', 'skipped'] as const;
const tests = ['is', 'not', 'above', 'below'] as const;

const readEnding = (reading: Reading, given: Fields, path: Path): PlannedCondition | null => {
  tellUnknown(reading, given, ['step', 'ended'], path);
  const ended = endings.find((one) => one === given.ended);
  if (ended === undefined) tell(reading.problems, [...path, 'ended'], `is one of ${endings.join(', ')}`);
  if (!isStepName(given.step)) tell(reading.problems, [...path, 'step'], 'is no name of a step');
  return ended === undefined || !isStepName(given.step) ? null : { step: given.step, ended };
};

const readCondition = (reading: Reading, given: unknown, path: Path): PlannedCondition | null => {
  const { problems } = reading;
  if (!isRecord(given)) {
    tell(problems, path, 'is { step, ended } or { value, is | not | above | below }');
    return null;
  }
  if (given.step !== undefined) return readEnding(reading, given, path);
  tellUnknown(reading, given, ['value', ...tests], path);
  const asked = tests.filter((test) => given[test] !== undefined);
  if (given.value === undefined) tell(problems, path, 'has no value');
  if (asked.length > 1) tell(problems, path, `asks for ${asked.join(' and ')}; a second condition can stand beside it`);
  const [test = 'is'] = asked;
  const than = asked.length === 0 ? { input: true, references: [] } : readValue(reading, given[test], [...path, test]);
  if (than.references.length > 0) tell(problems, [...path, test], 'is plain data, without references');
  if ((test === 'above' || test === 'below') && !Number.isFinite(than.input)) tell(problems, [...path, test], 'is a number');
  const { input, references } = readValue(reading, given.value, [...path, 'value']);
  return { value: input, references, test, than: than.input };
};

const readWhen = (reading: Reading, given: unknown, path: Path): PlannedCondition[] => {
  if (given === undefined) return [];
  const list: readonly unknown[] = Array.isArray(given) ? given : [given];
  if (list.length > max.conditionsMax) {
    tell(reading.problems, path, `has ${list.length} conditions, at most ${max.conditionsMax}`);
    return [];
  }
  const conditions = list.map((one, at) => readCondition(reading, one, Array.isArray(given) ? [...path, at] : path));
  return conditions.filter((one) => one !== null);
};

const readAfter = (reading: Reading, given: unknown, path: Path): string[] => {
  if (given === undefined) return [];
  if (!Array.isArray(given) || given.length > max.afterMax) {
    tell(reading.problems, path, `is a list of at most ${max.afterMax} steps`);
    return [];
  }
  const names = given.filter(isStepName);
  if (names.length < given.length) tell(reading.problems, path, 'has something in it that is no name of a step');
  for (const [at, name] of names.entries())
    if (names.indexOf(name) < at) tell(reading.problems, [...path, at], `names '${name}' a second time`);
  return [...new Set(names)];
};

export const readStep = (reading: Reading, name: string, given: unknown): ReadStep | null => {
  const path = ['steps', name];
  if (!isRecord(given)) {
    tell(reading.problems, path, 'is { service, method, input, … }');
    return null;
  }
  tellUnknown(reading, given, stepFields, path);
  return {
    ...{ name, call: readCall(reading, given, path, 0) },
    after: readAfter(reading, given.after, [...path, 'after']),
    when: readWhen(reading, given.when, [...path, 'when']),
    onError: readText(reading, given.onError, max.nameCharsMax, [...path, 'onError']) ?? 'fail',
    compensate: readCompensation(reading, given.compensate, [...path, 'compensate']),
  };
};

const readCompensation = (reading: Reading, given: unknown, path: Path): PlannedCall | null => {
  if (given === undefined) return null;
  if (!isRecord(given)) {
    tell(reading.problems, path, 'is { service, method, input, … }');
    return null;
  }
  tellUnknown(reading, given, callFields, path);
  return readCall(reading, given, path, max.compensationRetries);
};
