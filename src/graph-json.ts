// Graphs and what comes of them as JSON, the same for the gateway, the client and the command line. A step that stands there twice is
// refused: of two charges with one name nobody wants to guess which was meant.
import { failure, PolityError } from '../machines/errors.ts';
import type { GraphOutcome, StepReport } from '../machines/graph/index.ts';
import type { Plain } from '../machines/replicator/types.ts';
import { type Problem, toProblem } from './errors.ts';
import { fieldGivenTwice, parseJson } from './json.ts';
import { jsonTextOf, plainOf } from './replica-json.ts';

/** Objects around an input: the graph, its steps, one of them, its compensation. What lies in it has the depth of its own. */
const aroundMax = 8;
const depthMax = 40;
const resultDepthMax = 100;

/** A graph, of which nothing but its JSON was checked; bytes are `{"$base64":"…"}`. Throws INVALID_REQUEST. */
export const graphOfText = (text: string, what: string): unknown => {
  const parsed = parseJson(text, depthMax, what);
  const twice = fieldGivenTwice(text);
  if (twice !== null)
    throw new PolityError(failure('INVALID_REQUEST', `${what} has '${twice.slice(0, 64)}' twice in one object`));
  return plainOf(parsed, -aroundMax);
};

/** A line of a run, bytes and all: results may be as deep as a message can carry them. */
export const plainOfLine = (said: unknown): Plain => plainOf(said, -resultDepthMax);

/** The last line of a run: `end` if it went well, else `failed`. */
export type RunEnd = { readonly failedStep: string | null; readonly notUndone: readonly string[]; readonly tookMs: number } & (
  | { readonly end: true }
  | { readonly failed: Problem }
);

/** A step that has settled; one that was compensated comes once more. */
export const reportLine = (report: StepReport): string => `${jsonTextOf(report as unknown as Plain)}\n`;

export const endLine = ({ failure: why, failedStep, notUndone, tookMs }: GraphOutcome): string => {
  const rest = { failedStep, notUndone, tookMs };
  return `${JSON.stringify(why === null ? { end: true, ...rest } : { failed: toProblem(why), ...rest })}\n`;
};
