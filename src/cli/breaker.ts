// `polity breaker …`: which services of other nodes a node does not call, and what a person says about it. Each node has breakers of its
// own, so it matters which one is asked.
import type { BreakerCommand } from '../client/index.ts';
import { cell, print, printJson, table } from './output.ts';
import { type ReachOptions, withClient } from './reach.ts';

const shownMs = (ms: number): string => (ms === 0 ? '-' : `${Math.ceil(ms / 1_000)}s`);

export const list = (options: ReachOptions): Promise<void> =>
  withClient(options, async (client) => {
    const breakers = await client.breakers.list();
    if (options.json === true) return printJson({ breakers });
    const rows = breakers.map(({ node, peer, service, status, openForMs, failures, refused }) => [
      ...[cell(node ?? peer), cell(service), status, shownMs(openForMs), String(failures), String(refused)],
    ]);
    print(
      rows.length === 0 ? 'no call has failed' : table(['NODE', 'SERVICE', 'STATE', 'OPEN FOR', 'FAILED', 'REFUSED'], rows),
    );
  });

export const command = (
  what: BreakerCommand,
  node: string,
  service: string | undefined,
  options: ReachOptions,
): Promise<void> =>
  withClient(options, async (client) => {
    const told = await client.breakers.command(node, what, { ...(service === undefined ? {} : { service }) });
    if (options.json === true) return printJson({ node, service: service ?? null, command: what, told });
    const breakers = told === 1 ? '1 breaker was' : `${told} breakers were`;
    print(`${breakers} told to ${what}`);
  });
