// A request under a session id has one effect (row C7; Raft dissertation §6.3): its outcome is a record of the keyspace, and who asks
// again gets that. Failures are outcomes too: the same request twice answers the same, even if it would succeed by now.
// A result is stored without its names, which the repeated write (same digest) carries itself.
import { type Failure, failure } from '../errors.ts';
import { inkQueueResult, isQueueWrite, readQueueResult, stillGiven } from '../queue/index.ts';
import type { QueueWrite, QueueWriteResult } from '../queue/types.ts';
import {
  createInk,
  cursorOf,
  dry,
  inkByte,
  inkCount,
  inkText,
  isSpent,
  readByte,
  readCount,
  readText,
} from '../wire/octets.ts';
import { requireRegister } from './fault.ts';
import { decodeSession, encodeSession, sessionKey } from './keyspace.ts';
import { isTopicWrite } from './topic/command.ts';
import { isTopicResult } from './topic/forms.ts';
import { countsOfTopicResult, topicResultOf } from './topic/outcome.ts';
import { removeSession, type Turn } from './turn.ts';
import type { RegisterOutcome, RegisterResult, RegisterWrite } from './types.ts';

const ink = createInk();
const succeeded = 1;
const failed = 0;
const failureBytesMax = 64 << 10;

const encodeOutcome = (outcome: RegisterOutcome): Uint8Array => {
  if (!outcome.ok) {
    inkByte(ink, failed);
    inkText(ink, JSON.stringify(outcome.failure));
    return dry(ink);
  }
  const { result } = outcome;
  inkByte(ink, succeeded);
  if ('term' in result) {
    inkCount(ink, result.index);
    inkCount(ink, result.term);
  }
  if (isQueueResult(result)) inkQueueResult(ink, result);
  if (isTopicResult(result)) {
    for (const count of countsOfTopicResult(result)) inkCount(ink, count);
    return dry(ink);
  }
  if ('expiresAtMs' in result) inkCount(ink, result.expiresAtMs);
  if ('token' in result) {
    inkCount(ink, result.token.term);
    inkCount(ink, result.token.index);
  }
  return dry(ink);
};

const isQueueResult = (result: RegisterResult): result is QueueWriteResult => isQueueWrite(result);

const decodeOutcome = (turn: Turn, bytes: Uint8Array, write: RegisterWrite): RegisterOutcome => {
  const cursor = cursorOf(bytes);
  const kind = readByte(cursor);
  if (kind === failed) {
    const json = readText(cursor, failureBytesMax);
    requireRegister(isSpent(cursor), 'KEYSPACE_SOUND', 'a session record holds a malformed failure');
    return { ok: false, failure: JSON.parse(json) as Failure };
  }
  const at = { index: readCount(cursor), term: readCount(cursor) };
  const result = isQueueWrite(write)
    ? readQueueResult(cursor, write, at, (numbers) => stillGiven(turn, numbers, at))
    : resultOf(write, at, () => readCount(cursor));
  requireRegister(isSpent(cursor) && kind === succeeded, 'KEYSPACE_SOUND', 'a session record holds a malformed result');
  return { ok: true, result };
};

const resultOf = (
  write: Exclude<RegisterWrite, QueueWrite>,
  at: { index: number; term: number },
  next: () => number,
): RegisterResult => {
  if (isTopicWrite(write)) return topicResultOf(write, at, next);
  switch (write.op) {
    case 'put':
    case 'delete':
      return { op: write.op, key: write.key, ...at };
    case 'lease-grant':
    case 'lease-renew':
    case 'lease-revoke':
      return { op: write.op, lease: write.lease, ...at, expiresAtMs: next() };
    case 'lock-acquire':
    case 'lock-release':
      return { op: write.op, lock: write.lock, token: { term: next(), index: next() }, ...at };
    case 'expire':
      return { op: 'expire', ...at };
    case 'actors':
      return { op: 'actors', ...at, outcomes: [] };
    case 'entries':
      return { op: 'entries', ...at, version: write.version };
  }
};

const isSame = (a: Uint8Array, b: Uint8Array): boolean =>
  a.byteLength === b.byteLength && a.every((byte, at) => byte === b[at]);

/** The outcome of this id's request: of the first time if there was one, else of `execute`, which is remembered. */
export const once = (
  turn: Turn,
  request: { id: string; digest: Uint8Array; write: RegisterWrite },
  execute: () => RegisterOutcome,
): RegisterOutcome => {
  const { state, timeMs } = turn;
  const { id, digest } = request;
  const seen = state.sessions.get(id);
  if (seen !== undefined && timeMs - seen.timeMs < state.limits.sessionMs) {
    const bytes = turn.read(sessionKey(seen.index));
    requireRegister(
      bytes !== undefined,
      'SESSION_RECORD_EXISTS',
      `the outcome of session ${seen.index} is not in the keyspace`,
    );
    const record = decodeSession(bytes);
    if (isSame(record.digest, digest)) return decodeOutcome(turn, record.outcome, request.write);
    const message = `idempotency key '${id}' was used with another request at index ${seen.index}`;
    return { ok: false, failure: failure('IDEMPOTENCY_CONFLICT', message, { index: seen.index }) };
  }
  if (seen !== undefined) removeSession(turn, id, seen.index);
  const outcome = execute();
  for (const [oldest, { index }] of state.sessions) {
    if (state.sessions.size < state.limits.sessionsMax) break;
    removeSession(turn, oldest, index);
  }
  state.sessions.set(id, { index: turn.index, timeMs });
  const value = encodeSession({ id, timeMs, digest, outcome: encodeOutcome(outcome) });
  turn.writes.push({ key: sessionKey(turn.index), value });
  return outcome;
};
