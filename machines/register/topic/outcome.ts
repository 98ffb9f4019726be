// What a session remembers of a write to a topic (sessions.ts): the numbers that the repeated write does not carry itself.
import type { TopicResult, TopicWrite } from './types.ts';

type At = { index: number; term: number };

export const countsOfTopicResult = (result: TopicResult): number[] => {
  if (result.op === 'topic-publish') return [result.sequence, result.subscriptions];
  if (result.op !== 'topic-subscribe') return [];
  return [result.id, result.next, result.token?.term ?? 0, result.token?.index ?? 0];
};

export const topicResultOf = (write: TopicWrite, at: At, next: () => number): TopicResult => {
  const { op, topic } = write;
  switch (op) {
    case 'topic-configure':
    case 'topic-delete':
      return { op, topic, ...at };
    case 'topic-publish':
      return { op, topic, sequence: next(), subscriptions: next(), ...at };
    case 'topic-subscribe': {
      const [id, cursor, term, index] = [next(), next(), next(), next()];
      return {
        op,
        topic,
        subscription: write.subscription,
        id,
        next: cursor,
        token: term === 0 ? null : { term, index },
        ...at,
      };
    }
    case 'topic-commit':
    case 'topic-release':
    case 'topic-unsubscribe':
      return { op, topic, subscription: write.subscription, ...at };
  }
};
