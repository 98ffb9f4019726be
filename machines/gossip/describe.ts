// Gossip in words, for transcripts and logs.
import type { Announcement, GossipEffect, GossipMessage, Mark, Part, Ranges, Want } from './types.ts';

const describeRanges = (ranges: Ranges): string => {
  const pieces: string[] = [];
  for (let at = 0; at < ranges.length; at += 2)
    pieces.push(ranges[at] === ranges[at + 1] ? `${ranges[at]}` : `${ranges[at]}–${ranges[at + 1]}`);
  return pieces.length === 0 ? 'nothing' : pieces.join(',');
};

const describeMark = ({ source, epoch, known }: Mark): string => `${source}#${epoch} ${describeRanges(known)}`;
const describeWant = ({ source, epoch, numbers }: Want): string => `${source}#${epoch} ${describeRanges(numbers)}`;

const describePart = ({ source, epoch, gone, announcements }: Part): string =>
  [
    `${source}#${epoch}`,
    ...announcements.map(({ sequence, topic }) => `${sequence} ${topic}`),
    ...(gone.length === 0 ? [] : [`gone ${describeRanges(gone)}`]),
  ].join(' ');

const list = (what: string, items: readonly string[]): string => (items.length === 0 ? '' : ` ${what}[${items.join('; ')}]`);

export const describeAnnouncement = ({ epoch, sequence, floor, topic }: Announcement): string =>
  `#${epoch} ${sequence} ${topic}${floor === sequence ? '' : ` (still true from ${floor})`}`;

export const describeGossipMessage = (message: GossipMessage): string => {
  switch (message.type) {
    case 'digest':
      return 'digest';
    case 'marks':
      return message.buckets.length === 0 ? 'marks: all equal' : `marks${list('', message.marks.map(describeMark))}`;
    case 'page': {
      const parts = list('', message.parts.map(describePart));
      return `page${parts}${list(message.urgent ? 'wants now ' : 'wants ', message.wants.map(describeWant))}${message.more ? ' and more' : ''}`;
    }
  }
};

export const describeGossipEffect = (effect: GossipEffect): string => {
  switch (effect.type) {
    case 'push':
      return `→ all: ${describeAnnouncement(effect.announcement)}`;
    case 'send':
      return `→ ${effect.to}: ${describeGossipMessage(effect.message)}`;
    case 'deliver':
      return `hears ${effect.source}#${effect.epoch} ${effect.sequence} ${effect.topic}${effect.late ? ' late' : ''}`;
    case 'published':
      return `says ${effect.sequence}`;
    case 'unpublished':
      return `${effect.code}: ${effect.message}`;
    case 'refused':
      return `${effect.code} of ${effect.peer}: ${effect.message}`;
  }
};
