// What a relay has to know of the two kinds of messages that it carries, calls and those of actors: which begin something at their target,
// which belong to what was begun, and which end it. What they say it never looks at.
import { postTypes } from '../machines/entity/post-messages.ts';
import { callTypes } from '../machines/rpc/index.ts';

export type TalkRules = {
  /** Before the types of its messages in a parcel. */
  readonly prefix: string;
  /** 'once': ends with one answer; 'lasting': until whoever began it ends it; 'unanswered': nothing comes back. */
  readonly begins: Readonly<Record<string, 'once' | 'lasting' | 'unanswered'>>;
  /** Goes the way of what was begun. */
  readonly belongs: ReadonlySet<string>;
  /** Of these: nothing of it is wanted any more. */
  readonly ends: ReadonlySet<string>;
  /** Back the same way. */
  readonly answers: ReadonlySet<string>;
  /** Of these: the last one. */
  readonly lastAnswers: ReadonlySet<string>;
  /** False: it goes straight on or not at all. */
  readonly mayGoOver: (type: string, body: unknown) => boolean;
};

/** Where a call, and where a question to an actor says by which start of a process alone it may be answered (their messages.ts). */
const epochAt = { call: 7, ask: 6 } as const;
/** Where a question to an actor has its id, null for its number. */
const idAt = 2;

/** Where it was asked before it was this node that asked; over others it is only somebody who says so, and would be executed again. */
const isSecond = (body: unknown, at: number): boolean => Array.isArray(body) && body[at] !== 0;

export const callRules: TalkRules = {
  prefix: '',
  begins: { [callTypes.call]: 'once' },
  belongs: new Set([callTypes.more, callTypes.cancel]),
  ends: new Set([callTypes.cancel]),
  answers: new Set([callTypes.item, callTypes.answer]),
  lastAnswers: new Set([callTypes.answer]),
  mayGoOver: (_type, body) => !isSecond(body, epochAt.call),
};

export const actorRules: TalkRules = {
  prefix: 'actors.',
  begins: { [postTypes.send]: 'unanswered', [postTypes.ask]: 'once', [postTypes.follow]: 'lasting' },
  belongs: new Set([postTypes.quit, postTypes.more, postTypes.drop]),
  ends: new Set([postTypes.quit, postTypes.drop]),
  answers: new Set([postTypes.done, postTypes.next, postTypes.over]),
  lastAnswers: new Set([postTypes.done]),
  // A number stands for one question of one peer, whom over others nobody proves: only an id that nobody guesses means the same on all ways.
  mayGoOver: (type, body) =>
    type !== postTypes.ask || (!isSecond(body, epochAt.ask) && Array.isArray(body) && typeof body[idAt] === 'string'),
};

const all = [actorRules, callRules];
const typesOf = ({ prefix, begins, belongs, answers }: TalkRules): string[] =>
  [...Object.keys(begins), ...belongs, ...answers].map((type) => `${prefix}${type}`);

/** All that parcels hold. */
export const parcelTypes: ReadonlySet<string> = new Set(all.flatMap(typesOf));

/** Whose message this is, by its type in a parcel. */
export const rulesOf = (type: string): TalkRules => (type.startsWith(actorRules.prefix) ? actorRules : callRules);
