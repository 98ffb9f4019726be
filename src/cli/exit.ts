// How a command ends. The codes are a contract (docs/reference/cli.md); scripts branch on them.
import { PolityError, toProblem } from '../errors.ts';

export const exitCodes = {
  ok: { code: 0, meaning: 'done' },
  failed: { code: 1, meaning: 'a node answered with a failure, or a local step failed' },
  usage: { code: 2, meaning: 'the command line or the configuration is wrong' },
  unreachable: { code: 3, meaning: 'no node could be reached' },
  unknown: { code: 4, meaning: 'not known whether it happened' },
} as const;

export type ExitName = keyof typeof exitCodes;

/** The command line asks for something that makes no sense. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** A local step failed; the message is all there is to say. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly exit: ExitName;
  constructor(message: string, exit: ExitName = 'failed') {
    super(message);
    this.exit = exit;
  }
}

export const exitOf = (error: unknown): ExitName => {
  if (error instanceof UsageError) return 'usage';
  if (error instanceof CommandError) return error.exit;
  if (!(error instanceof PolityError)) return 'failed';
  if (error.code === 'UNREACHABLE') return 'unreachable';
  // What happened is told step by step.
  return error.definite || error.code === 'GRAPH_FAILED' ? 'failed' : 'unknown';
};

const hints: Partial<Record<string, string>> = {
  UNREACHABLE: 'is a node running there? --node URL or POLITY_NODE names another',
  UNAUTHORIZED: 'pass --token-file FILE or set POLITY_TOKEN',
  OUTCOME_UNKNOWN: 'look before you repeat it',
};

/** What goes to stderr: one line for a person, or the problem as JSON. */
export const describeError = (error: unknown, json: boolean): string => {
  if (error instanceof PolityError) {
    if (json) return JSON.stringify(toProblem(error.failure));
    const hint = hints[error.code];
    return `polity: ${error.code}: ${error.message}${hint === undefined ? '' : `\n  ${hint}`}`;
  }
  const message = error instanceof Error ? error.message : String(error);
  const isOurs = error instanceof UsageError || error instanceof CommandError;
  const detail = isOurs || !(error instanceof Error) ? message : (error.stack ?? message);
  return json
    ? JSON.stringify({ title: message, exit: exitCodes[exitOf(error)].code })
    : `polity: ${isOurs ? message : detail}`;
};
