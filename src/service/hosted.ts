// A definition and its handlers, as the node executes them.
import type { SinkPort } from '../../actors/ports/index.ts';
import type { CallEvents, CallHandle, CallsApi, HostedMethod, HostedService } from '../../actors/service-api.ts';
import { failure, PolityError } from '../../machines/errors.ts';
import { ServiceContext } from './context.ts';
import {
  demandDefinition,
  type Handlers,
  type MethodDefinition,
  type MethodDefinitions,
  type ServiceDefinition,
} from './define.ts';
import { type AnyHandler, isThenable, type MethodAtWork, UnaryInvocation } from './invoke.ts';
import { StreamInvocation } from './invoke-stream.ts';
import { checkOf } from './schema.ts';

export type Surroundings = { node: string; calls: CallsApi; sink: SinkPort };

const ended: CallHandle = { cancel() {}, more() {} };

/** Nothing is checked, and as long as nothing is waited for either, there is nothing to remember. */
const invokePlain = (work: MethodAtWork, input: unknown, context: ServiceContext, on: CallEvents): CallHandle => {
  let result: unknown;
  let isLater: boolean;
  try {
    result = work.handler(input, context);
    isLater = isThenable(result);
  } catch (error) {
    new UnaryInvocation(work, context, on).threw(error);
    return ended;
  }
  if (isLater) {
    const invocation = new UnaryInvocation(work, context, on);
    invocation.follow(result as PromiseLike<unknown>);
    return invocation;
  }
  ServiceContext.close(context);
  on.end({ ok: true, value: result ?? null });
  return ended;
};

const methodOf = (defined: MethodDefinition, handler: AnyHandler, around: Surroundings): HostedMethod => {
  const { input, output, idempotent = false, stream = false, importance = 'normal', cost = 1 } = defined;
  const work: MethodAtWork = { handler, input: checkOf(input), output: checkOf(output), isStream: stream, ...around };
  const isPlain = !stream && work.input === null && work.output === null;
  return {
    ...{ idempotent, isStream: stream, importance, cost },
    invoke(given, within, on) {
      const context = new ServiceContext(within, around.calls);
      if (isPlain) return invokePlain(work, given, context, on);
      const invocation = stream ? new StreamInvocation(work, context, on) : new UnaryInvocation(work, context, on);
      invocation.begin(given);
      return invocation;
    },
  };
};

/** Throws INVALID_REQUEST: a method without a handler, a handler without a method. */
export const hostedFrom = <Methods extends MethodDefinitions>(
  definition: ServiceDefinition<Methods>,
  handlers: Handlers<Methods>,
  around: Surroundings,
): HostedService => {
  demandDefinition(definition);
  const { name, methods, offer, bulkhead } = definition;
  const given = handlers as Readonly<Record<string, unknown>>;
  const refuse = (why: string): never => {
    throw new PolityError(failure('INVALID_REQUEST', why));
  };
  if (typeof given !== 'object' || given === null)
    refuse(`the handlers of ${name} are an object with a function for each method`);
  for (const method of Object.keys(given))
    if (!Object.hasOwn(methods, method)) refuse(`${name} has no method ${method.slice(0, 64)}, and yet a handler for it`);
  const hosted = Object.entries(methods).map(([method, defined]): [string, HostedMethod] => {
    const handler = Object.hasOwn(given, method) ? given[method] : undefined;
    if (typeof handler !== 'function') return refuse(`${name}.${method} has no handler`);
    // Bound, so that handlers may be the methods of one object.
    return [method, methodOf(defined, (handler as AnyHandler).bind(handlers), around)];
  });
  return { offer, bulkhead, methods: Object.fromEntries(hosted) };
};
