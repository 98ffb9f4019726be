// Members' messages that are not taken: each is counted, and logged with the name of the peer, but a peer that sends nonsense all
// day does not fill the log: one line for each peer and code in a while, which says how many were not told.
import type { ClockPort, PeerId, SinkPort } from './ports/index.ts';

export const refusalLogEveryMs = 10_000;
const rememberedMax = 1_024;

export type Refuse = (peer: PeerId, code: string, message: string, facts?: Record<string, unknown>) => void;

export const createRefusals = (ports: {
  clock: ClockPort;
  sink: SinkPort;
  /** The node's name, for the log; null while it is not known. */
  nameOf: (peer: PeerId) => string | null;
}): Refuse => {
  const { clock, sink, nameOf } = ports;
  /** By peer and code, the one told longest ago first. */
  const told = new Map<string, { atMs: number; untold: number }>();

  return (peer, code, message, facts = {}) => {
    sink.count('messages_refused_total', { code });
    const of = `${peer} ${code}`;
    const before = told.get(of);
    const nowMs = clock.nowMs();
    if (before !== undefined && nowMs - before.atMs < refusalLogEveryMs) {
      before.untold++;
      return;
    }
    told.delete(of);
    const [oldest] = told.keys();
    if (oldest !== undefined && told.size >= rememberedMax) told.delete(oldest);
    told.set(of, { atMs: nowMs, untold: 0 });
    const untold = before === undefined || before.untold === 0 ? {} : { untold: before.untold };
    sink.log('warn', code, message, { peer, name: nameOf(peer), ...facts, ...untold });
  };
};
