// The words that every replicated type uses.

export type { Stamp } from '../versions/hybrid-clock.ts';
export type { Dot, ReplicaId, Vector } from '../versions/vector.ts';

/** Anything that msgpack carries: plain data and bytes. */
export type Plain = null | boolean | number | string | Uint8Array | readonly Plain[] | { readonly [key: string]: Plain };
