// Messages to members without a connection, while one is being opened: few and not for long, for whoever sent them goes on meanwhile
// and most of them are soon of no use.
import type { ClockPort, Lane, PeerId, Timer } from './ports/index.ts';
import type { Fate } from './router.ts';

export const waitingLimits = { perPeerMax: 16, inAllMax: 256, inAllBytesMax: 8 << 20, waitMs: 1_000 } as const;

export type WaitingMessage = { lane: Lane; bytes: Uint8Array; fate: Fate };

type Waiting = WaitingMessage & { untilMs: number };

export interface WaitingMessages {
  /** False: too many or too much waits already, for this peer or in all. */
  add(peer: PeerId, message: WaitingMessage): boolean;
  has(peer: PeerId): boolean;
  /** All that wait for this peer, oldest first; they wait no longer. */
  take(peer: PeerId): WaitingMessage[];
  stop(): void;
}

/** `onLate`: these waited in vain. */
export const createWaiting = (
  clock: ClockPort,
  onLate: (peer: PeerId, messages: readonly WaitingMessage[]) => void,
): WaitingMessages => {
  const byPeer = new Map<PeerId, Waiting[]>();
  let count = 0;
  let bytesInAll = 0;
  let timer: Timer | null = null;

  const leave = (messages: readonly Waiting[]): void => {
    count -= messages.length;
    for (const { bytes } of messages) bytesInAll -= bytes.byteLength;
  };

  const arm = (): void => {
    if (timer !== null || count === 0) return;
    let atMs = Number.POSITIVE_INFINITY;
    for (const [oldest] of byPeer.values()) atMs = Math.min(atMs, oldest!.untilMs);
    timer = clock.after(Math.max(1, atMs - clock.nowMs()), ring);
  };

  const ring = (): void => {
    timer = null;
    const nowMs = clock.nowMs();
    for (const [peer, list] of [...byPeer]) {
      const late = list.filter(({ untilMs }) => untilMs <= nowMs);
      if (late.length === 0) continue;
      leave(late);
      if (late.length === list.length) byPeer.delete(peer);
      else byPeer.set(peer, list.slice(late.length));
      onLate(peer, late);
    }
    arm();
  };

  return {
    add(peer, message) {
      const list = byPeer.get(peer) ?? [];
      const { perPeerMax, inAllMax, inAllBytesMax, waitMs } = waitingLimits;
      if (list.length >= perPeerMax || count >= inAllMax || bytesInAll + message.bytes.byteLength > inAllBytesMax) return false;
      // The sender's buffer is its own again when this returns.
      list.push({ ...message, bytes: message.bytes.slice(), untilMs: clock.nowMs() + waitMs });
      byPeer.set(peer, list);
      count++;
      bytesInAll += message.bytes.byteLength;
      arm();
      return true;
    },
    has: (peer) => byPeer.has(peer),
    take(peer) {
      const list = byPeer.get(peer) ?? [];
      byPeer.delete(peer);
      leave(list);
      return list;
    },
    stop() {
      timer?.cancel();
      timer = null;
      for (const list of byPeer.values()) leave(list);
      byPeer.clear();
    },
  };
};
