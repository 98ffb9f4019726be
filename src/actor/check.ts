// Everything that is wrong with a definition, said at once and by name, where it is made: not when the first actor of it fails.
import {
  actorLimits,
  type Durability,
  type Placement,
  type RestartStrategy,
  type ResumeRule,
  type TimerPolicy,
} from '../../actors/actor-api.ts';
import { isActorType, runtimeType } from '../../machines/entity/address.ts';
import { parseDuration } from '../duration.ts';
import { isSchema } from '../service/schema.ts';
import { isChart, unrepeatable } from './chart.ts';

export const definitionLimits = {
  versionMax: 1_000_000,
  redactMax: 64,
  repliesMax: 1_024,
  resumeMax: 1_024,
  /** A day, as other times of the runtime. */
  restartMsMax: 86_400_000,
  failuresMost: 10_000,
  passivateMsMin: 100,
  problemsShownMax: 16,
} as const;

const durabilities: readonly Durability[] = ['none', 'local', 'replicated'];
const placements: readonly Placement[] = ['node', 'each', 'sharded', 'singleton'];
const strategies: readonly RestartStrategy['strategy'][] = ['one-for-one', 'rest-for-one', 'all'];
const resumeRules: readonly ResumeRule[] = ['retry', 'fail', 'ask'];
const timerPolicies: readonly TimerPolicy[] = ['deadline', 'remaining', 'restart'];

/** Whom the cluster places must not be bound to a node, and what one node writes cannot be anywhere else. */
const placementsOf: Readonly<Record<Durability, readonly Placement[]>> = {
  none: placements,
  local: ['node', 'each'],
  replicated: ['sharded', 'singleton'],
};

export const optionNames = [
  ...['logic', 'messages', 'replies', 'durability', 'placement', 'restart', 'mailbox', 'version', 'migrate', 'passivateAfter'],
  ...['remember', 'timers', 'resume', 'redact', 'input'],
] as const;

type Options = Readonly<Record<string, unknown>>;

const isRecord = (value: unknown): value is Options => typeof value === 'object' && value !== null && !Array.isArray(value);

const isWhole = (value: unknown, least: number, most: number): boolean =>
  Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;

const shown = (value: unknown): string => {
  try {
    if (typeof value === 'number') return String(value);
    return (JSON.stringify(value) ?? String(value)).slice(0, 64);
  } catch {
    return typeof value;
  }
};

const whyNoType = (type: string): string | null => {
  if (type.length < 1 || type.length > actorLimits.eventTypeCharsMax)
    return `an event's type has 1 to ${actorLimits.eventTypeCharsMax} characters`;
  if (type !== '*' && !type.startsWith('xstate.')) return null;
  return `nobody can send '${type.slice(0, 32)}', which is XState's own: name each type that is sent`;
};

class Problems {
  readonly all: string[] = [];

  add(what: string): void {
    this.all.push(what);
  }

  oneOf(name: string, value: unknown, choices: readonly string[]): void {
    if (value !== undefined && !choices.some((one) => one === value))
      this.add(`${name} is one of ${choices.join(', ')}, not ${shown(value)}`);
  }

  whole(name: string, value: unknown, least: number, most: number): void {
    if (value !== undefined && !isWhole(value, least, most))
      this.add(`${name} is a whole number from ${least} to ${most}, not ${shown(value)}`);
  }

  /** A record of at most so many; its entries, or none. */
  entries(name: string, value: unknown, most: number): [string, unknown][] {
    if (value === undefined) return [];
    if (!isRecord(value)) this.add(`${name} is an object, not ${shown(value)}`);
    const entries = isRecord(value) ? Object.entries(value) : [];
    if (entries.length > most) this.add(`${name} has at most ${most} entries`);
    return entries;
  }
}

// ---------------------------------------------------------------- the parts

