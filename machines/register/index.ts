// The door of the register service: a replicated key-value store with conditions, TTLs, leases, locks and sessions, as a pure
// machine. The log is its input, the group's keyspace its memory, `read` and `writes` the way between (decision 14).
export { type Applied, type AppliedEntry, apply } from './apply.ts';
export { type DecodedCommand, decodeCommand, encodeCommand } from './command.ts';
export { createDigest, digest, type KeyspaceDigest } from './digest.ts';
export { entryVersionOf, entryVersions, isEntryVersion } from './entry-version.ts';
export { RegisterFault } from './fault.ts';
export type { Parsed } from './fields.ts';
export {
  formOutcome,
  formRequestRead,
  formRequestWrite,
  formResult,
  parseOutcome,
  parseRequestRead,
  parseRequestWrite,
  parseResult,
  type ReadRequest,
  type WriteRequest,
} from './forms.ts';
export { parseIdempotencyKey, parseRead, parseWrite } from './parse.ts';
export { behindReserved, type ListRequest, listRange, listResult, type PointRequest, query, reservedAt } from './read.ts';
export { isReserved, ledgerKey, rememberedPrefix } from './reserved.ts';
export { restore } from './restore.ts';
export {
  countsOf,
  createRegister,
  dump,
  nextExpiryMs,
  type RegisterCounts,
  type RegisterLimits,
  type RegisterState,
  registerLimits,
} from './state.ts';
export * from './topic/index.ts';
export type * from './types.ts';
