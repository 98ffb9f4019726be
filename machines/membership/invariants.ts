// What is always true of a node's membership, by name. The cheap ones are checked after every step in production too; the costly ones
// where `checkAll` is set (tests, simulator).
import { InvariantBroken } from '../invariant.ts';
import { membershipLimits as max } from './limits.ts';
import { isGone } from './order.ts';
import type { MembershipState, Turn } from './state.ts';
import { bucketOf, digestOf } from './table.ts';
import type { Fact } from './types.ts';

const broken = (invariant: string, message: string): never => {
  throw new InvariantBroken(invariant, message);
};

/** The few values of before a step that those of after it are compared with. */
export type Before = { incarnation: number; durable: number; sequence: number };

export const beforeOf = ({ incarnation, durable, sequence }: MembershipState): Before => ({ incarnation, durable, sequence });

export const checkStep = (state: MembershipState, before: Before, turn: Turn): void => {
  if (!(state.incarnation >= before.incarnation)) broken('incarnation-rises', `${before.incarnation} → ${state.incarnation}`);
  if (!(state.durable >= before.durable)) broken('durable-rises', `${before.durable} → ${state.durable}`);
  if (!(state.durable <= state.persisting)) broken('durable-was-asked', `${state.durable} > ${state.persisting}`);
  const speaks = state.phase === 'member' || state.phase === 'leaving';
  if (speaks && !(state.incarnation <= state.durable))
    broken('speaks-durable-incarnation', `${state.incarnation}, on disk ${state.durable}`);
  if (!(state.profileAt <= state.incarnation)) broken('profile-of-incarnation', `${state.profileAt} > ${state.incarnation}`);
  if (!(state.health >= 0 && state.health <= max.healthMax)) broken('health-bounded', `${state.health}`);
  // What is due has been done: whoever wakes at the deadline does not wake for ever.
  if (!(state.deadlineMs > turn.nowMs)) broken('deadline-ahead', `${state.deadlineMs} at ${turn.nowMs}`);
  checkBounds(state);
  for (const effect of turn.effects) {
    if (effect.type !== 'send') continue;
    if (effect.to.length === 0 || effect.to.includes(state.self)) broken('speaks-to-others', effect.message.type);
    if (!speaks && state.phase !== 'evicted' && state.phase !== 'left') broken('starts-in-silence', effect.message.type);
    if ('facts' in effect.message) for (const fact of effect.message.facts) checkFact(state, fact);
  }
};

const checkBounds = ({ table, updates, exchanges, relays, urgent, suspicions, probe }: MembershipState): void => {
  if (table.members.size > max.membersMax) broken('members-bounded', `${table.members.size}`);
  if (table.live.length + table.gone !== table.members.size)
    broken('members-counted', `${table.live.length} live and ${table.gone} gone of ${table.members.size}`);
  if (updates.of.size > max.updatesMax) broken('updates-bounded', `${updates.of.size}`);
  if (exchanges.size > max.exchangesMax) broken('exchanges-bounded', `${exchanges.size}`);
  if (relays.size > max.relaysMax) broken('relays-bounded', `${relays.size}`);
  if (urgent.length > max.urgentMax) broken('urgent-bounded', `${urgent.length}`);
  if (suspicions.size > table.live.length) broken('suspicions-of-live', `${suspicions.size} of ${table.live.length}`);
  if (probe !== null && probe.nacks.length > probe.helpers.length) broken('nacks-of-helpers', `${probe.nacks.length}`);
};

/** What is said of itself is what it is; what is said of others is not more than is known. */
const checkFact = (state: MembershipState, fact: Fact): void => {
  if (fact.peer === state.self) {
    if (fact.incarnation > state.durable) broken('says-durable-incarnation', `${fact.incarnation}, on disk ${state.durable}`);
    return;
  }
  const member = state.table.members.get(fact.peer);
  if (member !== undefined && fact.incarnation > member.incarnation)
    broken('raises-only-itself', `${fact.peer} ${member.incarnation} → ${fact.incarnation}`);
};

export const checkAll = (state: MembershipState): void => {
  const { table, suspicions, updates } = state;
  const buckets = new Uint32Array(max.buckets);
  let suspects = 0;
  for (const [peer, member] of table.members) {
    if (peer === state.self || member.peer !== peer) broken('members-are-others', peer);
    if (member.at >= 0 !== !isGone(member.status)) broken('live-by-status', `${peer} is ${member.status}`);
    if (member.at >= 0 && table.live[member.at] !== member) broken('live-in-place', peer);
    if (member.incarnation > max.incarnationMax + max.incarnationJumpMax) broken('incarnation-bounded', peer);
    if (member.digest !== 0 && member.digest !== digestOf(peer, member)) broken('digest-of-member', peer);
    if (member.digest === 0 && member.at >= 0) broken('live-in-digest', peer);
    buckets[bucketOf(peer)]! ^= member.digest;
    if (member.status !== 'suspect') continue;
    suspects++;
    const suspicion = suspicions.get(peer);
    if (suspicion === undefined) return broken('suspects-are-suspected', peer);
    if (new Set(suspicion.accusers).size !== suspicion.accusers.length) broken('accusers-once', suspicion.accusers.join());
    if (!(state.judgeAtMs <= Math.min(suspicion.endMs, suspicion.tryAtMs))) broken('judged-in-time', peer);
    if (suspicion.accusers.length > max.accusersMax) broken('accusers-bounded', `${suspicion.accusers.length}`);
    if (suspicion.mine !== suspicion.accusers.includes(state.self)) broken('mine-is-accused-by-me', peer);
  }
  if (suspects !== suspicions.size) broken('suspicions-of-suspects', `${suspicions.size} of ${suspects}`);
  for (let at = 0; at < buckets.length; at++)
    if (buckets[at] !== table.buckets[at]) broken('buckets-of-members', `bucket ${at}`);
  let queued = 0;
  for (const level of updates.levels) queued += level.size;
  if (queued !== updates.of.size) broken('updates-in-levels', `${queued} of ${updates.of.size}`);
};
