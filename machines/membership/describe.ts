// Membership in words, for transcripts and logs.
import type { Change, Fact, MembershipEffect, MembershipMessage, Version } from './types.ts';

const describeFact = ({ peer, status, incarnation, by, told }: Fact): string =>
  `${peer} ${status} ${incarnation}${by === null ? '' : ` by ${by}`}${told === null ? '' : ` profile ${told.profileAt}`}`;

const describeVersion = ({ peer, status, incarnation }: Version): string => `${peer} ${status} ${incarnation}`;

const list = (items: readonly string[]): string => (items.length === 0 ? '' : ` [${items.join(', ')}]`);

export const describeMembershipMessage = (message: MembershipMessage): string => {
  switch (message.type) {
    case 'probe':
    case 'ack':
    case 'nack':
      return `${message.type} ${message.sequence}${list(message.facts.map(describeFact))}`;
    case 'ask':
      return `ask ${message.sequence} about ${message.target}${list(message.facts.map(describeFact))}`;
    case 'gossip':
    case 'digest':
      return `${message.type}${list(message.facts.map(describeFact))}`;
    case 'buckets':
      return message.hashes.length === 0 ? 'buckets: all equal' : 'buckets';
    case 'versions':
      return `versions of ${message.buckets.length} buckets${list(message.versions.map(describeVersion))}`;
    case 'page':
      return `page${list(message.facts.map(describeFact))}${message.wants.length === 0 ? '' : ` wants ${message.wants.join(', ')}`}`;
  }
};

const describeChange = ({ peer, before, after, why }: Change): string =>
  before === after
    ? `${peer} says something else of itself`
    : `${peer} ${before ?? 'unknown'} → ${after ?? 'unknown'} (${why})`;

export const describeMembershipEffect = (effect: MembershipEffect): string => {
  switch (effect.type) {
    case 'send':
      return `→ ${effect.to.join(' ')}${effect.lane === 'bulk' ? ' (bulk)' : ''}: ${describeMembershipMessage(effect.message)}`;
    case 'dial':
      return `dial ${effect.peer ?? 'whoever lives'} at ${effect.addresses.join(' ')}`;
    case 'persist':
      return `persist ${effect.incarnation}`;
    case 'remember':
      return `remember thrown out: ${effect.evicted.map(({ peer }) => peer).join(', ') || 'nobody'}`;
    case 'changed':
      return effect.changes.map(describeChange).join('; ');
    case 'left':
    case 'evicted':
      return effect.type;
    case 'warn':
      return `${effect.code}: ${effect.message}`;
  }
};
