// Limits that nodes share. Each node tells what it let through, by window: all of this window and all of the one before, so that a telling that
// is lost, or overtaken by the next, takes nothing with it. Who hears it makes out what is new by what that node had told before. Nothing
// here grows: a window holds so many names, those who spent most in it, and whoever spends nothing for two windows is named no more.
import { isWellFormed } from '../wire/octets.ts';
import type { LimiterOptions } from './options.ts';

export const sharedLimits = {
  /** Told at most so often … */
  tellMs: 500,
  /** … and for each name in what was told so much later: 256 names, some 10 KiB, a second. */
  tellMsPerName: 2,
  windowMs: 10_000,
  /** Nodes, and as many principals, that one window names. */
  namesMax: 256,
  /** Names of each kind between two tellings. */
  waitingMax: 4_096,
  /** The longest principal; four times `namesMax` of these are still a value that a replicated map takes. */
  nameCharsMax: 256,
  /** Of one name in one window. */
  tokensMax: 2 ** 48,
} as const;

const limits = sharedLimits;
const kinds = ['node', 'principal'] as const;
type Kind = (typeof kinds)[number];

/** By name. */
type Tokens = Map<string, number>;

/** What was let through here since it was told last. */
export type Spent = {
  readonly node: Tokens | null;
  readonly principal: Tokens | null;
  /** Tokens of names that were too many to be told, since it was made. */
  untold: number;
};

type Windows = { now: Tokens; before: Tokens };

export type Telling = {
  /** Of the node's start: windows are counted anew with each. */
  readonly epoch: number;
  window: number;
  readonly node: Windows;
  readonly principal: Windows;
};

export type Teller = Telling & { /** When the window began. */ sinceMs: number };

export const createSpent = ({ node, principal }: LimiterOptions): Spent => ({
  node: node === null ? null : new Map(),
  principal: principal === null ? null : new Map(),
  untold: 0,
});

/** All that a call costs for this. */
export const note = (spent: Spent, kind: Kind, name: string, tokens: number): void => {
  const of = spent[kind];
  if (of === null) return;
  const before = of.get(name);
  if (before === undefined && of.size >= limits.waitingMax) spent.untold += tokens;
  else of.set(name, (before ?? 0) + tokens);
};

const nothing = (): Windows => ({ now: new Map(), before: new Map() });

/** Windows are the clock's, so that one who begins anew within a start of the node goes on where the one before was. */
export const createTeller = (epoch: number, nowMs: number): Teller => {
  const window = Math.max(0, Math.floor(nowMs / limits.windowMs));
  return { epoch, window, sinceMs: window * limits.windowMs, node: nothing(), principal: nothing() };
};

export const isIdle = (teller: Telling): boolean =>
  kinds.every((kind) => teller[kind].now.size === 0 && teller[kind].before.size === 0);

const turn = (teller: Teller, nowMs: number): void => {
  const passed = Math.floor((nowMs - teller.sinceMs) / limits.windowMs);
  if (passed <= 0) return;
  teller.window += passed;
  teller.sinceMs += passed * limits.windowMs;
  for (const kind of kinds) {
    teller[kind].before = passed === 1 ? teller[kind].now : new Map();
    teller[kind].now = new Map();
  }
};

/** Only who spends more than somebody who is named takes his place, so that a crowd of new names hides nobody. */
const keepMost = (tokens: Tokens): Tokens =>
  tokens.size <= limits.namesMax
    ? tokens
    : new Map([...tokens].sort(([, one], [, other]) => other - one).slice(0, limits.namesMax));

const gatherKind = (windows: Windows, spent: Tokens): number => {
  let untold = 0;
  const { now } = windows;
  // Half a character is no plain data, and would keep all the others from being told.
  for (const [name, tokens] of spent)
    if (name.length <= limits.nameCharsMax && isWellFormed(name))
      now.set(name, Math.min(limits.tokensMax, (now.get(name) ?? 0) + tokens));
    else untold += tokens;
  windows.now = keepMost(now);
  if (windows.now !== now) for (const [name, tokens] of spent) if (now.has(name) && !windows.now.has(name)) untold += tokens;
  spent.clear();
  return untold;
};

