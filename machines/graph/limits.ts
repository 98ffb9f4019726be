// Every maximum of a graph: whatever somebody asks for, this is all that it takes of the node that runs it.
import { limits } from '../wire/limits.ts';

export const graphLimits = {
  stepsMax: 256,
  /** Steps that one step names in `after`, and conditions of its `when`. */
  afterMax: 64,
  conditionsMax: 16,
  nameCharsMax: 64,
  /** Of services, methods, versions and nodes; who offers them is stricter. */
  wordCharsMax: 256,
  keyCharsMax: 512,
  pathPartsMax: 32,
  /** Lists and records inside each other, in what a step is given. */
  depthMax: 32,
  /** References to earlier results, in all steps together. */
  referencesMax: 4_096,
  /** All inputs together, as it is copied. */
  graphBytesMax: 1 << 20,
  /** What one step is given once its references are filled in; it has to fit a message. */
  inputBytesMax: 2 << 20,
  /** What all steps of one run came to; kept until its end. */
  resultsBytesMax: 32 << 20,
  concurrencyMax: 64,
  concurrencyDefault: 16,
  timeoutMsMax: 600_000,
  timeoutMsDefault: 30_000,
  /** For all compensations together, counted from when the first begins. */
  compensateMsDefault: 30_000,
  callTimeoutMsMax: limits.callTimeoutMsMax,
  /** How often a step is tried once more, and how long after a failure; twice as long after each. */
  retriesMax: 10,
  retryDelayMsMax: 60_000,
  retryDelayMsDefault: 200,
  compensationRetries: 3,
  /** So many mistakes are told. */
  problemsMax: 32,
} as const;

const assertLimits = (holds: boolean, what: string): void => {
  if (!holds) throw new Error(`limits of graphs contradict each other: ${what}`);
};
const max = graphLimits;
assertLimits(max.graphBytesMax <= max.inputBytesMax, 'an input without references fits');
assertLimits(2 * max.inputBytesMax <= limits.messageBytesMax, 'an input fits a message');
assertLimits(max.inputBytesMax <= max.resultsBytesMax, 'a result can be passed on');
assertLimits(max.concurrencyDefault <= max.concurrencyMax && max.timeoutMsDefault <= max.timeoutMsMax, 'defaults can be had');
