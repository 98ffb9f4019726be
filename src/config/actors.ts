// Options of actors: how the cluster places them.
import { z } from 'zod';
import { type BalanceOptions, balanceDefaults } from '../../machines/entity/balance.ts';

export type ActorsConfig = {
  /** Groups that hold actors are handed to the nodes that should lead them. */
  rebalance: boolean;
};

export const actorsBuiltIn: ActorsConfig = { rebalance: balanceDefaults.isOn };

export const actorsSchema = z.strictObject(
  { rebalance: z.boolean({ error: () => 'is neither on nor off' }) },
  { error: () => 'is not an object' },
);

export const balanceOptions = ({ rebalance }: ActorsConfig): BalanceOptions => ({ ...balanceDefaults, isOn: rebalance });
