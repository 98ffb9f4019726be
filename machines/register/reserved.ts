// Keys that Polity keeps in the register service for itself. Everybody who applies the log treats them like any other key, whatever its
// version; only the doors do not: what comes from programs and from outside neither writes, lists nor watches them.

/** Sorts before what people call a key. */
const prefix = '\u0001polity/';

/** The ledger of rounds (machines/replicator/rounds-ledger.ts), in the group `kv` or the first that there is. */
export const ledgerKey = `${prefix}replicas`;

/** Pages of lists are read longer by so many. */
export const reservedKeys = 1;

export const isReserved = (key: unknown): boolean => typeof key === 'string' && key.startsWith(prefix);
