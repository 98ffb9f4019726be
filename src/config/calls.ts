// Options of calls of services: how much each caller may, and how they behave in tests.
import { z } from 'zod';
import { type CallsSettings, callsDefaults } from '../../actors/service-api.ts';
import { limiterDefaults } from '../../machines/limiter/index.ts';

export type CallRate = { perHour: number; burst: number };

export type CallsConfig = {
  /** For each node that calls this one, and for each principal, through whatever node; null = no limit. */
  limits: {
    node: CallRate | null;
    principal: CallRate | null;
    /** What other nodes that share their limits let through counts here too, about a second later. */
    shared: boolean;
  };
  serialize: boolean;
  graceMs: number;
};

export type CallsConfigInput = {
  limits?: { node?: Partial<CallRate> | null; principal?: Partial<CallRate> | null; shared?: boolean };
  serialize?: boolean;
  graceMs?: number;
};

const hourMs = 3_600_000;
const most = { perHour: 1_000_000_000, burst: 1_000_000 } as const;
const example = 'perHour=10000,burst=50, or off';

const shown = (value: unknown): string =>
  typeof value === 'string' ? `'${value.slice(0, 80)}'` : (JSON.stringify(value) ?? String(value));

/** 'off' in a flag, the environment or a file stands for null. */
const rate = (kind: 'node' | 'principal') =>
  z
    .custom<Partial<CallRate> | 'off' | null>()
    .superRefine((given, context) => {
      const problem = (message: string): void => context.addIssue({ code: 'custom', message });
      if (given === null || given === 'off') return;
      if (typeof given !== 'object' || Array.isArray(given)) return problem(`${shown(given)} is no limit: ${example}`);
      for (const [name, value] of Object.entries(given)) {
        if (name !== 'perHour' && name !== 'burst') return problem(`a limit has no '${name.slice(0, 40)}': ${example}`);
        if (!(Number.isSafeInteger(value) && value >= 1 && value <= most[name]))
          return problem(`${name} is ${shown(value)}: not a whole number from 1 to ${most[name]}`);
      }
    })
    .transform((given): CallRate | null => {
      if (given === null || given === 'off') return null;
      const { tokens, burst } = limiterDefaults[kind]!;
      return { perHour: given.perHour ?? tokens, burst: given.burst ?? burst };
    });

/** `{}` is the default of row R6. */
export const callsSchema = (count: (least: number, most: number) => z.ZodType<number>) => {
  const branch = { error: () => 'is not an object' };
  const isOn = () => z.boolean({ error: ({ input }) => `${shown(input)} is neither on nor off` });
  return z.strictObject(
    {
      limits: z.strictObject({ node: rate('node'), principal: rate('principal'), shared: isOn() }, branch),
      serialize: isOn(),
      graceMs: count(0, 600_000),
    },
    branch,
  );
};

export const callsBuiltIn = {
  limits: { node: {}, principal: {}, shared: callsDefaults.sharesLimits },
  ...{ serialize: callsDefaults.serialize, graceMs: callsDefaults.graceMs },
} as const;

const rateOf = (given: CallRate | null) =>
  given === null ? null : { tokens: given.perHour, periodMs: hourMs, burst: given.burst };

export const callsSettings = ({ limits, serialize, graceMs }: CallsConfig): CallsSettings => ({
  limits: { ...limiterDefaults, node: rateOf(limits.node), principal: rateOf(limits.principal) },
  ...{ sharesLimits: limits.shared, serialize, graceMs },
});
