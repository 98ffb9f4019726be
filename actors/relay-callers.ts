// Who calls this node over others, and the way back of each call: the one that it came. Two calls of the same node may have come over
// different neighbours, and each is answered over its own, for the caller takes no answer from anybody else.
import { callTypes } from '../machines/rpc/index.ts';
import type { PeerId } from './ports/index.ts';
import { toldPeer } from './relay-parcel.ts';

export const callersLimits = {
  /** Nodes that call over others; the one that was heard of longest ago makes room. */
  callersMax: 1_024,
  /** Calls of one of them that are not answered. */
  callsMax: 4_096,
} as const;

const limits = callersLimits;

/** The neighbour first, the caller last. */
type Back = readonly PeerId[];
type Caller = { latest: Back; readonly calls: Map<number, Back> };

export type CallersArguments = {
  closed: (peer: PeerId) => void;
  gone: (peer: PeerId) => void;
  drained: (peer: PeerId) => void;
  /** Nobody can be answered any more who made this call. */
  cancel: (peer: PeerId, number: number) => void;
};

export interface RelayCallers {
  /** Something came that belongs to a call. */
  note(origin: PeerId, back: Back, type: string, number: number): void;
  /** Null: it is not known, or was answered. */
  backOf(origin: PeerId, number: number): Back | null;
  /** How whoever calls was heard of last. */
  latest(origin: PeerId): Back;
  answered(origin: PeerId, number: number): void;
  /** What was said over this neighbour did not get to the caller. */
  undelivered(origin: PeerId, via: PeerId, type: string, number: number): void;
  /** A neighbour is gone, or takes messages again. */
  lost(via: PeerId): void;
  drained(via: PeerId): void;
  /** It is no member any more. */
  gone(origin: PeerId): void;
  stop(): void;
}

export const createCallers = (args: CallersArguments): RelayCallers => {
  const callers = new Map<PeerId, Caller>();

  const drop = (origin: PeerId): void => {
    if (callers.delete(origin)) args.closed(toldPeer(origin));
  };

  const cancel = (origin: PeerId, caller: Caller, number: number): void => {
    caller.calls.delete(number);
    args.cancel(toldPeer(origin), number);
  };

  const noteCall = ({ calls }: Caller, number: number, back: Back): void => {
    calls.set(number, back);
    if (calls.size > limits.callsMax) for (const oldest of calls.keys()) if (calls.delete(oldest)) return;
  };

  return {
    note(origin, back, type, number) {
      const caller = callers.get(origin) ?? { latest: back, calls: new Map<number, Back>() };
      caller.latest = back;
      callers.delete(origin);
      callers.set(origin, caller);
      if (type === callTypes.call) noteCall(caller, number, back);
      else if (type === callTypes.cancel) caller.calls.delete(number);
      if (callers.size > limits.callersMax) for (const oldest of callers.keys()) return drop(oldest);
    },
    backOf: (origin, number) => callers.get(origin)?.calls.get(number) ?? null,
    latest: (origin) => callers.get(origin)?.latest ?? [],
    answered: (origin, number) => void callers.get(origin)?.calls.delete(number),
    undelivered(origin, via, type, number) {
      const caller = callers.get(origin);
      // An answer is the end anyway.
      if (caller?.calls.get(number)?.[0] === via && type === callTypes.item) cancel(origin, caller, number);
    },
    lost(via) {
      for (const [origin, caller] of [...callers]) {
        const cut = [...caller.calls].filter(([, back]) => back[0] === via);
        // All of them: as when a caller is lost straight on.
        if (cut.length > 0 && cut.length === caller.calls.size) drop(origin);
        else for (const [number] of cut) cancel(origin, caller, number);
      }
    },
    drained(via) {
      for (const [origin, { latest, calls }] of [...callers])
        if (latest[0] === via || [...calls.values()].some((back) => back[0] === via)) args.drained(toldPeer(origin));
    },
    gone(origin) {
      if (!callers.has(origin)) return;
      drop(origin);
      args.gone(toldPeer(origin));
    },
    stop() {
      for (const origin of [...callers.keys()]) drop(origin);
    },
  };
};
