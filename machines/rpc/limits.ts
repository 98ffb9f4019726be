// Every maximum of calls between nodes, checked against each other when loaded.
import { catalogLimits } from '../catalog/index.ts';
import { limits } from '../wire/limits.ts';

export const rpcLimits = {
  timeoutMsDefault: 30_000,
  timeoutMsMax: limits.callTimeoutMsMax,
  /** An input, a result or an item of a stream, packed. */
  valueBytesMax: 1 << 20,
  /** Lists and objects in each other. */
  valueDepthMax: 96,
  serviceCharsMax: catalogLimits.nameCharsMax,
  methodCharsMax: catalogLimits.methodCharsMax,
  rangeCharsMax: catalogLimits.rangeCharsMax,
  requestIdCharsMax: 128,
  principalCharsMax: 256,
  nodeCharsMax: 128,
  traceCharsMax: limits.traceCharsMax,
  /** Calls within calls. */
  chainMax: 32,
  chainCharsMax: 512,
  failureCharsMax: 1_000,
  detailsMax: 16,
  detailCharsMax: 1_024,
  /** Under way at one node: its own calls, and those of others. */
  outgoingMax: 65_536,
  incomingMax: 65_536,
  /** Items of a stream that may be asked for ahead. */
  creditMax: 65_536,
  /** Of those, so many the handler is told at a time: what it has made waits for a slow lane. */
  handlerCreditMax: 16,
  /** A call is tried so often, those that could not even be sent not counted … */
  attemptsMax: 3,
  /** … and with them. */
  triesMax: 16,
  /** Results that are remembered for a second question of the same call: in all, and of one caller. */
  rememberedMax: 100_000,
  rememberedBytesMax: 64 << 20,
  rememberedPerCallerMax: 50_000,
  rememberMs: 120_000,
  /** Whoever lost the connection to where its call is executed asks again there for so long. */
  reaskMs: 5_000,
  /** What waits for the lane to one peer. */
  outboxBytesMax: 32 << 20,
  /** Services of which this node remembers how calls to them went. */
  roomsMax: 1_024,
  /** Lists of candidates of one service: versions and requirements. */
  plansMax: 64,
  callersMax: 4_096,
} as const;

const assertLimits = (holds: boolean, what: string): void => {
  if (!holds) throw new Error(`limits of calls contradict each other: ${what}`);
};
const max = rpcLimits;
assertLimits(
  max.valueBytesMax + max.chainMax * max.chainCharsMax * 3 + (64 << 10) < limits.messageBytesMax,
  'a call fits a message',
);
assertLimits(max.rememberMs > max.timeoutMsMax + max.reaskMs, 'a result is remembered for as long as anybody may ask for it');
assertLimits(max.rememberedPerCallerMax < max.rememberedMax, 'one caller does not take all that is remembered');
assertLimits(max.handlerCreditMax * max.valueBytesMax < max.outboxBytesMax, 'what a handler has made finds room');
