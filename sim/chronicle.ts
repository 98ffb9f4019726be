// What a person wants to see of a run that failed: who was what in which term and when each process lived, for all of it; messages and
// what replicas did, for the last moments before the failure. Bounded however long the run was.
import type { Observation } from '../actors/observe.ts';
import type { Role } from '../machines/raft/types.ts';
import type { Listen, RunEvent, Way } from './record.ts';
import { describeMessage, type Spoken } from './report/message.ts';

export type RoleSpan = {
  readonly node: string;
  readonly group: string;
  readonly role: Role;
  readonly term: number;
  readonly fromMs: number;
  /** Null: still so at the end. */
  untilMs: number | null;
};

export type Life = {
  readonly node: string;
  readonly life: number;
  readonly fromMs: number;
  untilMs: number | null;
  /** Its machine lost its power. */
  silently: boolean;
};

export type Seen = {
  readonly message: number;
  readonly from: string;
  readonly to: string;
  readonly way: Way;
  readonly bytes: number;
  readonly spoken: Spoken;
  readonly sentMs: number;
  readonly sentPlace: number;
  /** When it arrived or was lost; null: it was under way at the focus. */
  readonly endedMs: number | null;
  readonly endedPlace: number | null;
  /** Why it was lost; null: it was not. */
  readonly lost: string | null;
};

/** Something that happened on one node, among the messages. */
export type Moment = {
  readonly place: number;
  readonly atMs: number;
  readonly node: string;
  readonly kind: 'role' | 'start' | 'end' | 'durable' | 'applied' | 'restored' | 'installed' | 'log';
  readonly text: string;
};

export type Chronicle = {
  readonly endMs: number;
  /** The moment that messages and moments lead to. */
  readonly focusMs: number;
  readonly roles: readonly RoleSpan[];
  readonly lives: readonly Life[];
  readonly messages: readonly Seen[];
  readonly moments: readonly Moment[];
  /** Older ones that were forgotten, and those after the focus. */
  readonly messagesForgotten: number;
};

export const chronicleLimits = { rolesMax: 20_000, livesMax: 20_000, messagesMax: 2_000, momentsMax: 2_000 } as const;

/** Keeps the last `max` of what is added; drops in slices, so that it costs little. */
class Last<Item> {
  #items: Item[] = [];
  readonly #max: number;
  readonly #forget: (items: readonly Item[]) => void;

  constructor(max: number, forget: (items: readonly Item[]) => void = () => {}) {
    this.#max = max;
    this.#forget = forget;
  }

