// What readers of a topic may wait for, by the names that `touch` knows.

/** Messages, and who holds its subscriptions. */
export const newsOf = (topic: string): string => `topic/${topic}`;
/** How far its subscriptions are. */
export const acknowledgementsOf = (topic: string): string => `topic-acknowledged/${topic}`;
