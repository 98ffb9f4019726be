// The words that every replicated type uses.

export type { Stamp } from '../versions/hybrid-clock.ts';
export type { Dot, ReplicaId, Vector } from '../versions/vector.ts';

/** Anything that msgpack carries: plain data and bytes. */
export type Plain = null | boolean | number | string | Uint8Array | readonly Plain[] | { readonly [key: string]: Plain };

/**
 * A span of time that all registered replicas pass in step, counted from 1: whoever makes a change in round r has everything that
 * was made up to round r - 2. So what was made without knowledge of a tombstone of round r is of round r + 1 at the latest.
 */
export type Round = number;
