// What a configuration must be, with a sentence for everything that can be wrong about it. Sources are merged before (sources.ts);
// what needs two options at once is checked in resolve.ts.
import { z } from 'zod';
import { isNodeName } from '../../machines/genesis/messages.ts';
import { membershipLimits } from '../../machines/membership/index.ts';
import { limits } from '../../machines/wire/limits.ts';
import { addressProblem } from '../address.ts';
import { lookupLimits, parseSource, type SourcePlan, sourceLimits } from '../discovery/index.ts';
import { actorsSchema } from './actors.ts';
import { breakerSchema } from './breaker.ts';
import { callsSchema } from './calls.ts';

const shown = (value: unknown): string => {
  const text = typeof value === 'string' ? `'${value}'` : (JSON.stringify(value) ?? String(value));
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
};

/** One sentence for whatever is not a `wanted`. */
const must =
  (wanted: string) =>
  ({ input }: { input?: unknown }): string =>
    input === undefined ? 'is missing' : `${shown(input)} is not ${wanted}`;

const text = (wanted: string): z.ZodString => z.string({ error: must(wanted) });

const nodeName = (wanted: string) =>
  text(wanted).refine(isNodeName, {
    error: ({ input }) => `${shown(input)} is not ${wanted}: 1 to 63 of a-z, 0-9 and '-', not at an end`,
  });

const unique = (what: string) => ({
  check: (list: readonly string[]) => new Set(list).size === list.length,
  error: ({ input }: { input?: unknown }) => {
    const list = input as string[];
    return `names ${what} '${list.find((one, at) => list.indexOf(one) !== at)}' twice`;
  },
});

const names = (what: string) => {
  const { check, error } = unique(what);
  return z.array(nodeName(`${what}'s name`), { error: must('a list of names') }).refine(check, { error });
};

const address = text('a multiaddr').superRefine((value, context) => {
  const why = addressProblem(value);
  if (why === null) return;
  const example = why === 'is not a multiaddr' ? ' (for example /ip4/127.0.0.1/tcp/7400)' : '';
  context.addIssue({ code: 'custom', message: `${shown(value)} ${why}${example}` });
});

const addresses = z.array(address, { error: must('a list of multiaddrs') });

/** What others can dial: a place of its own, with its port, and without the peer id, which is added. */
const announced = address.superRefine((value, context) => {
  if (addressProblem(value) !== null) return;
  const why = value.includes('/p2p/')
    ? 'names a peer; it is added to what is announced'
    : /^\/ip4\/0\.0\.0\.0\/|^\/ip6\/(::|0:0:0:0:0:0:0:0)\/|\/tcp\/0$/.test(value)
      ? 'is nothing that others could dial'
      : null;
  if (why !== null) context.addIssue({ code: 'custom', message: `${shown(value)} ${why}` });
});

/** Texts become plans, each source once. What is said about a text holds no password that may stand in it. */
const sources = z
  .array(z.string({ error: () => 'holds something that is no text' }), { error: () => 'is not a list of sources' })
  .max(lookupLimits.sourcesMax, { error: () => `names more than ${lookupLimits.sourcesMax} sources` })
  .transform((texts, context): SourcePlan[] => {
    const plans = new Map<string, SourcePlan>();
    for (const text of texts) {
      const parsed = parseSource(text.trim());
      const problem =
        'problem' in parsed ? parsed.problem : plans.has(parsed.plan.name) ? `names '${parsed.plan.name}' twice` : null;
      if (problem !== null) context.addIssue({ code: 'custom', message: problem });
      if ('plan' in parsed) plans.set(parsed.plan.name, parsed.plan);
    }
    return [...plans.values()];
  });

/** host and port of `127.0.0.1:7501`, `[::1]:7501` or `localhost:0`; null if it is none. */
export const splitHostPort = (value: string): { host: string; port: number } | null => {
  const match = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})$/.exec(value);
  const port = Number(match?.[2]);
  return match === null || port > 65_535 ? null : { host: match[1]!, port };
};

const hostPort = text('HOST:PORT').refine((value) => splitHostPort(value) !== null, {
  error: ({ input }) => `${shown(input)} is not HOST:PORT (for example 127.0.0.1:7501; an IPv6 address stands in brackets)`,
});

const hostName = text('a host name').regex(/^[A-Za-z0-9._-]{1,253}$/, { error: must('a host name') });

const count = (min: number, max: number) => {
  const wanted = `a whole number from ${min} to ${max}`;
  return z
    .int({ error: must(wanted) })
    .min(min, { error: must(wanted) })
    .max(max, { error: must(wanted) });
};

