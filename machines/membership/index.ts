// The door of membership: create a node's view of the others, step it, read it; parse and form what it says.
export { describeMembershipEffect, describeMembershipMessage } from './describe.ts';
export { restoreEvicted } from './evicted.ts';
export { membershipLimits } from './limits.ts';
export { step } from './machine.ts';
export { formMembershipMessage, type ParsedMembershipMessage, parseMembershipMessage } from './messages.ts';
export { profileParts, profilePartsText, profileRefusal } from './profile.ts';
export { acquaint, createMembership, type MembershipState, ProfileRefused, rootDigest } from './state.ts';
export * from './types.ts';
export { type MembershipSummary, type MemberView, membershipSummary, membersView } from './view.ts';
