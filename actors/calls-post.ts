// How what is said of a call gets to the other side. What a lane does not take waits here in its order, bounded, until it does: an
// answer that is lost would be an outcome that nobody knows.
import { rpcLimits } from '../machines/rpc/index.ts';
import type { PeerId, SinkPort } from './ports/index.ts';
import type { Fate, Post, Router } from './router.ts';

export const rpcAddress = 'rpc';

/** The one place that knows the way to a peer: straight on, or over others (actors/relay-door.ts). */
export type Carrier = {
  send(peer: PeerId, type: string, body: unknown, timeLeftMs: number, trace: string, fate: Fate): ReturnType<Post['send']>;
};

/** On the calls lane: what is said to this address leaves in its order, many messages a frame. */
export const directly = (router: Router, address: string): Carrier => ({
  send: (peer, type, body, timeLeftMs, trace, fate) =>
    router.post({ peer, lane: 'calls', source: address, target: address, type, body, timeLeftMs, trace }, fate),
});

type Said = { readonly type: string; readonly body: unknown; readonly bytes: number };
type Outbox = { said: Said[]; bytes: number };

export interface CallPost {
  /**
   * 'said': it leaves, after all that was said before, or the connection breaks. 'unsure': it waits for a connection. 'lost': nobody
   * is there, or too much waits already.
   */
  say(peer: PeerId, type: string, body: unknown, bytes: number): 'said' | 'unsure' | 'lost';
  /** Something waits because its reader is slow. */
  isSlow(peer: PeerId): boolean;
  /** The lane takes messages again. */
  drained(peer: PeerId): void;
  closed(peer: PeerId): void;
}

const whatever: Fate = { left: () => {}, dropped: () => {} };
const overheadBytes = 128;

export const createCallPost = (carrier: Carrier, sink: SinkPort): CallPost => {
  const outboxes = new Map<PeerId, Outbox>();

  const put = (peer: PeerId, said: Said): boolean => {
    let box = outboxes.get(peer);
    if (box === undefined) outboxes.set(peer, (box = { said: [], bytes: 0 }));
    if (box.bytes > 0 && box.bytes + said.bytes > rpcLimits.outboxBytesMax) return false;
    box.said.push(said);
    box.bytes += said.bytes;
    return true;
  };

  const lost = (type: string): 'lost' => {
    sink.count('call_messages_lost_total', { type });
    return 'lost';
  };

  return {
    say(peer, type, body, bytes) {
      const said = { type, body, bytes: bytes + overheadBytes };
      if (outboxes.has(peer)) return put(peer, said) ? 'said' : lost(type);
      const sent = carrier.send(peer, type, body, 0, '', whatever);
      if (sent === 'queued') return 'said';
      if (sent === 'waits') return 'unsure';
      return sent === 'full' && put(peer, said) ? 'said' : lost(type);
    },
    isSlow: (peer) => outboxes.has(peer),
    drained(peer) {
      const box = outboxes.get(peer);
      if (box === undefined) return;
      let at = 0;
      for (; at < box.said.length; at++) {
        const { type, body, bytes } = box.said[at]!;
        const sent = carrier.send(peer, type, body, 0, '', whatever);
        if (sent === 'full') break;
        box.bytes -= bytes;
      }
      box.said.splice(0, at);
      if (box.said.length === 0) outboxes.delete(peer);
    },
    closed: (peer) => void outboxes.delete(peer),
  };
};
