// A graph, step by step, with what the compiler knows of it: inputs fit the methods that they are for, references lead to steps that are
// there and to parts that their results have. What comes of it is plain data (`graph`) that can be written down, sent and run elsewhere.
import { failure } from '../../machines/errors.ts';
import type { Graph, GraphCall, GraphStep } from '../../machines/graph/index.ts';
import { PolityError } from '../errors.ts';
import type { MethodDefinition, MethodDefinitions, MethodInput, MethodOutput, ServiceDefinition } from '../service/index.ts';
import { type RefTo, ref, type WithRefs } from './references.ts';

export type GraphLimits = Omit<Graph, 'steps'>;

type CallWords = Omit<GraphCall, 'service' | 'method' | 'input'>;
type StepWords = CallWords & Omit<GraphStep, keyof GraphCall | 'compensate'>;

/** What the method of a definition takes. */
type InputOf<Method> =
  undefined extends MethodInput<Method>
    ? { readonly input?: WithRefs<MethodInput<Method>> }
    : { readonly input: WithRefs<MethodInput<Method>> };

type Defined<Methods extends MethodDefinitions, Name extends keyof Methods> = {
  readonly service: ServiceDefinition<Methods>;
  readonly method: Name;
} & InputOf<Methods[Name]>;
type Named = { readonly service: string; readonly method: string; readonly input?: unknown };

/** All items of a stream are the result of its step. */
type ResultOf<Method extends MethodDefinition> = Method extends { readonly stream: true }
  ? readonly MethodOutput<Method>[]
  : MethodOutput<Method>;

type Given<Results, Words> = Words | ((ref: RefTo<Results>) => Words);
type Entered<Results, Name extends string, Result> = {
  [S in keyof Results | Name]: S extends keyof Results ? Results[S] : Result;
};

const refuse = (why: string): never => {
  throw new PolityError(failure('INVALID_REQUEST', why));
};

/** Versions that fit a definition's are those that promise to work with its callers, as with a client of it. */
const wordsOf = (given: unknown): unknown => {
  const words = typeof given === 'function' ? (given(ref) as unknown) : given;
  const service = (words as { service?: Partial<ServiceDefinition> } | null | undefined)?.service;
  if (typeof service !== 'object' || service === null) return words;
  return { version: `^${service.version}`, ...(words as object), service: service.name };
};

export class GraphBuilder<Results = Record<never, never>> {
  /** Plain data. */
  readonly graph: Graph;

  /** By `defineGraph`. */
  constructor(graph: Graph) {
    this.graph = graph;
  }

  /**
   * The graph with one step more. `given` names a service by its definition, and input and result have their types; or by a text, and
   * they are anything. It may be a function of `ref`, which makes references to steps that are there already.
   */
  step<Name extends string, Methods extends MethodDefinitions, Method extends keyof Methods & string>(
    name: Name,
    given: Given<Results, Defined<Methods, Method> & StepWords>,
  ): GraphBuilder<Entered<Results, Name, ResultOf<Methods[Method]>>>;
  step<Name extends string>(
    name: Name,
    given: Given<Results, Named & StepWords>,
  ): GraphBuilder<Entered<Results, Name, unknown>>;
  step(name: string, given: unknown): unknown {
    if (Object.hasOwn(this.graph.steps, name)) refuse(`the graph has a step '${name.slice(0, 64)}' already`);
    return this.#with(name, wordsOf(given) as GraphStep);
  }

  /** What undoes that step, which is there already and whose own result it may refer to. Called when the run fails. */
  compensate<Methods extends MethodDefinitions, Method extends keyof Methods & string>(
    name: keyof Results & string,
    given: Given<Results, Defined<Methods, Method> & CallWords>,
  ): GraphBuilder<Results>;
  compensate(name: keyof Results & string, given: Given<Results, Named & CallWords>): GraphBuilder<Results>;
  compensate(name: string, given: unknown): unknown {
    const step = Object.hasOwn(this.graph.steps, name) ? this.graph.steps[name]! : refuse(`the graph has no step '${name}'`);
    if (step.compensate !== undefined) refuse(`step '${name}' is compensated already`);
    return this.#with(name, { ...step, compensate: wordsOf(given) as GraphCall });
  }

  #with(name: string, step: GraphStep): unknown {
    return new GraphBuilder({ ...this.graph, steps: { ...this.graph.steps, [name]: step } });
  }
}

/**
 * A graph of calls without steps. Each `step` answers a new one; what is wrong is said when it runs, all of it at once.
 *
 * ```ts
 * const order = defineGraph({ timeoutMs: 10_000 })
 *   .step('reserve', { service: stock, method: 'reserve', input: { sku: 'chair' } })
 *   .step('charge', (ref) => ({ service: bank, method: 'charge', input: { amount: ref('reserve', 'price') } }))
 *   .compensate('reserve', (ref) => ({ service: stock, method: 'release', input: { id: ref('reserve', 'id') } }));
 * ```
 */
export const defineGraph = (limits: GraphLimits = {}): GraphBuilder => new GraphBuilder({ ...limits, steps: {} });