const checkLogic = (logic: unknown, durability: unknown, problems: Problems): void => {
  const { transition, getInitialSnapshot, start, subscribe } = isRecord(logic) ? logic : {};
  if (typeof subscribe === 'function')
    return problems.add('logic is an actor or a store that runs already: give what it is made of (createMachine, fromStore …)');
  if (typeof transition !== 'function' || typeof getInitialSnapshot !== 'function')
    return problems.add('logic is what XState makes: createMachine, fromTransition, fromPromise, fromCallback, fromStore …');
  if (durability !== 'replicated') return;
  if (isChart(logic as object)) {
    for (const why of unrepeatable(logic as never)) problems.add(`a replicated actor repeats its actions by name: ${why}`);
  } else if (start !== undefined)
    problems.add('logic is a promise, a callback or an observable: it cannot be replicated; invoke it from a machine');
};

const checkPlace = ({ durability = 'none', placement }: Options, problems: Problems): void => {
  problems.oneOf('durability', durability, durabilities);
  problems.oneOf('placement', placement, placements);
  const fitting = placementsOf[durability as Durability];
  if (placement !== undefined && fitting !== undefined && placements.includes(placement as Placement))
    if (!fitting.includes(placement as Placement))
      problems.add(`durability '${durability}' goes with placement ${fitting.join(' or ')}, not '${placement}'`);
};

const checkEvents = ({ messages, replies }: Options, problems: Problems): void => {
  const schemas = problems.entries('messages', messages, definitionLimits.repliesMax);
  for (const [type, schema] of schemas) {
    const why = whyNoType(type);
    if (why !== null) problems.add(`messages: ${why}`);
    if (!isSchema(schema)) problems.add(`messages.${type} is no schema of the Standard Schema kind (zod, valibot, arktype …)`);
  }
  const known = messages === undefined ? null : new Set(schemas.map(([type]) => type));
  for (const [type, reply] of problems.entries('replies', replies, definitionLimits.repliesMax)) {
    const why = whyNoType(type);
    if (why !== null) problems.add(`replies: ${why}`);
    if (typeof reply !== 'function') problems.add(`replies.${type} is a function of { snapshot, event }`);
    if (known !== null && !known.has(type)) problems.add(`replies.${type} answers an event that messages do not have`);
  }
};

const checkRestart = (given: unknown, problems: Problems): void => {
  const known = ['strategy', 'failuresMax', 'windowMs', 'backoffMinMs', 'backoffMaxMs'];
  for (const [name] of problems.entries('restart', given, 16))
    if (!known.includes(name)) problems.add(`restart has no option '${name.slice(0, 32)}'; it has ${known.join(', ')}`);
  if (!isRecord(given)) return;
  const { restartMsMax, failuresMost } = definitionLimits;
  problems.oneOf('restart.strategy', given.strategy, strategies);
  problems.whole('restart.failuresMax', given.failuresMax, 0, failuresMost);
  for (const name of ['windowMs', 'backoffMinMs', 'backoffMaxMs'])
    problems.whole(`restart.${name}`, given[name], 1, restartMsMax);
  const { backoffMinMs, backoffMaxMs } = given;
  if (isWhole(backoffMinMs, 1, restartMsMax) && isWhole(backoffMaxMs, 1, restartMsMax))
    if ((backoffMinMs as number) > (backoffMaxMs as number))
      problems.add('restart.backoffMinMs is more than restart.backoffMaxMs');
};

/** From the oldest that it knows, each version leads to the next, up to the one before this. */
const checkVersions = ({ version = 1, migrate }: Options, problems: Problems): void => {
  problems.whole('version', version, 1, definitionLimits.versionMax);
  const entries = problems.entries('migrate', migrate, 1_024);
  if (!isWhole(version, 1, definitionLimits.versionMax) || entries.length === 0) return;
  const from = new Set<number>();
  for (const [text, step] of entries) {
    const at = Number(text);
    if (!isWhole(at, 1, (version as number) - 1))
      problems.add(
        `migrate['${text.slice(0, 32)}'] is no version before ${version}: its keys are versions that are migrated from`,
      );
    else from.add(at);
    if (typeof step !== 'function')
      problems.add(`migrate[${text.slice(0, 32)}] is a function from a snapshot to the next version's`);
  }
  const gaps = [];
  for (let at = Math.min(...from); at < (version as number); at++) if (!from.has(at)) gaps.push(at);
  if (from.size > 0 && gaps.length > 0)
    problems.add(
      `migrate leads from version ${Math.min(...from)} to ${version} with a gap: there is none from ${gaps.slice(0, 8).join(', ')}`,
    );
};

