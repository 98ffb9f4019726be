// What replicas of a group say to each other beside the log: that one differs from its leader, that one lacks the code for some actors and
// needs their state, and such a state. Compact arrays in, checked values out, null for what a node of ours would not have sent.
import { isActorName } from '../machines/entity/ledger-items.ts';
import { type ActorName, ledgerLimits, type Mark } from '../machines/entity/ledger-types.ts';

/** Where replicas are spoken to. */
export const replicasAddress = 'actor-replicas';

export type ReplicaWord =
  | { type: 'diverged'; group: string; actor: ActorName; marks: readonly Mark[] }
  | { type: 'behind'; group: string; actors: readonly ActorName[] }
  /** An answer to that: nor does it know. */
  | { type: 'lacking'; group: string; actors: readonly ActorName[] }
  | { type: 'state'; group: string; actor: ActorName; seq: number; version: number; dump: Uint8Array };

export const wordLimits = { marksMax: ledgerLimits.marksKept, actorsMax: 64, dumpBytesMax: 2 << 20 } as const;

const groupCharsMax = 63;

export const formWord = (word: ReplicaWord): unknown => {
  const { group } = word;
  switch (word.type) {
    case 'diverged': {
      const marks = word.marks.slice(-wordLimits.marksMax);
      return [group, word.actor, marks.map(({ seq, index, event, digest }) => [seq, index, event, digest])];
    }
    case 'behind':
    case 'lacking':
      return [group, word.actors.slice(0, wordLimits.actorsMax)];
    case 'state':
      return [group, word.actor, word.seq, word.version, word.dump];
  }
};

const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
const isGroup = (value: unknown): value is string => typeof value === 'string' && value.length <= groupCharsMax;
const isName = (value: unknown): value is ActorName =>
  typeof value === 'string' && value.length <= ledgerLimits.nameBytesMax && isActorName(value);

const parseMark = (form: unknown): Mark | null => {
  if (!Array.isArray(form) || form.length !== 4) return null;
  const [seq, index, event, digest] = form as unknown[];
  if (!isCount(seq) || !isCount(index) || !isCount(digest) || typeof event !== 'string') return null;
  return event.length > ledgerLimits.pathCharsMax ? null : { seq, index, event, digest };
};

const parseDiverged = (group: string, [actor, forms]: unknown[]): ReplicaWord | null => {
  if (!isName(actor) || !Array.isArray(forms) || forms.length > wordLimits.marksMax) return null;
  const marks = (forms as unknown[]).map(parseMark);
  return marks.includes(null) ? null : { type: 'diverged', group, actor, marks: marks as Mark[] };
};

/** Null: it is none. */
export const parseWord = (type: string, body: unknown): ReplicaWord | null => {
  if (!Array.isArray(body)) return null;
  const [group, ...rest] = body as unknown[];
  if (!isGroup(group)) return null;
  if (type === 'diverged') return rest.length === 2 ? parseDiverged(group, rest) : null;
  if (type === 'behind' || type === 'lacking') {
    const [actors] = rest;
    if (rest.length !== 1 || !Array.isArray(actors) || actors.length > wordLimits.actorsMax) return null;
    return actors.every(isName) ? { type, group, actors } : null;
  }
  const [actor, seq, version, dump] = rest;
  if (type !== 'state' || rest.length !== 4 || !isName(actor) || !isCount(seq) || !isCount(version)) return null;
  if (!(dump instanceof Uint8Array) || dump.byteLength > wordLimits.dumpBytesMax) return null;
  return { type, group, actor, seq, version, dump };
};
