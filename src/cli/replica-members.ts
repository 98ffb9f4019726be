// `polity replica members` and `retire`: for whom the rounds of replicated data wait, and for whom no more.
import { cell, print, printJson, table } from './output.ts';
import { type ReachOptions, withClient } from './reach.ts';

export const members = (options: ReachOptions): Promise<void> =>
  withClient(options, async (client) => {
    const now = await client.replica.replicas();
    if (options.json === true) return printJson(now);
    const rows = now.replicas.map(({ name, replica, standing, round, peerId }) => [
      ...[cell(name), replica, standing, String(round), cell(peerId)],
    ]);
    print(table(['NODE', 'REPLICA', 'STANDING', 'ROUND', 'PEER ID'], rows));
    print(
      `\nthis node is ${now.replica ?? 'not ready'} (${now.standing ?? '-'}), in round ${now.round}; ${now.stable} is stable`,
    );
  });

export const retire = (named: string, options: ReachOptions): Promise<void> =>
  withClient(options, async (client) => {
    const { replica, name } = await client.replica.retire(named);
    if (options.json === true) printJson({ retired: replica, name });
    else print(`${replica} of ${name} is retired: nobody takes anything of it any more`);
  });
