// What finds lost members again and what lets go of them. After a partition each side has given up the other, so failed members and
// the addresses that discovery knows are dialled now and then, by all live members together about as often as by one alone. What has
// been gone for long fades (it is told to nobody) and is then forgotten, by everybody within the time of fading.
import { nextBetween } from '../random.ts';
import { fadingShare, keptMs } from './learn.ts';
import { about, type MembershipState, type Turn } from './state.ts';
import { fade, removeMember } from './table.ts';
import type { Contact } from './types.ts';

/** How many live members together dial each failed member in one interval. */
const dialsEach = 3;
/** Who is all alone looks around more often. */
const aloneFactor = 5;

const lostMembers = ({ table }: MembershipState): Contact[] => {
  if (table.gone === 0) return [];
  const lost: Contact[] = [];
  for (const { at, status, peer, profile } of table.members.values())
    if (at < 0 && status === 'failed') lost.push({ peer, addresses: profile.addresses });
  return lost;
};

/** An address, and the same without the peer id, for whoever does not know who lives there. */
const waysToSay = (address: string): string[] => {
  const at = address.lastIndexOf('/p2p/');
  return at === -1 ? [address] : [address, address.slice(0, at)];
};

/** Contacts behind which no live member is known to live. */
const unmetContacts = ({ contacts, table, self, profile }: MembershipState): Contact[] => {
  if (contacts.length === 0) return [];
  const addresses = new Set(profile.addresses.flatMap(waysToSay));
  for (const { profile: known } of table.live)
    for (const address of known.addresses) for (const said of waysToSay(address)) addresses.add(said);
  return contacts.filter(({ peer, addresses: given }) => {
    if (peer === self) return false;
    const member = peer === null ? undefined : table.members.get(peer);
    if (member !== undefined) return member.at < 0 && member.status !== 'evicted';
    return !given.some((address) => addresses.has(address));
  });
};

export const healTurn = (state: MembershipState, turn: Turn): void => {
  if (turn.nowMs < state.nextHealMs) return;
  const { options, table } = state;
  const alone = table.live.length === 0;
  state.nextHealMs = turn.nowMs + about(state, alone ? options.healMs / aloneFactor : options.healMs);
  const lost = lostMembers(state);
  const unmet = unmetContacts(state);
  const candidates = [...lost, ...unmet];
  if (candidates.length === 0) return;
  const share = (candidates.length * dialsEach) / (table.live.length + 1);
  if (share < 1 && nextBetween(state.random, 0, 1_000_000) >= share * 1_000_000) return;
  // As likely a contact as a member: after everybody moved, one address that still works must not wait behind a hundred that do not.
  const among = lost.length > 0 && unmet.length > 0 ? (nextBetween(state.random, 0, 2) === 0 ? lost : unmet) : candidates;
  const { peer, addresses } = among[nextBetween(state.random, 0, among.length)]!;
  turn.effects.push({ type: 'dial', peer, addresses });
};

export const healDueMs = (state: MembershipState): number =>
  state.table.gone > 0 || state.contacts.length > 0 ? state.nextHealMs : Number.POSITIVE_INFINITY;

export const forgetTurn = (state: MembershipState, turn: Turn): void => {
  const { nowMs } = turn;
  if (nowMs < state.forgetAtMs) return;
  state.forgetAtMs = Number.POSITIVE_INFINITY;
  for (const member of state.table.members.values()) {
    if (member.at >= 0) continue;
    const kept = keptMs(state, member.status);
    const forgetMs = member.sinceMs + kept;
    if (nowMs >= forgetMs) {
      removeMember(state.table, member);
      turn.changes.push({ peer: member.peer, before: member.status, after: null, why: 'forgotten' });
      continue;
    }
    const fadesMs = member.sinceMs + kept * fadingShare;
    if (nowMs >= fadesMs) fade(state.table, member);
    state.forgetAtMs = Math.min(state.forgetAtMs, nowMs >= fadesMs ? forgetMs : fadesMs);
  }
};
