// What is not taken, from members and from strangers: each is counted, and logged with who it was, but whoever sends nonsense or knocks
// with the wrong secret all day does not fill the log: one line of each in a while, which says how many were not told.
import type { ClockPort, NetworkEvent, PeerId, SinkPort } from './ports/index.ts';

export const refusalLogEveryMs = 10_000;
const rememberedMax = 1_024;

export type Refuse = (peer: PeerId, code: string, message: string, facts?: Record<string, unknown>) => void;

/** Facts for a line about this, or null: there was one lately. */
export const createSeldom = (clock: ClockPort): ((of: string) => { untold?: number } | null) => {
  /** The one told longest ago first. */
  const told = new Map<string, { atMs: number; untold: number }>();
  return (of) => {
    const before = told.get(of);
    const nowMs = clock.nowMs();
    if (before !== undefined && nowMs - before.atMs < refusalLogEveryMs) {
      before.untold++;
      return null;
    }
    told.delete(of);
    const [oldest] = told.keys();
    if (oldest !== undefined && told.size >= rememberedMax) told.delete(oldest);
    told.set(of, { atMs: nowMs, untold: 0 });
    return before === undefined || before.untold === 0 ? {} : { untold: before.untold };
  };
};

/** Messages of members. */
export const createRefusals = (ports: {
  clock: ClockPort;
  sink: SinkPort;
  /** The node's name, for the log; null while it is not known. */
  nameOf: (peer: PeerId) => string | null;
}): Refuse => {
  const { clock, sink, nameOf } = ports;
  const seldom = createSeldom(clock);
  return (peer, code, message, facts = {}) => {
    sink.count('messages_refused_total', { code });
    const untold = seldom(`${peer} ${code}`);
    if (untold !== null) sink.log('warn', code, message, { peer, name: nameOf(peer), ...facts, ...untold });
  };
};

/** The host of a multiaddr: a stranger has a new port each time, and as many peer ids as he likes. */
const hostOf = (address: string): string => address.split('/').slice(0, 3).join('/');

/** Who was not let in, or did not let this node in. */
export const createStrangers = (ports: {
  clock: ClockPort;
  sink: SinkPort;
}): ((event: Extract<NetworkEvent, { type: 'refused' }>) => void) => {
  const { clock, sink } = ports;
  const seldom = createSeldom(clock);
  return ({ code, message, peer, address }) => {
    sink.count('refused_total', { code });
    const untold = seldom(`${address === null ? peer : hostOf(address)} ${code}`);
    if (untold !== null) sink.log('warn', code, message, { peer, address, ...untold });
  };
};