/** Takes over what was spent; true: there is something to be told. */
export const gather = (teller: Teller, spent: Spent, nowMs: number): boolean => {
  turn(teller, nowMs);
  let isNew = false;
  for (const kind of kinds) {
    const of = spent[kind];
    if (of === null || of.size === 0) continue;
    isNew = true;
    spent.untold += gatherKind(teller[kind], of);
  }
  return isNew;
};

/** How long nothing is told after it. */
export const restMs = (told: Telling): number =>
  limits.tellMs + limits.tellMsPerName * kinds.reduce((names, kind) => names + told[kind].now.size + told[kind].before.size, 0);

type TokensForm = readonly (string | number)[];
export type TellingForm = readonly [epoch: number, window: number, ...of: readonly TokensForm[]];

const formTokens = (tokens: Tokens): TokensForm => [...tokens].flat();

/** As plain data: name and tokens by turns, of nodes now and before, of principals now and before. */
export const formTelling = ({ epoch, window, node, principal }: Telling): TellingForm => [
  ...([epoch, window] as const),
  ...[node.now, node.before, principal.now, principal.before].map(formTokens),
];

const isCount = (value: unknown, least: number, most: number): value is number =>
  Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;

const parseTokens = (form: unknown): Tokens | null => {
  if (!Array.isArray(form) || form.length > 2 * limits.namesMax || form.length % 2 !== 0) return null;
  const tokens: Tokens = new Map();
  for (let at = 0; at < form.length; at += 2) {
    const name: unknown = form[at];
    const count: unknown = form[at + 1];
    if (typeof name !== 'string' || name.length > limits.nameCharsMax) return null;
    if (!isCount(count, 1, limits.tokensMax)) return null;
    tokens.set(name, count);
  }
  return tokens;
};

/** Null: it is none. */
export const parseTelling = (form: unknown): Telling | null => {
  if (!Array.isArray(form) || form.length !== 6) return null;
  const [epoch, window, ...rest] = form as unknown[];
  if (!isCount(epoch, 0, Number.MAX_SAFE_INTEGER) || !isCount(window, 0, Number.MAX_SAFE_INTEGER)) return null;
  const of = rest.map(parseTokens);
  if (of.includes(null)) return null;
  const [nodeNow, nodeBefore, principalNow, principalBefore] = of as [Tokens, Tokens, Tokens, Tokens];
  const node = { now: nodeNow, before: nodeBefore };
  return { epoch, window, node, principal: { now: principalNow, before: principalBefore } };
};

const none: Tokens = new Map();

/** One who was not named for a while, and is again, is counted from nothing by him who tells. */
const newIn = (known: Tokens, told: Tokens, on: (name: string, tokens: number) => void): void => {
  for (const [name, tokens] of told) {
    const before = known.get(name) ?? 0;
    const more = tokens < before ? tokens : tokens - before;
    if (more > 0) on(name, more);
  }
};

/**
 * What a node spent since it told `known`, as far as it is in `told`; null: nothing was heard of it. At most the tokens of two windows, so
 * that who hears of a node late, or again after a long time, does not make up for what came back long ago.
 */
export const newsOf = (known: Telling | null, told: Telling, on: (kind: Kind, name: string, tokens: number) => void): void => {
  const passed = known !== null && known.epoch === told.epoch ? told.window - known.window : Number.POSITIVE_INFINITY;
  if (passed < 0) return;
  for (const kind of kinds) {
    const was = known?.[kind];
    const knownBefore = passed === 0 ? was?.before : passed === 1 ? was?.now : none;
    newIn(knownBefore ?? none, told[kind].before, (name, tokens) => on(kind, name, tokens));
    newIn((passed === 0 ? was?.now : none) ?? none, told[kind].now, (name, tokens) => on(kind, name, tokens));
  }
};
