// Options of actors: which types a node hosts, and how the cluster places them.
import { z } from 'zod';
import { actorLimits } from '../../actors/actor-api.ts';
import { type BalanceOptions, balanceDefaults } from '../../machines/entity/balance.ts';
import type { AnyDefinedActor } from '../actor/types.ts';

export type ActorsConfig = {
  /** Modules whose exported actors are hosted. */
  modules: string[];
  /** Groups that hold actors are handed to the nodes that should lead them. */
  rebalance: boolean;
};

/** What a program gives may be definitions, too; a list alone is `modules`. */
export type ActorsConfigInput =
  | readonly (AnyDefinedActor | string)[]
  | { readonly modules?: readonly (AnyDefinedActor | string)[]; readonly rebalance?: boolean };

export const actorsBuiltIn: ActorsConfig = { modules: [], rebalance: balanceDefaults.isOn };

const isPath = (value: unknown): boolean => typeof value === 'string' && value.trim() !== '' && !/\p{Cc}/u.test(value);

const path = z
  .string({ error: () => 'names something that is no file' })
  .refine(isPath, { error: ({ input }) => `${JSON.stringify(input)} is not a file` });

export const actorsSchema = z.strictObject(
  {
    modules: z
      .array(path, { error: () => 'is not a list of files' })
      .max(actorLimits.typesMax, { error: () => `names more than ${actorLimits.typesMax} files` }),
    rebalance: z.boolean({ error: () => 'is neither on nor off' }),
  },
  { error: () => 'is neither a list of definitions and files nor an object with modules and rebalance' },
);

/** What is configuration of what a program gives, and the definitions in it. What makes no sense is the schema's to refuse. */
export const splitActors = (given: ActorsConfigInput | undefined): { config: unknown; definitions: AnyDefinedActor[] } => {
  const { modules, ...rest } = Array.isArray(given)
    ? { modules: given as unknown[] }
    : ((given ?? {}) as { modules?: unknown });
  if (!Array.isArray(modules)) return { config: given, definitions: [] };
  const definitions = modules.filter((one) => typeof one !== 'string') as AnyDefinedActor[];
  return { config: { ...rest, modules: modules.filter((one) => typeof one === 'string') }, definitions };
};

export const balanceOptions = ({ rebalance }: ActorsConfig): BalanceOptions => ({ ...balanceDefaults, isOn: rebalance });
