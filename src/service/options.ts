// How a call is made: what its caller may choose, and what is refused before it leaves.
import type { CallContext, ServiceCall } from '../../actors/service-api.ts';
import { failure, PolityError } from '../../machines/errors.ts';

export type ServiceCallOptions = Omit<ServiceCall, 'service' | 'method' | 'input' | 'within' | 'takesItems'> & {
  /** The call is given up when it aborts; the node that executes it is told. Rejects with CANCELLED, its reason as `cause`. */
  signal?: AbortSignal;
  /** The input is checked by the definition's schema before it leaves, too. Only with a client of a definition. Default false. */
  checkInput?: boolean;
};

const names = new Set<string>([
  ...['version', 'timeoutMs', 'strategy', 'key', 'principal', 'node', 'requestId', 'hedgeAfterMs', 'importance', 'resources'],
  ...['capabilities', 'trace', 'signal', 'checkInput'],
]);

const refuse = (why: string): never => {
  throw new PolityError(failure('INVALID_REQUEST', why));
};

/** Throws INVALID_REQUEST at an option that there is not: one letter off, and a call would go without its time-out. */
export const callOf = (
  service: string,
  method: string,
  input: unknown,
  options: ServiceCallOptions | undefined,
  within: CallContext | null,
  takesItems: boolean,
): ServiceCall => {
  if (options === undefined)
    return within === null ? { service, method, input, takesItems } : { service, method, input, takesItems, within };
  if (typeof options !== 'object' || options === null) refuse('the options of a call are an object');
  for (const name of Object.keys(options)) if (!names.has(name)) refuse(`a call has no option '${name.slice(0, 32)}'`);
  if (options.signal !== undefined && !(options.signal instanceof AbortSignal)) refuse('signal must be an AbortSignal');
  const { signal: _signal, checkInput: _checkInput, ...call } = options;
  return { ...call, service, method, input, takesItems, ...(within === null ? {} : { within }) };
};
