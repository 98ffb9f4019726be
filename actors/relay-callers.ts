// Who calls this node or speaks to its actors over others, and the way back of each call: the one that it came. Two calls of the same node
// may have come over different neighbours, and each is answered over its own, for the caller takes no answer from anybody else.
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
  cut: (peer: PeerId, number: number) => void;
};

export interface RelayCallers {
  /** Something came that begins a call, ends it, or belongs to it. */
  note(origin: PeerId, back: Back, number: number, call: { begins: boolean; ends: boolean }): void;
  /** Null: it is not known, or was answered. */
  backOf(origin: PeerId, number: number): Back | null;
  /** How whoever calls was heard of last. */
  latest(origin: PeerId): Back;
  answered(origin: PeerId, number: number): void;
  /** What was said of this call over this neighbour did not get to the caller. */
  undelivered(origin: PeerId, via: PeerId, number: number): void;
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

  const cut = (origin: PeerId, caller: Caller, number: number): void => {
    caller.calls.delete(number);
    args.cut(toldPeer(origin), number);
  };

  const noteCall = ({ calls }: Caller, number: number, back: Back): void => {
    calls.set(number, back);
    if (calls.size > limits.callsMax) for (const oldest of calls.keys()) if (calls.delete(oldest)) return;
  };

  return {
    note(origin, back, number, { begins, ends }) {
      const caller = callers.get(origin) ?? { latest: back, calls: new Map<number, Back>() };
      caller.latest = back;
      callers.delete(origin);
      callers.set(origin, caller);
      if (begins) noteCall(caller, number, back);
      else if (ends) caller.calls.delete(number);
      if (callers.size > limits.callersMax) for (const oldest of callers.keys()) return drop(oldest);
    },
    backOf: (origin, number) => callers.get(origin)?.calls.get(number) ?? null,
    latest: (origin) => callers.get(origin)?.latest ?? [],
    answered: (origin, number) => void callers.get(origin)?.calls.delete(number),
    undelivered(origin, via, number) {
      const caller = callers.get(origin);
      if (caller?.calls.get(number)?.[0] === via) cut(origin, caller, number);
    },
    lost(via) {
      for (const [origin, caller] of [...callers]) {
        const lost = [...caller.calls].filter(([, back]) => back[0] === via);
        // All of them: as when a caller is lost straight on.
        if (lost.length > 0 && lost.length === caller.calls.size) drop(origin);
        else for (const [number] of lost) cut(origin, caller, number);
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
