// What is asked of a call, checked: whatever else it is, it ends with INVALID_REQUEST that says which word is wrong.
import { strategyNames } from '../machines/balancer/index.ts';
import { importances } from '../machines/bulkhead/index.ts';
import { type Failure, failure } from '../machines/errors.ts';
import { rpcLimits as max, type RequestId } from '../machines/rpc/index.ts';
import type { ServiceCall } from './service-api.ts';

const isText = (value: unknown, charsMax: number): boolean =>
  typeof value === 'string' && value.length > 0 && value.length <= charsMax;
const isMs = (value: unknown): boolean => typeof value === 'number' && value >= 1 && value <= max.timeoutMsMax;
const isRecord = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value);

type Word = Exclude<keyof ServiceCall, 'service' | 'method' | 'input' | 'within'>;

/** What each must be, where it is given. */
const words: Record<Word, { must: string; holds: (value: unknown) => boolean }> = {
  version: {
    must: `a semver range of at most ${max.rangeCharsMax} characters`,
    holds: (value) => typeof value === 'string' && value.length <= max.rangeCharsMax,
  },
  timeoutMs: { must: `a number of milliseconds from 1 to ${max.timeoutMsMax}`, holds: isMs },
  strategy: {
    must: `one of ${strategyNames.join(', ')}`,
    holds: (value) => (strategyNames as readonly unknown[]).includes(value),
  },
  key: { must: 'a text of 1 to 4096 characters', holds: (value) => isText(value, 4_096) },
  principal: {
    must: `a text of 1 to ${max.principalCharsMax} characters`,
    holds: (value) => isText(value, max.principalCharsMax),
  },
  takesItems: { must: 'true or false', holds: (value) => typeof value === 'boolean' },
  node: { must: 'the name of a node', holds: (value) => isText(value, max.nodeCharsMax) },
  requestId: {
    must: `a text of 1 to ${max.requestIdCharsMax} characters`,
    holds: (value) => isText(value, max.requestIdCharsMax),
  },
  hedgeAfterMs: { must: `a number of milliseconds from 1 to ${max.timeoutMsMax}`, holds: isMs },
  importance: {
    must: `one of ${importances.join(', ')}`,
    holds: (value) => (importances as readonly unknown[]).includes(value),
  },
  resources: { must: 'amounts or words by name', holds: isRecord },
  capabilities: { must: 'a list of words', holds: Array.isArray },
  trace: {
    must: `a traceparent of at most ${max.traceCharsMax} characters`,
    holds: (value) => typeof value === 'string' && value.length <= max.traceCharsMax,
  },
};

const invalid = (what: string): Failure => failure('INVALID_REQUEST', what);

/** Null: nothing is wrong with it. */
export const whyInvalid = (call: ServiceCall): Failure | null => {
  if (!isText(call.service, max.serviceCharsMax)) return invalid(`service is a text of 1 to ${max.serviceCharsMax} characters`);
  if (!isText(call.method, max.methodCharsMax)) return invalid(`method is a text of 1 to ${max.methodCharsMax} characters`);
  // Word by word where most calls say something: to go over what a call has takes a third of a short one.
  const { version, takesItems, timeoutMs } = call;
  if (version !== undefined && !words.version.holds(version)) return wrong('version');
  if (takesItems !== undefined && !words.takesItems.holds(takesItems)) return wrong('takesItems');
  if (timeoutMs !== undefined && !isMs(timeoutMs)) return wrong('timeoutMs');
  return saysMore(call) ? whyInvalidMore(call) : null;
};

const wrong = (word: Word): Failure => invalid(`${word} must be ${words[word].must}`);

/** Than nearly all calls do. */
const saysMore = (call: ServiceCall): boolean =>
  call.strategy !== undefined ||
  call.key !== undefined ||
  call.principal !== undefined ||
  call.node !== undefined ||
  call.requestId !== undefined ||
  call.hedgeAfterMs !== undefined ||
  call.importance !== undefined ||
  call.resources !== undefined ||
  call.capabilities !== undefined ||
  call.trace !== undefined;

const whyInvalidMore = (call: ServiceCall): Failure | null => {
  for (const word of Object.keys(words) as Word[]) {
    const given: unknown = call[word];
    if (given !== undefined && !words[word].holds(given)) return wrong(word);
  }
  return null;
};

/** As handlers and people see it. */
export const idText = (id: RequestId): string => (typeof id === 'number' ? `#${id.toString(36)}` : id);

/** As people name it. */
export const addressOf = ({ service, method }: Pick<ServiceCall, 'service' | 'method'>): string => `${service}.${method}`;
