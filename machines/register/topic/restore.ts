// Topics rebuilt from the keyspace; restore.ts of the register hands the records over in the order of their keys.
import { schedule } from '../expiry.ts';
import { requireRegister } from '../fault.ts';
import type { RegisterState } from '../state.ts';
import {
  decodeMessage,
  decodeRemnant,
  decodeSubscription,
  decodeTopic,
  idInKey,
  sequenceInKey,
  subscriptionInKey,
} from './records.ts';
import { dueOf } from './retention.ts';
import type { Topic } from './state.ts';

export const restoreRemnant = ({ topics, expiries }: RegisterState, key: Uint8Array, value: Uint8Array): void => {
  const id = idInKey(key);
  const remnant = decodeRemnant(value);
  topics.remnants.set(id, remnant);
  schedule(expiries, 'remnant', String(id), remnant.dueMs);
};

export const restoreTopic = ({ topics }: RegisterState, name: string, value: Uint8Array): void => {
  requireRegister(!topics.byName.has(name), 'RESTORE_ONCE', `topic '${name}' comes twice`);
  const topic = decodeTopic(name, value);
  topics.byName.set(name, topic);
  topics.byId.set(topic.id, topic);
  topics.bytes += topic.bytes;
};

const topicOf = ({ topics }: RegisterState, id: number, of: string): Topic => {
  const topic = topics.byId.get(id);
  requireRegister(topic !== undefined, 'KEYSPACE_SOUND', `${of} belongs to topic ${id}, which does not exist`);
  return topic;
};

export const restoreSubscription = (state: RegisterState, key: Uint8Array, value: Uint8Array): void => {
  const name = subscriptionInKey(key);
  const topic = topicOf(state, idInKey(key), `subscription '${name}'`);
  topic.subscriptions.set(name, decodeSubscription(value));
  state.topics.subscriptions++;
};

/** Only the oldest of a topic is looked at: it says when the next one goes. */
export const restoreMessage = (state: RegisterState, key: Uint8Array, value: Uint8Array): void => {
  const id = idInKey(key);
  const sequence = sequenceInKey(key);
  const remnant = state.topics.remnants.get(id);
  const owner = remnant ?? topicOf(state, id, `message ${sequence}`);
  const { first, next } = owner;
  requireRegister(sequence >= first && sequence < next, 'TOPIC_DENSE', `message ${sequence} of topic ${id} is outside of it`);
  if ('name' in owner && sequence === first)
    schedule(state.expiries, 'topic', owner.name, dueOf(owner, decodeMessage(value).timeMs));
};
