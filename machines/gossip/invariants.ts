// What is always true of a node's gossip, by name. The cheap ones are checked after every step in production too; the costly ones
// where `checkAll` is set (tests, simulator).
import { InvariantBroken } from '../invariant.ts';
import { gossipLimits as max } from './limits.ts';
import { hasNumber, isRanges } from './ranges.ts';
import { bucketOf, hashOf, type Source } from './sources.ts';
import type { GossipState, Turn } from './state.ts';

const broken = (invariant: string, message: string): never => {
  throw new InvariantBroken(invariant, message);
};

/** The few values of before a step that those of after it are compared with. */
export type Before = { said: number };

export const beforeOf = ({ said }: GossipState): Before => ({ said });

export const checkStep = (state: GossipState, before: Before, turn: Turn): void => {
  if (!(state.said >= before.said)) broken('said-rises', `${before.said} → ${state.said}`);
  // What is due has been done: whoever wakes at the deadline does not wake for ever.
  if (!(state.deadlineMs > turn.nowMs)) broken('deadline-ahead', `${state.deadlineMs} at ${turn.nowMs}`);
  checkBounds(state);
  const last = new Map<string, { epoch: number; sequence: number }>();
  for (const effect of turn.effects) {
    if (effect.type === 'send' && effect.to === state.self) broken('speaks-to-others', effect.message.type);
    if (effect.type === 'push' && effect.announcement.epoch !== state.own.epoch)
      broken('says-in-its-epoch', `${effect.announcement.epoch}`);
    if (effect.type !== 'deliver' || effect.late) continue;
    // One message may tell of two lives of a source, and the numbers of each begin anew.
    const { source, epoch, sequence } = effect;
    const before = last.get(source) ?? { epoch: 0, sequence: 0 };
    if (!(epoch > before.epoch || (epoch === before.epoch && sequence > before.sequence)))
      broken('in-order', `${source} ${before.epoch}:${before.sequence} → ${epoch}:${sequence}`);
    last.set(source, effect);
  }
};

const checkBounds = ({ sources, store, peers, evicted }: GossipState): void => {
  if (sources.all.size > max.sourcesMax) broken('sources-bounded', `${sources.all.size}`);
  if (store.all.size > max.storeMessagesMax) broken('messages-bounded', `${store.all.size}`);
  if (store.bytes > max.storeBytesMax) broken('bytes-bounded', `${store.bytes}`);
  if (peers.list.length !== peers.of.size || peers.list.length > max.peersMax) broken('peers-bounded', `${peers.list.length}`);
  if (evicted.size > max.evictedMax) broken('evicted-bounded', `${evicted.size}`);
};

export const checkAll = (state: GossipState): void => {
  const { sources, store, evicted } = state;
  const buckets = new Uint32Array(max.buckets);
  let [kept, bytes] = [0, 0];
  for (const [peer, source] of sources.all) {
    if (source.peer !== peer) broken('sources-by-name', peer);
    if (evicted.has(peer)) broken('evicted-are-forgotten', peer);
    if (source.hash !== 0 && source.hash !== hashOf(source)) broken('hash-of-source', peer);
    buckets[bucketOf(peer)]! ^= source.hash;
    checkSource(state, source);
    kept += source.kept.size;
    bytes += source.keptBytes;
  }
  if (kept !== store.all.size || bytes !== store.bytes) broken('store-counted', `${kept} of ${store.all.size}, ${bytes} bytes`);
  for (let at = 0; at < buckets.length; at++)
    if (buckets[at] !== sources.buckets[at]) broken('buckets-of-sources', `bucket ${at}`);
};

const checkSource = ({ sources, store, own, said }: GossipState, source: Source): void => {
  const { peer, known, kept, held, settled } = source;
  if (!isRanges(known) || known.length > 2 * max.rangesMax) broken('known-in-pieces', `${peer} ${known.join(' ')}`);
  if (kept.size > max.sourceMessagesMax || source.keptBytes > max.sourceBytesMax) broken('source-bounded', peer);
  for (const [sequence, stored] of kept) {
    if (stored.source !== source || stored.sequence !== sequence || !store.all.has(stored)) broken('kept-in-store', peer);
    if (!hasNumber(known, sequence)) broken('kept-is-known', `${peer} ${sequence}`);
    if (!(stored.endsMs >= store.endsMs)) broken('ends-later', `${peer} ${sequence}`);
    // Delivered, or waiting to be.
    if (held.has(sequence) !== sequence > settled) broken('held-above-settled', `${peer} ${sequence} of ${settled}`);
  }
  for (const sequence of held.keys()) if (!kept.has(sequence)) broken('held-is-kept', `${peer} ${sequence}`);
  if (sources.waiting.has(source) !== held.size > 0) broken('waits-for-held', peer);
  if (held.size > 0 && hasNumber(known, settled + 1)) broken('waits-for-missing', `${peer} ${settled + 1}`);
  if (source === own && (held.size > 0 || settled !== said)) broken('own-is-settled', `${settled} of ${said}`);
};
