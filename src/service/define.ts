// What a service is, said once: its name, its version, and its methods with the schemas of what they take and give. Whoever serves it
// and whoever calls it import the same definition; types come by inference, there is nothing to generate.
import { type BulkheadOptions, bulkheadDefaults, type Importance, importances } from '../../machines/bulkhead/index.ts';
import { catalogLimits, type Method, type Offer, offerBytes, whyUnfit } from '../../machines/catalog/index.ts';
import { failure, PolityError } from '../../machines/errors.ts';
import { limiterLimits } from '../../machines/limiter/index.ts';
import type { ServiceContext } from './context.ts';
import type { ServiceCallOptions } from './options.ts';
import { describeSchema, type Given, isSchema, type Schema, type Taken } from './schema.ts';
import type { ServiceStream } from './stream.ts';

export type MethodDefinition = {
  /** Any Standard Schema (zod, valibot, arktype …). Checked where the method is executed. Absent: anything. */
  readonly input?: Schema;
  /** Of the result, or of each item of a stream. */
  readonly output?: Schema;
  /** Twice is the same as once: a call may be repeated though nobody knows what became of the first. Default false. */
  readonly idempotent?: boolean;
  /** The result is a stream of items. Default false. */
  readonly stream?: boolean;
  /** Which calls go first, and which are sent away first, when there are too many. Default 'normal'. */
  readonly importance?: Importance;
  /** Tokens that a call takes from the limits of whoever calls; a whole number from 1. Default 1. */
  readonly cost?: number;
};

export type MethodDefinitions = Readonly<Record<string, MethodDefinition>>;

export type ServiceSpecification<Methods extends MethodDefinitions> = {
  /** 1 to 128 of a-z A-Z 0-9 . _ / - */
  readonly name: string;
  /** Semantic Versioning 2.0.0, '1.2.0'. Callers name a range. */
  readonly version: string;
  readonly methods: Methods;
  /** What a node that serves it has: amounts or words, `{ gpus: 2, disk: 'ssd' }`. Callers may require them. */
  readonly resources?: Readonly<Record<string, number | string>>;
  readonly capabilities?: readonly string[];
  readonly tags?: readonly string[];
  /** So many calls run at once at each node; a quarter of them is kept from calls of importance 'background'. Default 64. */
  readonly concurrency?: number;
  /** So many more wait, at most 5 s; 0 = none. Default 256. */
  readonly queue?: number;
};

export type ServiceDefinition<Methods extends MethodDefinitions = MethodDefinitions> = {
  readonly name: string;
  readonly version: string;
  readonly methods: Methods;
  /** What the catalog tells of it. */
  readonly offer: Offer;
  readonly bulkhead: BulkheadOptions;
};

type InputSchema<M> = M extends { readonly input: infer S } ? S : undefined;
type OutputSchema<M> = M extends { readonly output: infer S } ? S : undefined;
type IsStream<M> = M extends { readonly stream: true } ? true : false;

/** What whoever calls puts in, and what the handler gets. */
export type MethodInput<M> = Given<InputSchema<M>>;
export type HandlerInput<M> = Taken<InputSchema<M>>;
/** What the handler gives, and what whoever called gets. */
export type HandlerOutput<M> = Given<OutputSchema<M>>;
export type MethodOutput<M> = Taken<OutputSchema<M>>;

type Later<Value> = Value | Promise<Value>;

export type Handler<M> = (
  input: HandlerInput<M>,
  context: ServiceContext,
) => IsStream<M> extends true ? Later<AsyncIterable<HandlerOutput<M>> | Iterable<HandlerOutput<M>>> : Later<HandlerOutput<M>>;

export type Handlers<Methods extends MethodDefinitions> = { readonly [Name in keyof Methods]: Handler<Methods[Name]> };

type Answer<M> = IsStream<M> extends true ? ServiceStream<MethodOutput<M>> : Promise<MethodOutput<M>>;

type ClientMethod<M> =
  undefined extends MethodInput<M>
    ? (input?: MethodInput<M>, options?: ServiceCallOptions) => Answer<M>
    : (input: MethodInput<M>, options?: ServiceCallOptions) => Answer<M>;

/** What whoever calls has in his hand: a function for each method. */
export type ServiceClient<Methods extends MethodDefinitions> = {
  readonly [Name in keyof Methods]: ClientMethod<Methods[Name]>;
};

// ---------------------------------------------------------------- checks

const refuse = (why: string): never => {
  throw new PolityError(failure('INVALID_REQUEST', why));
};

/** By whoever is given one: a module that was imported in a circle is undefined, and so is what it defines. */
export const demandDefinition = (definition: unknown): void => {
  const { offer, methods } = (definition ?? {}) as Partial<ServiceDefinition>;
  if (typeof offer !== 'object' || typeof methods !== 'object') refuse('a definition is what defineService gave');
};

const fields = new Set(['input', 'output', 'idempotent', 'stream', 'importance', 'cost']);