  add(item: Item): void {
    this.#items.push(item);
    if (this.#items.length >= 2 * this.#max) this.#forget(this.#items.splice(0, this.#items.length - this.#max));
  }

  get items(): readonly Item[] {
    return this.#items.slice(-this.#max);
  }

  get isEmpty(): boolean {
    return this.#items.length === 0;
  }
}

type Letter = {
  readonly message: number;
  readonly from: string;
  readonly to: string;
  readonly way: Way;
  readonly bytes: Uint8Array;
  readonly sentMs: number;
  readonly sentPlace: number;
  endedMs: number | null;
  endedPlace: number | null;
  lost: string | null;
};

/** What a process logs that a person should see, as it stands in the trace. */
const complaint = /^(?:warn|error) ([A-Z_]+.*)$/s;

const indices = (entries: readonly { index: number }[]): string => {
  const [first, last] = [entries[0]!.index, entries.at(-1)!.index];
  return first === last ? `${first}` : `${first}–${last}`;
};

/** What an observation says in the margin of a message diagram; null: nothing that is worth a line. */
const momentOf = (seen: Observation): Pick<Moment, 'kind' | 'text'> | null => {
  switch (seen.type) {
    case 'role':
      return { kind: 'role', text: `${seen.role} t${seen.term}` };
    case 'hard-state':
      return {
        kind: 'durable',
        text: `term ${seen.hardState.term}${seen.hardState.vote === null ? '' : ' and its vote'} on disk`,
      };
    case 'logged':
      return { kind: 'durable', text: `${indices(seen.entries)} on disk` };
    case 'applied':
      return { kind: 'applied', text: `applied ${indices(seen.entries)}` };
    case 'restored':
      return {
        kind: 'restored',
        text: `found term ${seen.hardState.term}, log to ${seen.entries.at(-1)?.index ?? seen.snapshot?.index ?? 0}, applied ${seen.applied}`,
      };
    case 'installed':
      return { kind: 'installed', text: `installed snapshot ${seen.index}@${seen.term}` };
    case 'compacted':
    case 'read-asked':
    case 'read-ended':
      return null;
  }
};

/**
 * Listens to a run. Messages and moments after `focusMs` are passed over: a failure that was judged at the end may have happened
 * long before. One group is followed closely, the one that clients use; beats that tell nothing new are left out.
 */
export const createChronicle = ({ group = 'kv', focusMs = Number.POSITIVE_INFINITY } = {}) => {
  const { rolesMax, livesMax, messagesMax, momentsMax } = chronicleLimits;
  const roles = new Last<RoleSpan>(rolesMax);
  const lives = new Last<Life>(livesMax);
  const moments = new Last<Moment>(momentsMax);
  const underway = new Map<number, Letter>();
  const letters = new Last<Letter>(messagesMax, (old) => {
    for (const { message } of old) underway.delete(message);
  });
  const role = new Map<string, RoleSpan>();
  const life = new Map<string, Life>();
  let place = 0;
  let endMs = 0;
  let messages = 0;

  const mark = (atMs: number, node: string, kind: Moment['kind'], text: string): void => {
    if (atMs <= focusMs) moments.add({ place: ++place, atMs, node, kind, text });
  };

  const endRole = (key: string, atMs: number): void => {
    const span = role.get(key);
    if (span === undefined) return;
    span.untilMs = atMs;
    role.delete(key);
  };

  const observed = (atMs: number, node: string, seen: Observation): void => {
    if (seen.group === group) {
      const known = role.get(`${node} ${group}`);
      const isNews = seen.type !== 'role' || known?.role !== seen.role || known.term !== seen.term;
      const moment = isNews ? momentOf(seen) : null;
      if (moment !== null) mark(atMs, node, moment.kind, moment.text);
    }
    if (seen.type !== 'role') return;
    const key = `${node} ${seen.group}`;
    const known = role.get(key);
    if (known?.role === seen.role && known.term === seen.term) return;
    endRole(key, atMs);
    const span: RoleSpan = { node, group: seen.group, role: seen.role, term: seen.term, fromMs: atMs, untilMs: null };
    role.set(key, span);
    roles.add(span);
  };

  const letterOf = (message: number, atMs: number): Letter | undefined => (atMs <= focusMs ? underway.get(message) : undefined);

  const listen: Listen = (event: RunEvent): void => {
    const { atMs } = event;
    endMs = Math.max(endMs, atMs);
    switch (event.type) {
      case 'client':
      case 'stepped':
        return;
      case 'turn': {
        const said = complaint.exec(event.what);
        const node = event.where.split('#')[0]!;
        if (said !== null) mark(atMs, node, 'log', said[1]!);
        return;
      }
      case 'started': {
        const span: Life = { node: event.node, life: event.life, fromMs: atMs, untilMs: null, silently: false };
        life.set(event.node, span);
        lives.add(span);
        return mark(atMs, event.node, 'start', `starts (${event.life})`);
      }
      case 'ended': {
        const span = life.get(event.node);
        if (span !== undefined) Object.assign(span, { untilMs: atMs, silently: event.silently });
        for (const key of [...role.keys()]) if (key.startsWith(`${event.node} `)) endRole(key, atMs);
        return mark(atMs, event.node, 'end', event.silently ? 'loses its power' : 'ends');
      }
      case 'observed':
        return observed(atMs, event.node, event.observation);
      case 'sent': {
        messages++;
        if (atMs > focusMs) return;
        const { message, from, to, way, bytes } = event;
        const letter: Letter = {
          ...{ message, from, to, way, bytes, sentMs: atMs, sentPlace: ++place },
          ...{ endedMs: null, endedPlace: null, lost: null },
        };
        underway.set(message, letter);
        return letters.add(letter);
      }
      case 'received': {
        const letter = letterOf(event.message, atMs);
        if (letter !== undefined && letter.endedMs === null) Object.assign(letter, { endedMs: atMs, endedPlace: ++place });
        return;
      }
      case 'lost': {
        const letter = letterOf(event.message, atMs);
        if (letter !== undefined) Object.assign(letter, { lost: event.why, endedMs: atMs, endedPlace: ++place });
      }
    }
  };

  const end = (): Chronicle => {
    const seen = letters.items.map(({ bytes, ...letter }): Seen => {
      return { ...letter, bytes: bytes.byteLength, spoken: describeMessage(letter.way, bytes) };
    });
    return {
      ...{ endMs, focusMs: Math.min(focusMs, endMs), roles: roles.items, lives: lives.items, moments: moments.items },
      ...{ messages: seen, messagesForgotten: messages - seen.length },
    };
  };

  return { listen, end };
};
