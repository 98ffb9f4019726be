// The network as a port: authenticated peers, three lanes to each (decision 3), topics to all. Bytes in, bytes out; what they
// mean is the router's. Every peer that appears here has passed admission (decision 7): `peer` is its libp2p peer id, proved.
// Suite: test/ports/network-suite.ts, for every implementation.

export type Lane = 'control' | 'calls' | 'bulk';
export const lanes: readonly Lane[] = ['control', 'calls', 'bulk'];

export type PeerId = string;

export type NetworkEvent =
  /** Where this node can be dialled, as multiaddrs with the peer id; again whenever it changes. */
  | { type: 'listening'; addresses: string[] }
  /** Admitted and able to receive. `epoch` counts the peer's process starts; a new one means it lost its memory. */
  | { type: 'peer-open'; peer: PeerId; name: string; epoch: number; addresses: string[]; hello: Record<string, string> }
  | { type: 'peer-close'; peer: PeerId; reason: string }
  /** The answer to one `dial`: who was admitted there (this node itself, if it was its own address), or null and the reason why nobody. */
  | { type: 'dialled'; addresses: string[]; peer: PeerId | null; reason: string | null }
  | { type: 'message'; peer: PeerId; lane: Lane; bytes: Uint8Array }
  | { type: 'published'; peer: PeerId; topic: string; bytes: Uint8Array }
  /** A lane that answered 'full' takes messages again. */
  | { type: 'drain'; peer: PeerId; lane: Lane }
  /** A stranger, a malformed frame, a failed proof: counted and logged, never delivered. */
  | { type: 'refused'; code: string; message: string; peer: PeerId | null; address: string | null };

export const dialLimits = { atOnceMax: 16, waitingMax: 256, addressesMax: 16 } as const;

export interface NetworkPort {
  readonly self: PeerId;
  /** Starts listening and dialling; events come in later turns. `hello` travels in the admission handshake (≤ 1 KiB). */
  start(hello: { name: string; epoch: number; extra: Record<string, string> }, emit: (event: NetworkEvent) => void): void;
  /**
   * Keep a connection to whoever lives at these addresses (multiaddrs; those with the same peer id belong together) until told
   * otherwise. Told again of a peer, the new addresses are tried first and the oldest are forgotten: who moves often is found.
   */
  connect(addresses: readonly string[]): void;
  /**
   * Tries once to be connected to the one peer that lives at one of these addresses, and keeps nothing. Each is answered by one
   * 'dialled' in a later turn; who is known by his id and connected already, without dialling. At most `dialLimits.atOnceMax` at a
   * time, others wait; beyond `dialLimits.waitingMax` the answer is that there are too many. Asked for addresses that are being tried
   * already, it tries them once for both.
   */
  dial(addresses: readonly string[]): void;
  /** Stop keeping a connection to this peer, without closing one that is open. */
  release(peer: PeerId): void;
  /** Stop keeping it and close what is open. */
  disconnect(peer: PeerId): void;
  /** Closes the connection to a peer that fell silent, but keeps dialling it. */
  drop(peer: PeerId, reason: string): void;
  /**
   * Queues one message; messages of one lane arrive in order or, after a close, not at all (at most once).
   * All that one turn queues for a lane leaves in as few frames as the limits allow.
   * 'full': the lane's queue is at its limit, nothing was queued, a 'drain' follows. 'unreachable': no connection.
   */
  send(peer: PeerId, lane: Lane, message: Uint8Array): 'queued' | 'full' | 'unreachable';
  subscribe(topic: string): void;
  /** Of what is published, only what these sources published is delivered and passed on to others; everybody's until told. */
  hear(isMember: (source: PeerId) => boolean): void;
  /** Lossy, to many; batched per turn. 'full' when the publish queue is at its limit. */
  publish(topic: string, message: Uint8Array): 'queued' | 'full';
  stop(done: () => void): void;
}
