// The door of topics inside the register service.
export { defaultRetention, topicLimits } from './limits.ts';
export { publishKey } from './publish-key.ts';
export { isTopicNews, isTopicRead, topicWaitOf } from './read.ts';
export type * from './types.ts';