const oneOf = <const Choices extends readonly [string, ...string[]]>(choices: Choices) =>
  z.enum(choices, { error: must(choices.length === 2 ? choices.join(' or ') : `one of ${choices.join(', ')}`) });

const notBlank = (what: string) => text(what).refine((value) => value.trim() !== '', { error: () => 'is empty' });

const isWord = (value: string): boolean => value.length <= membershipLimits.wordCharsMax && !/\p{Cc}/u.test(value);

const word = (what: string) =>
  text(what).refine(isWord, {
    error: ({ input }) => `${shown(input)} is not ${what}: at most ${membershipLimits.wordCharsMax} characters on one line`,
  });

const words = (one: string, many: string, wordsMax: number) =>
  z
    .array(word(`a ${one}`), { error: must(`a list of ${many}`) })
    .max(wordsMax, { error: () => `names more than ${wordsMax} ${many}` });

const resources = z.custom<Record<string, number | string>>().superRefine((given, context) => {
  const problem = (message: string): void => context.addIssue({ code: 'custom', message });
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    return problem(`${shown(given)} is not names, each once, with numbers or words (for example cpus=8,disk=ssd)`);
  const { resourcesMax, wordCharsMax } = membershipLimits;
  const entries = Object.entries(given);
  if (entries.length > resourcesMax) return problem(`names more than ${resourcesMax} resources`);
  for (const [name, value] of entries) {
    if (name === '' || !isWord(name))
      return problem(`${shown(name)} is not a resource's name: 1 to ${wordCharsMax} characters on one line`);
    const isAmount = typeof value === 'number' && Number.isFinite(value) && value >= 0;
    if (!isAmount && !(typeof value === 'string' && isWord(value)))
      return problem(
        `${name} is ${shown(value)}: neither a number from 0 on nor at most ${wordCharsMax} characters on one line`,
      );
  }
});

const secret = z.union([z.instanceof(Uint8Array), z.string()], { error: () => 'is neither text nor bytes' });

const electionTimeoutMs = z
  .tuple([count(10, 60_000), count(11, 120_000)], { error: must('two times, [MIN, MAX]') })
  .refine(([min, max]) => min < max, {
    error: ({ input }) => `${shown(input)} does not grow: the first must be less than the second`,
  });

const branch = { error: must('an object') };

export const schema = z.strictObject({
  name: nodeName("a node's name"),
  cluster: nodeName("a cluster's name"),
  data: notBlank('a directory'),
  listen: addresses,
  http: z.union([hostPort, z.null()]),
  httpHosts: z.array(hostName, { error: must('a list of host names') }),
  join: addresses,
  discover: sources,
  announce: z.array(announced, { error: must('a list of multiaddrs') }).max(sourceLimits.addressesMax, {
    error: () => `names more than ${sourceLimits.addressesMax} addresses`,
  }),
  bootstrap: names('a node'),
  region: word('a region'),
  tags: words('tag', 'tags', membershipLimits.tagsMax),
  capabilities: words('capability', 'capabilities', membershipLimits.capabilitiesMax),
  resources,
  capacity: count(0, 1_000_000_000),
  secret: secret.optional(),
  secretFile: notBlank('a file').optional(),
  token: z.string({ error: () => 'is not text' }).nullish(),
  tokenFile: notBlank('a file').optional(),
  groups: names('a group')
    .min(1, { error: () => 'names no group' })
    .max(limits.groupsMax, { error: () => `names more than ${limits.groupsMax} groups` }),
  inspect: oneOf(['off', 'loopback', 'token']),
  durableGraphs: z.boolean({ error: () => 'is neither on nor off' }),
  messaging: oneOf(['auto', 'gossipsub']),
  raft: z.strictObject(
    {
      preset: oneOf(['lan', 'wan']),
      electionTimeoutMs: electionTimeoutMs.optional(),
      heartbeatMs: count(5, 60_000).optional(),
      quietAfterMs: count(0, 86_400_000).optional(),
    },
    branch,
  ),
  actors: actorsSchema,
  calls: callsSchema(count),
  replica: z.strictObject({ roundMs: count(100, 86_400_000) }, branch),
  snapshot: z.strictObject({ entries: count(100, 100_000_000), bytes: count(1 << 20, 2 ** 40) }, branch),
  breaker: breakerSchema(count, oneOf(['all', 'consecutive']), branch),
  log: z.strictObject({ level: oneOf(['debug', 'info', 'warn', 'error', 'silent']) }, branch),
});

export type Merged = z.infer<typeof schema>;
