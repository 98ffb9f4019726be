// The ports that a node tree is started with. `src/node.ts` fills them with the world, `sim/node.ts` with a seeded one.
import type { ClockPort } from './clock.ts';
import type { LookupPort } from './lookup.ts';
import type { NetworkPort } from './network.ts';
import type { RandomPort } from './random.ts';
import type { SinkPort } from './sink.ts';
import type { StoragePort } from './storage.ts';

export type { ClockPort, Timer } from './clock.ts';
export { type Announcement, type Finding, type LookupEvent, type LookupPort, noLookup } from './lookup.ts';
export { dialLimits, type Lane, lanes, type NetworkEvent, type NetworkPort, type PeerId } from './network.ts';
export type { RandomPort } from './random.ts';
export type { LogLevel, SinkPort } from './sink.ts';
export {
  type StorageFailure,
  StorageFault,
  type StorageOperation,
  type StoragePort,
  type StorageRange,
  type StorageView,
} from './storage.ts';

export type Ports = {
  clock: ClockPort;
  random: RandomPort;
  network: NetworkPort;
  lookup: LookupPort;
  storage: StoragePort;
  sink: SinkPort;
};
