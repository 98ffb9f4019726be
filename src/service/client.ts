// Calls by whoever writes programs: by names, or by the methods of a definition.
import type { CallContext, CallsApi } from '../../actors/service-api.ts';
import {
  demandDefinition,
  type MethodDefinition,
  type MethodDefinitions,
  type ServiceClient,
  type ServiceDefinition,
} from './define.ts';
import { callOf, type ServiceCallOptions } from './options.ts';
import { ask } from './pending.ts';
import { type Check, checkOf, demandFits } from './schema.ts';
import { ServiceStream } from './stream.ts';

/** Rejects with a PolityError. */
export const callService = (
  calls: CallsApi,
  service: string,
  method: string,
  input: unknown,
  options: ServiceCallOptions | undefined,
  within: CallContext | null,
): Promise<unknown> => {
  try {
    return ask(calls, callOf(service, method, input, options, within, false), options?.signal);
  } catch (error) {
    return Promise.reject(error);
  }
};

export const streamService = (
  calls: CallsApi,
  service: string,
  method: string,
  input: unknown,
  options: ServiceCallOptions | undefined,
  within: CallContext | null,
): ServiceStream<unknown> =>
  new ServiceStream(() => ({ calls, call: callOf(service, method, input, options, within, true) }), options?.signal);

type Bound = {
  calls: CallsApi;
  definition: ServiceDefinition;
  /** Of all calls of the client. */
  options: ServiceCallOptions | undefined;
  within: CallContext | null;
};

const methodOf = ({ calls, definition, options, within }: Bound, method: string, defined: MethodDefinition) => {
  const { name } = definition;
  const version = options?.version ?? rangeOf(definition.version);
  const check = checkOf(defined.input);
  const bound: ServiceCallOptions = { ...options, version };
  const optionsOf = (own: ServiceCallOptions | undefined): ServiceCallOptions =>
    own === undefined ? bound : { ...bound, ...own };
  const fitting = (input: unknown, wanted: Check): Promise<unknown> => demandFits(wanted, input, `${name}.${method}`);

  if (defined.stream === true)
    return (input?: unknown, own?: ServiceCallOptions): ServiceStream<unknown> => {
      const all = optionsOf(own);
      const begin = () => ({ calls, call: callOf(name, method, input, all, within, true) });
      const isChecked = all.checkInput === true && check !== null;
      return new ServiceStream(isChecked ? () => fitting(input, check).then(begin) : begin, all.signal);
    };
  return (input?: unknown, own?: ServiceCallOptions): Promise<unknown> => {
    // By far the most.
    if (own === undefined && options === undefined && within === null)
      return ask(calls, { service: name, method, input, version, takesItems: false });
    const all = optionsOf(own);
    const send = (): Promise<unknown> => callService(calls, name, method, input, all, within);
    return all.checkInput === true && check !== null ? fitting(input, check).then(send) : send();
  };
};

/** What promises to work with a caller of this version: up to the next change that may break it, and this very pre-release. */
const rangeOf = (version: string): string => `^${version}`;

/** A function for each method. Calls go to versions that fit the definition's (`^1.2.0`), unless `version` says otherwise. */
export const clientOf = <Methods extends MethodDefinitions>(
  calls: CallsApi,
  definition: ServiceDefinition<Methods>,
  options: ServiceCallOptions | undefined,
  within: CallContext | null,
): ServiceClient<Methods> => {
  demandDefinition(definition);
  const bound = { calls, definition: definition as ServiceDefinition, options, within };
  const client: Record<string, unknown> = {};
  for (const [method, defined] of Object.entries(definition.methods)) client[method] = methodOf(bound, method, defined);
  return Object.freeze(client) as ServiceClient<Methods>;
};
