// Keys that Polity keeps in the register service for itself. Everybody who applies the log treats them like any other key, whatever its
// version; only the doors do not: what comes from programs and from outside neither writes, lists nor watches them.

/** Sorts before what people call a key. There may be any number of them: lists step over all at once. */
const prefix = '\u0001polity/';
export const reservedPrefix = prefix;

/** The ledger of rounds (machines/replicator/rounds-ledger.ts), in the group `kv` or the first that there is. */
export const ledgerKey = `${prefix}replicas`;

/** Actors that are made again without being asked (actors/shard-memory.ts): `type/key`, in the group of the actor. */
export const rememberedPrefix = `${prefix}actors/`;

export const isReserved = (key: unknown): boolean => typeof key === 'string' && key.startsWith(prefix);
