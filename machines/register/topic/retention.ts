// What is kept of topics. The oldest messages go first, at most a bounded number an entry; what is left to go is due at once, so that
// the leader's `expire` entries go on with it while nothing is written.
import { schedule, unschedule } from '../expiry.ts';
import { requireRegister } from '../fault.ts';
import type { Turn } from '../turn.ts';
import { topicLimits } from './limits.ts';
import { decodeMessage, encodeRemnant, encodeTopic, messageKey, remnantKey, topicKey } from './records.ts';
import { requireTopic, type Topic } from './state.ts';

/**
 * When the oldest message goes: at once where more is kept than may be. A function of what is on the disk, so that a replica that was
 * restored sweeps in the same order as one that was not.
 */
export const dueOf = (topic: Topic, oldestMs: number): number =>
  isOver(topic) ? 0 : endOfAge(oldestMs, topic.retention.ageMs);

/** Age ends at whole steps of log time. */
const endOfAge = (timeMs: number, ageMs: number): number =>
  Math.ceil((timeMs + ageMs) / topicLimits.ageStepMs) * topicLimits.ageStepMs;

const readMessage = (turn: Turn, id: number, sequence: number): { timeMs: number; body: Uint8Array } => {
  const bytes = turn.read(messageKey(id, sequence));
  requireRegister(bytes !== undefined, 'TOPIC_DENSE', `message ${sequence} of topic ${id} is not in the keyspace`);
  return decodeMessage(bytes);
};

const isOver = ({ first, next, bytes, retention }: Topic): boolean =>
  next - first > retention.messagesMax || bytes > retention.bytesMax;

/**
 * Removes what is kept no longer, at most `left` messages, and says when to look again. `appended`: the message that this entry adds,
 * which `turn.read` does not have yet; it is always kept. Returns how many went.
 */
export const trim = (turn: Turn, topic: Topic, left: number, appended: number | null): number => {
  const { state, timeMs } = turn;
  const { name } = topic;
  const { topics, expiries } = state;
  let removed = 0;
  let dueMs: number | null = null;
  while (topic.first < topic.next && topic.first !== appended) {
    const message = readMessage(turn, topic.id, topic.first);
    dueMs = dueOf(topic, message.timeMs);
    if (dueMs > timeMs || removed >= left) break;
    dueMs = null;
    turn.writes.push({ key: messageKey(topic.id, topic.first), value: null });
    topic.first++;
    topic.bytes -= message.body.byteLength;
    topics.bytes -= message.body.byteLength;
    removed++;
  }
  if (topic.first === appended) dueMs = dueOf(topic, timeMs);
  if (dueMs === null) unschedule(expiries, 'topic', name);
  else schedule(expiries, 'topic', name, dueMs);
  return removed;
};

export const writeTopic = (turn: Turn, topic: Topic): void => {
  turn.writes.push({ key: topicKey(topic.name), value: encodeTopic(topic) });
};

/** The time of its oldest message has come, or there is more to remove than one entry may. */
export const trimDue = (turn: Turn, name: string, left: number): number => {
  const topic = requireTopic(turn.state.topics, name);
  const removed = trim(turn, topic, left, null);
  if (removed > 0) writeTopic(turn, topic);
  // Something is counted even if nothing went, so that whatever is due ends the sweep some time.
  return Math.max(1, removed);
};

/** The messages of a deleted topic go as the sweep comes to them. */
export const leaveRemnant = (turn: Turn, { id, first, next }: Topic): void => {
  if (first === next) return;
  const remnant = { first, next, dueMs: turn.timeMs };
  turn.state.topics.remnants.set(id, remnant);
  turn.writes.push({ key: remnantKey(id), value: encodeRemnant(remnant) });
  schedule(turn.state.expiries, 'remnant', String(id), turn.timeMs);
};

export const sweepRemnant = (turn: Turn, name: string, left: number): number => {
  const { topics, expiries } = turn.state;
  const id = Number(name);
  const remnant = topics.remnants.get(id);
  requireRegister(remnant !== undefined, 'REMNANT_EXISTS', `what is left of topic ${name} should go but is not known`);
  const from = remnant.first;
  for (; remnant.first < remnant.next && remnant.first - from < left; remnant.first++)
    turn.writes.push({ key: messageKey(id, remnant.first), value: null });
  const isGone = remnant.first === remnant.next;
  if (isGone) {
    topics.remnants.delete(id);
    unschedule(expiries, 'remnant', name);
  }
  turn.writes.push({ key: remnantKey(id), value: isGone ? null : encodeRemnant(remnant) });
  return Math.max(1, remnant.first - from);
};
