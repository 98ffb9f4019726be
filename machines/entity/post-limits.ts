// Every maximum of messages between actors of different nodes, checked against each other when loaded.

import { rpcLimits } from '../rpc/limits.ts';
import { limits } from '../wire/limits.ts';
import { addressLimits } from './address.ts';

export const postLimits = {
  /** An event, a reply, or what a subscriber is shown, packed. */
  bytesMax: rpcLimits.valueBytesMax,
  addressCharsMax: addressLimits.textCharsMax,
  idCharsMax: 128,
  sourceCharsMax: addressLimits.textCharsMax,
  correlationCharsMax: 128,
  selectCharsMax: 256,
  peerCharsMax: 128,
  timeoutMsMax: limits.callTimeoutMsMax,
  /** Nodes that pass on one event that was sent, and those that one request is sent on to before it waits. */
  hopsMax: 3,
  /** Requests, subscriptions and watches of this node that are under way. */
  outgoingMax: 65_536,
  /** Answers that one question says were heard, and those of which it is still to be said. */
  heardMax: 64,
  heardKeptMax: 4_096,
  /** Of one peer, here. */
  incomingPerPeerMax: 16_384,
  feedsPerPeerMax: 1_024,
  watchesPerPeerMax: 10_000,
  peersMax: 4_096,
  /** A type that nobody hosts, or a node that nobody knows: news of it may be under way for so long. */
  patienceMs: 1_000,
  /** A leader that cannot read the state of an actor asks for it, or hands over to who can. */
  upgradePatienceMs: 3_000,
  /** The end of an actor is kept for a watcher that lost his connection. */
  endKeptMs: 60_000,
  /** Given ids of which it is known what became of them, at one node: the oldest are forgotten then. */
  idsMax: 50_000,
} as const;

const assertLimits = (holds: boolean, what: string): void => {
  if (!holds) throw new Error(`limits of messages between actors contradict each other: ${what}`);
};
assertLimits(
  postLimits.bytesMax + 4 * postLimits.addressCharsMax + 4 * postLimits.sourceCharsMax + (64 << 10) < limits.messageBytesMax,
  'an event fits a message',
);
assertLimits(postLimits.endKeptMs <= rpcLimits.rememberMs, 'ends are kept no longer than answers');
