// Starts the load in a process of its own.
import { fileURLToPath } from 'node:url';
import { outputOf } from './children.ts';
import { graceMs, type Load, type LoadPlan } from './load.ts';

const program = fileURLToPath(new URL('load.ts', import.meta.url));
/** A process that starts and a thousand connections, on a machine that has other things to do. */
const startMsMax = 30_000;

export const loadFrom = async (plan: LoadPlan): Promise<Load> => {
  try {
    return JSON.parse(await outputOf([program, JSON.stringify(plan)], plan.forMs + graceMs + startMsMax)) as Load;
  } catch (error) {
    throw new Error(`${plan.clients} clients of '${plan.kind}' at ${plan.targets.length} nodes: no result`, { cause: error });
  }
};

export const loopback = (ports: readonly number[]): LoadPlan['targets'] => ports.map((port) => ({ host: '127.0.0.1', port }));