/** Milliseconds, null for never, undefined for what is no time. */
export const passivateMsOf = (given: unknown): number | null | undefined => {
  if (given === null) return null;
  const ms = typeof given === 'string' ? parseDuration(given) : given;
  const { passivateMsMin, restartMsMax } = definitionLimits;
  return isWhole(ms, passivateMsMin, 365 * restartMsMax) ? (ms as number) : undefined;
};

const checkLife = ({ placement, passivateAfter, remember, timers, resume, durability }: Options, problems: Problems): void => {
  if (passivateAfter !== undefined && passivateMsOf(passivateAfter) === undefined)
    problems.add(
      `passivateAfter is a time like '10m', milliseconds from ${definitionLimits.passivateMsMin}, or null for never`,
    );
  if (placement === 'each' && passivateAfter !== undefined && passivateAfter !== null)
    problems.add("passivateAfter is not for placement 'each': there is one as long as its node lives");
  if (remember !== undefined && typeof remember !== 'boolean') problems.add('remember is true or false');
  const isPlaced =
    placement === 'sharded' || placement === 'singleton' || (placement === undefined && durability === 'replicated');
  if (remember === true && !isPlaced) problems.add('remember is for what the cluster places: sharded and singleton');
  problems.oneOf('timers', timers, timerPolicies);
  if (durability !== 'local' && (timers === 'remaining' || timers === 'restart'))
    problems.add(`timers '${timers}' are for durability 'local': others keep none, or ring at their instant`);
  if (durability !== 'replicated' && isRecord(resume) && Object.keys(resume).length > 0)
    problems.add("resume is for durability 'replicated': a local actor begins anew what was under way");
  for (const [name, rule] of problems.entries('resume', resume, definitionLimits.resumeMax))
    problems.oneOf(`resume.${name}`, rule, resumeRules);
};

const checkRedact = (redact: unknown, problems: Problems): void => {
  if (redact === undefined) return;
  const isNames =
    Array.isArray(redact) && redact.every((name) => typeof name === 'string' && name.length >= 1 && name.length <= 128);
  if (!isNames || redact.length > definitionLimits.redactMax)
    problems.add(`redact is a list of at most ${definitionLimits.redactMax} names of fields`);
};

/** What is wrong with what `defineActor` was given; empty: nothing. */
export const checkDefinition = (name: unknown, options: unknown): string[] => {
  const problems = new Problems();
  if (!isActorType(name)) problems.add(`its name has 1 to 63 of a-z 0-9 - and begins with a letter, not ${shown(name)}`);
  else if (name === runtimeType) problems.add(`the name ${runtimeType} is the runtime's own`);
  if (!isRecord(options)) return [...problems.all, 'its options are an object with its logic'];
  const known = new Set<string>(optionNames);
  for (const option of Object.keys(options))
    if (!known.has(option)) problems.add(`there is no option '${option.slice(0, 32)}'`);
  checkPlace(options, problems);
  checkLogic(options.logic, options.durability, problems);
  checkEvents(options, problems);
  checkRestart(options.restart, problems);
  problems.whole('mailbox', options.mailbox, 1, actorLimits.mailboxMost);
  checkVersions(options, problems);
  checkLife(options, problems);
  checkRedact(options.redact, problems);
  if (options.input !== undefined && typeof options.input !== 'function') problems.add('input is a function of the key');
  return problems.all;
};
