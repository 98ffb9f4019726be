// The last moments before a failure as rows in order of happening: messages between nodes, and what happened on one. Text and HTML
// draw the same rows.
import type { Chronicle, Moment, Seen } from '../chronicle.ts';

export type DiagramRow =
  | { readonly type: 'sent'; readonly atMs: number; readonly place: number; readonly seen: Seen }
  | { readonly type: 'ended'; readonly atMs: number; readonly place: number; readonly seen: Seen }
  | { readonly type: 'moment'; readonly atMs: number; readonly place: number; readonly moment: Moment };

/** Messages by which nodes only tell each other that they are there. */
export const isRoutine = ({ spoken }: Seen): boolean =>
  spoken.kind === 'beat' || spoken.kind === 'heartbeat' || spoken.kind === 'heartbeat-reply';

/** Of the rows shown, at least this share is for what is no routine, if there is so much of it. */
const routineShare = 0.25;

/** The last `rowsMax` rows; routine is left out first. */
export const lastRows = ({ messages, moments }: Chronicle, rowsMax: number, withSending: boolean): DiagramRow[] => {
  const news: DiagramRow[] = moments.map((moment) => ({ type: 'moment', atMs: moment.atMs, place: moment.place, moment }));
  const routine: DiagramRow[] = [];
  for (const seen of messages) {
    if (seen.spoken.kind === 'beat') continue;
    const rows = isRoutine(seen) ? routine : news;
    const { sentMs, sentPlace, endedMs, endedPlace } = seen;
    if (withSending || endedPlace === null) rows.push({ type: 'sent', atMs: sentMs, place: sentPlace, seen });
    if (endedMs !== null && endedPlace !== null) rows.push({ type: 'ended', atMs: endedMs, place: endedPlace, seen });
  }
  const byPlace = (a: DiagramRow, b: DiagramRow): number => a.place - b.place;
  news.sort(byPlace);
  routine.sort(byPlace);
  const shown = news.slice(-Math.max(1, Math.ceil(rowsMax * (1 - routineShare))));
  // Routine that is older than the news shown says nothing about them.
  const since = shown[0]?.place ?? 0;
  const rest = routine.filter(({ place }) => place > since).slice(-Math.max(0, rowsMax - shown.length));
  return [...shown, ...rest].sort(byPlace);
};