/** What is wrong with a method, or null. */
const whyNoMethod = (name: string, given: unknown): string | null => {
  // An object with a function of this name is taken for a promise wherever it is awaited.
  if (name === 'then') return 'may not be called then';
  if (typeof given !== 'object' || given === null) return 'is not an object';
  const { input, output, idempotent, stream, importance, cost } = given as Record<string, unknown>;
  for (const field of Object.keys(given)) if (!fields.has(field)) return `has no option '${field.slice(0, 32)}'`;
  for (const [what, schema] of Object.entries({ input, output }))
    if (schema !== undefined && !isSchema(schema))
      return `its ${what} is no schema of the Standard Schema kind (zod, valibot, arktype …)`;
  for (const [what, flag] of Object.entries({ idempotent, stream }))
    if (flag !== undefined && typeof flag !== 'boolean') return `${what} is true or false`;
  if (importance !== undefined && !importances.includes(importance as Importance))
    return `importance is one of ${importances.join(', ')}`;
  const isCost =
    cost === undefined || (Number.isSafeInteger(cost) && (cost as number) >= 1 && (cost as number) <= limiterLimits.costMax);
  return isCost ? null : `cost is a whole number from 1 to ${limiterLimits.costMax}`;
};

const bulkheadOf = ({ name, concurrency, queue }: ServiceSpecification<MethodDefinitions>): BulkheadOptions => {
  const { queueMax, queueMsMax, runningMax } = bulkheadDefaults;
  const isWhole = (value: number, least: number, most: number): boolean =>
    Number.isSafeInteger(value) && value >= least && value <= most;
  if (concurrency !== undefined && !isWhole(concurrency, 1, 10_000))
    refuse(`${name}: concurrency is a whole number from 1 to 10000`);
  if (queue !== undefined && !isWhole(queue, 0, 4_096)) refuse(`${name}: queue is a whole number from 0 to 4096`);
  const most = concurrency ?? runningMax.critical;
  return {
    ...{ queueMax: queue ?? queueMax, queueMsMax },
    runningMax: { critical: most, normal: most, background: Math.max(1, Math.floor((most * 3) / 4)) },
  };
};

/** Descriptions are a help for people: where an offer has no room for all of them, the longest is left out first. */
const shrink = (offer: Offer): Offer => {
  const methods = new Map<string, Method>(Object.entries(offer.methods));
  const lengthOf = ({ input, output }: Method): number => JSON.stringify([input, output]).length;
  for (let left = methods.size; left > 0; left--) {
    const shrunk = { ...offer, methods: Object.fromEntries(methods) };
    if (offerBytes(shrunk) <= catalogLimits.offerBytesMax) return shrunk;
    const [longest, method] = [...methods].reduce((one, other) => (lengthOf(other[1]) > lengthOf(one[1]) ? other : one));
    methods.set(longest, { ...method, input: null, output: null });
  }
  return { ...offer, methods: Object.fromEntries(methods) };
};

const offerOf = (specification: ServiceSpecification<MethodDefinitions>): Offer => {
  const { name, version, methods, resources = {}, capabilities = [], tags = [] } = specification;
  const described = Object.entries(methods).map(([method, { input, output, idempotent = false }]): [string, Method] => [
    method,
    { input: describeSchema(input, 'input'), output: describeSchema(output, 'output'), idempotent },
  ]);
  const offer: Offer = {
    kind: 'service',
    name,
    version,
    methods: Object.fromEntries(described),
    resources,
    capabilities,
    tags,
  };
  const unfit = whyUnfit(offer);
  if (unfit !== null) refuse(unfit);
  const shrunk = shrink(offer);
  const bytes = offerBytes(shrunk);
  if (bytes > catalogLimits.offerBytesMax)
    refuse(`${name}: it takes ${bytes} bytes to tell of it, at most ${catalogLimits.offerBytesMax}`);
  return shrunk;
};

/**
 * A service, as it is served and called. Throws a PolityError INVALID_REQUEST that names what is wrong.
 *
 * ```ts
 * const images = defineService({
 *   name: 'images',
 *   version: '1.2.0',
 *   methods: { resize: { input: z.object({ width: z.number() }), output: z.string(), idempotent: true } },
 * });
 * ```
 */
export const defineService = <const Methods extends MethodDefinitions>(
  specification: ServiceSpecification<Methods>,
): ServiceDefinition<Methods> => {
  if (typeof specification !== 'object' || specification === null)
    refuse('a service is an object with name, version and methods');
  const { name, version, methods } = specification;
  if (typeof methods !== 'object' || methods === null) refuse(`${name}: its methods are an object`);
  for (const [method, given] of Object.entries(methods)) {
    const why = whyNoMethod(method, given);
    if (why !== null) refuse(`${name}.${method.slice(0, 64)}: ${why}`);
  }
  if (Object.keys(methods).length === 0) refuse(`${name}: it has no method`);
  return Object.freeze({ name, version, methods, offer: offerOf(specification), bulkhead: bulkheadOf(specification) });
};
