// Where members may live, out of many sources: one pure machine with a cache, limits and a chart for each place (rows D1 to D4).
export { type PlaceEvent, placeChart } from './chart.ts';
export { discoveryDefaults, discoveryLimits } from './limits.ts';
export { createDiscovery, step } from './machine.ts';
export { formMemory, parseMemory } from './memory.ts';
export type { DiscoveryArguments, DiscoveryState } from './state.ts';
export type {
  DiscoveryEffect,
  DiscoveryEvent,
  DiscoveryOptions,
  Finding,
  PlaceStatus,
  PlaceView,
  RememberedPlace,
  SourceFailure,
  SourceView,
} from './types.ts';
export { type DiscoveryView, discoveryView } from './view.ts';
