// The door of what is offered, for programs, HTTP and the command line.
export * from './offers.ts';
export { resourcesOfPairs } from './resources.ts';
export { type ServiceListing, Services } from './services.ts';
