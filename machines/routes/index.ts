// The door of routes: `step` takes in an event and gives effects; `wayTo` and `judgeCrossing` are questions.
export { type Crossing, judgeCrossing, type Verdict } from './forward.ts';
export { step } from './machine.ts';
export { formRouteAnswer, formRouteQuestion, isPath, isPeerId, parseRouteAnswer, parseRouteQuestion } from './messages.ts';
export {
  createPlaces,
  type Offered,
  type PlaceFacts,
  type PlacesEffect,
  type PlacesEvent,
  type PlacesState,
  placesLimits,
  type Ranked,
  rankPlaces,
  stepPlaces,
} from './places.ts';
export { createRoutes, type RouteCounts, type RoutesState } from './state.ts';
export * from './types.ts';
export { type RouteView, routeView } from './view.ts';
export { wayAvoiding, wayTo } from './ways.ts';
