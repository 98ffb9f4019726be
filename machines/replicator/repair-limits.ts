// Every maximum of repair, checked against each other when loaded.
import { limits } from '../wire/limits.ts';
import { replicatorLimits } from './limits.ts';

export const repairLimits = {
  /** A message ends before the record or statement that would lift it above this; a record that is larger travels alone. */
  pageBytes: 32 << 10,
  /** UTF-8, of what names an object: its type and its key. */
  nameBytesMax: replicatorLimits.keyBytesMax + 64,
  /** One object, packed. A larger one cannot travel, and is counted; changes are refused long before (`objectBytesMax`). */
  formBytesMax: 64 << 20,
  /** A message that may be longer than this travels in parts. */
  singleBytesMax: 1 << 20,
  partBytes: 256 << 10,
  /** All but the last are as long, since each has a price of its own however short it is. */
  partBytesMin: 4 << 10,
  /** Of one message, not yet acknowledged. */
  partsUnderWay: 4,
  /** One message in parts; of one peer that wait; of all peers, each way. */
  wholeBytesMax: 80 << 20,
  wholesPerPeerMax: 4,
  partedBytesMax: 128 << 20,
  /** Exchanges that this node has begun and not ended. */
  exchangesMax: 4,
  /** Peers that are answered at a time; one that asks nothing for so long makes room. */
  servedMax: 8,
  servedIdleMs: 2_000,
  asksUnderWayMax: 4,
  /** Of one exchange; what is left then is found by the next. */
  asksMax: 16_384,
  /** Branches to be compared that one exchange remembers. */
  pathsMax: 65_536,
  /** Objects that are asked for, or given, by one message. */
  wantsPerAskMax: 256,
  /** Objects that one exchange fetches by name. */
  fetchedMax: 4_096,
  /** Objects in one message from outside: as many as bytes allow when each is small. */
  statesPerMessageMax: 8_192,
  /** Times that one object goes to and fro in an exchange before it is left to the next. */
  hopsMax: 3,
  /** No answer for this long ends an exchange. */
  exchangeTimeoutMs: 10_000,
  /** Digests that are made in one turn. */
  renewedPerTurnMax: 1_000,
} as const;

const assertLimits = (holds: boolean, what: string): void => {
  if (!holds) throw new Error(`limits of repair contradict each other: ${what}`);
};
assertLimits(
  repairLimits.formBytesMax + 4 * repairLimits.pageBytes + 3 * repairLimits.nameBytesMax < repairLimits.wholeBytesMax,
  'an object fits a message in parts',
);
assertLimits(repairLimits.singleBytesMax + repairLimits.pageBytes < limits.messageBytesMax, 'a single message fits the lane');
assertLimits(repairLimits.partsUnderWay * repairLimits.partBytes < limits.bulkLaneBytesMax, 'parts under way fit the lane');
assertLimits(replicatorLimits.valueBytesMax < repairLimits.formBytesMax, 'a value fits an object');
assertLimits(repairLimits.servedIdleMs < repairLimits.exchangeTimeoutMs, 'who fell silent makes room before it is given up');
