// Breakers as seen from a program that is no member: those of the node that answers, for each has its own. With several urls that is the
// one that answered last; name one url to be sure which.
import type { BreakerReport } from '../../actors/service-api.ts';
import type { Attempted } from './attempts.ts';
import type { CallOptions } from './client.ts';
import { isFields } from './entry.ts';
import { encode } from './query.ts';

export type { BreakerReport } from '../../actors/service-api.ts';

export type BreakerCommand = 'open' | 'close' | 'reset';

export interface BreakersClient {
  /** Those that are not closed, are held closed by hand, or have counted failures: at most 1 000, by nodes and services. */
  list(options?: CallOptions): Promise<BreakerReport[]>;
  /**
   * Tells the breaker of a service at a node (its name or peer id), or those of all its services that were called; how many were told.
   * 'open' and 'close' hold until somebody says otherwise, 'reset' makes them as if new. Rejects with MEMBER_NOT_FOUND.
   */
  command(node: string, command: BreakerCommand, options?: CallOptions & { service?: string }): Promise<number>;
}

export const createBreakersClient = (
  run: (attempted: Attempted, options: CallOptions) => Promise<Record<string, unknown>>,
): BreakersClient => ({
  async list(options = {}) {
    const call = () => ({ method: 'GET', path: '/v1/breakers' });
    const { breakers } = await run({ call, effect: false, repeatable: true }, options);
    return (Array.isArray(breakers) ? breakers.filter(isFields) : []) as BreakerReport[];
  },
  async command(node, command, { service, ...options } = {}) {
    const path = `/v1/breakers/${encode('the node', node)}`;
    const body = new TextEncoder().encode(JSON.stringify({ service, command }));
    const call = () => ({ method: 'POST', path, body });
    return Number((await run({ call, effect: true, repeatable: true }, options)).told);
  },
});
