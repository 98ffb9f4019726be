// Pages for who asks: what is known here of one owner or of all, in an order that is the same at every node, so that a walk goes on
// at another node where it ended at one.
import { catalogLimits as max } from './limits.ts';
import { endOf, toldOf } from './owners.ts';
import { type CatalogState, type Kept, type Owner, refuse, send, type Turn } from './state.ts';
import type { Behind, CatalogMessage, Item, Part, PeerId } from './types.ts';

const secondMs = 1_000;

const mayAnswer = (state: CatalogState, turn: Turn, to: PeerId): boolean => {
  const { answers } = state;
  if (Math.abs(turn.nowMs - answers.secondMs) >= secondMs) {
    answers.secondMs = turn.nowMs;
    answers.all = 0;
    answers.of.clear();
  }
  const given = answers.of.get(to) ?? 0;
  if (given >= max.answersPerPeerMax || answers.all >= max.answersMax) return false;
  answers.of.set(to, given + 1);
  answers.all++;
  return true;
};

export const onAsk = (
  state: CatalogState,
  turn: Turn,
  from: PeerId,
  { owner, behind }: Extract<CatalogMessage, { type: 'ask' }>,
): void => {
  if (!mayAnswer(state, turn, from)) return refuse(turn, from, 'ASKS_TOO_MUCH', 'it is answered in the next second');
  const page = createPage();
  const walk = owner === null ? ownersBehind(state, behind) : [owner];
  for (const peer of walk) {
    const known = state.owners.get(peer);
    const after = behind?.owner === peer ? behind.id : null;
    // Of who has said nothing there is nothing to tell; and nobody is told more of who asks than he knows.
    if (known === undefined || known.told === null || known.hasLeft || peer === from) continue;
    addPart(state, turn, page, known, after);
    if (page.next !== null) break;
  }
  send(turn, from, { type: 'page', owner, parts: page.parts, next: page.next, settled: state.hasJoined });
};

/** From the one in which the walk has arrived. */
const ownersBehind = (state: CatalogState, behind: Behind | null): readonly PeerId[] => {
  state.ownerOrder ??= [...state.owners.keys()].sort();
  if (behind === null) return state.ownerOrder;
  const at = state.ownerOrder.findIndex((peer) => peer >= behind.owner);
  return at < 0 ? [] : state.ownerOrder.slice(at);
};

type Page = { readonly parts: Part[]; bytes: number; items: number; next: Behind | null };

const createPage = (): Page => ({ parts: [], bytes: 0, items: 0, next: null });

const isFull = ({ bytes, items, parts }: Page): boolean =>
  bytes >= max.pageBytesMax || items >= max.pageItemsMax || parts.length >= max.pagePartsMax;

const partBytes = 64;
const itemBytes = 64;

/** As much of it as there is room for; what is left is where the page goes on. */
const addPart = (state: CatalogState, turn: Turn, page: Page, owner: Owner, after: string | null): void => {
  const { peer, epoch } = owner;
  if (isFull(page)) {
    page.next = { owner: peer, id: after };
    return;
  }
  const ids = [...owner.kept.keys()].filter((id) => after === null || id > after).sort();
  const items: Item[] = [];
  let upTo: string | null = null;
  for (const id of ids) {
    if (isFull(page)) {
      page.next = { owner: peer, id: upTo };
      break;
    }
    const kept = owner.kept.get(id)!;
    const item = itemOf(state, turn, owner, kept);
    upTo = id;
    if (item === null) continue;
    items.push(item);
    page.bytes += kept.bytes + id.length + itemBytes;
    page.items++;
  }
  page.bytes += partBytes + 2 * peer.length;
  const isWhole = page.next === null;
  page.parts.push({ owner: peer, epoch, told: toldNow(state, owner), after, upTo: isWhole ? null : upTo, items });
};

/** This node's own word is what it says now; another's is what was heard of it. */
const toldNow = (state: CatalogState, owner: Owner) => (owner === state.own ? toldOf(owner, state.said) : owner.told!);

/** Null: it has ended, or tells more than its owner's newest word that is known here. */
const itemOf = (state: CatalogState, turn: Turn, owner: Owner, kept: Kept): Item | null => {
  const { sequence, id, entry } = kept;
  if (sequence > toldNow(state, owner).sequence) return null;
  const endsMs = entry === null ? kept.endsMs : endOf(owner, kept);
  const leftMs = Math.floor(Math.min(state.options.ttlMs, endsMs - turn.nowMs));
  return leftMs < 1 ? null : { sequence, leftMs, id, offer: entry === null ? null : entry.offer };
};
