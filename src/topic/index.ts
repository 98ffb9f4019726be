// The door of topics for programs.
export { bodyOf, valueIn } from './body.ts';
export { type HandlerOptions, type TopicHandler, type TopicMessage, TopicSubscription } from './subscription.ts';
export { type PublishOptions, type SubscribeOptions, Topic, type TopicOptions } from './topic.ts';
