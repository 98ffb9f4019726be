// What simulated code is given for a reference to an actor in a message, and what it throws when it was told to.
import { refMark } from '../../actors/actor-api.ts';
import type { ActorAddress } from '../../machines/entity/address.ts';

export const refTo = (address: ActorAddress): unknown => ({ [refMark]: address });

/** What code throws that was told to: no fault of the node. */
export const toFail = 'it was to fail';
