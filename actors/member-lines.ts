// What becomes of members, in the log and in a counter. The counter has every change; the log has a line for each, unless a member
// goes to and fro or hundreds go at once: of one member a line a second, which says how many changes it stands for, and of all
// together so many that somebody can read them.
import { type Change, membershipLimits } from '../machines/membership/index.ts';
import type { PeerId, SinkPort, Timer } from './ports/index.ts';

export const lineEveryMs = 1_000;
/** Lines of all members in one such time. */
export const linesMax = 50;

type Untold = { before: Change['before']; last: Change; changes: number };

/** Members of whom a line was written lately; null: nothing has happened since. */
type Told = Map<PeerId, Untold | null>;

export const createMemberLines = (ports: { sink: SinkPort; after: (ms: number, run: () => void) => Timer }) => {
  const { sink, after } = ports;
  let told: Told = new Map();
  let lines = 0;
  let isWaiting = false;

  const write = ({ before, last, changes }: Untold): void => {
    lines++;
    const { peer, after: now, why } = last;
    const more = changes === 1 ? '' : `; ${changes} changes`;
    const facts = changes === 1 ? { peer } : { peer, changes };
    sink.log('info', 'MEMBER_CHANGED', `${peer} is ${now ?? 'forgotten'}, was ${before ?? 'unknown'} (${why}${more})`, facts);
  };

  /** Of many at once only how many became what. */
  const summarize = (rest: readonly Untold[]): void => {
    const became: Record<string, number> = {};
    for (const { last } of rest) became[last.after ?? 'forgotten'] = (became[last.after ?? 'forgotten'] ?? 0) + 1;
    const words = Object.entries(became).map(([status, count]) => `${count} ${status}`);
    sink.log('info', 'MEMBERS_CHANGED', `${rest.length} more members changed: ${words.join(', ')}`, became);
  };

  const flush = (): void => {
    isWaiting = false;
    lines = 0;
    const untold = [...told.values()].filter((one) => one !== null);
    told = new Map();
    if (untold.length === 0) return;
    for (const one of untold.slice(0, linesMax)) {
      told.set(one.last.peer, null);
      write(one);
    }
    if (untold.length > linesMax) summarize(untold.slice(linesMax));
    wait();
  };

  const wait = (): void => {
    if (isWaiting) return;
    isWaiting = true;
    after(lineEveryMs, flush);
  };

  return (change: Change): void => {
    const { peer, before, after: now } = change;
    if (before === now) return;
    sink.count('member_changes_total', { status: now ?? 'forgotten' });
    const known = told.get(peer);
    // More than a node remembers changed within a second: nobody reads of them one by one.
    if (known === undefined && told.size >= membershipLimits.membersMax) return;
    if (known === undefined && lines < linesMax) {
      told.set(peer, null);
      write({ before, last: change, changes: 1 });
    } else told.set(peer, { before: known?.before ?? before, last: change, changes: (known?.changes ?? 0) + 1 });
    wait();
  };
};
