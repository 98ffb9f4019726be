// The last moments as a message diagram (Lamport 1978): nodes side by side, time downwards, one row for each thing that happened, so
// that what came before what is seen and not how long it took.
import type { Role } from '../../machines/raft/types.ts';
import type { Seen } from '../chronicle.ts';
import type { ReportData } from './data.ts';
import { type DiagramRow, isRoutine, lastRows } from './diagram.ts';
import { escaped, tag, title } from './markup.ts';

const rowPx = 22;
const timePx = 92;
/** A column holds the name of a message; few columns share what a screen has. */
const columnPxMin = 190;
const columnPxMax = 400;
const screenPx = 1_240;
const headPx = 30;
const topPx = 10;
const rowsShownMax = 120;

type Standing = Role | 'down' | 'up';

const kindOf = (seen: Seen): string => {
  const { kind } = seen.spoken;
  if (seen.lost !== null) return 'lost';
  if (isRoutine(seen)) return 'routine';
  if (/vote|time-out-now/.test(kind)) return 'election';
  if (/append|snapshot/.test(kind)) return kind.endsWith('reply') ? 'reply' : 'append';
  return 'other';
};

const tipOf = (seen: Seen): string => {
  const { from, to, way, bytes, spoken, sentMs, endedMs, lost } = seen;
  const end =
    lost !== null
      ? `lost at ${endedMs?.toFixed(3)} ms: ${lost}`
      : endedMs === null
        ? 'still under way'
        : `received ${endedMs.toFixed(3)} ms, after ${(endedMs - sentMs).toFixed(3)} ms`;
  return `${spoken.text}\n${from} to ${to}, ${way}, ${bytes} bytes\nsent ${sentMs.toFixed(3)} ms\n${end}`;
};

type Drawn = { readonly arrow: string; readonly label: string };

type Place = { x(node: string): number; y(row: number): number; rows: number };

const message = (seen: Seen, sentRow: number | null, endRow: number | null, { x, y, rows }: Place): Drawn => {
  const [fromX, toX] = [x(seen.from), x(seen.to)];
  // What was sent before the first row comes in from above; what is under way leaves below.
  const fromY = sentRow === null ? topPx : y(sentRow);
  const toY = endRow === null ? y(rows) : y(endRow);
  const towards = toX > fromX ? 1 : -1;
  const kind = kindOf(seen);
  const open = sentRow === null || endRow === null ? ' open' : '';
  const line = { x1: fromX, y1: fromY, x2: toX - 3 * towards, y2: toY };
  const end =
    endRow === null
      ? ''
      : seen.lost !== null
        ? tag('text', { x: toX, y: toY + 5, class: 'cross' }, '✕')
        : tag('path', { d: `M${toX} ${toY}l${-9 * towards} -4.5v9z` });
  // The name stands where it was sent, beside the dot, or where it arrives if that is all that is seen.
  const labelY = sentRow === null ? toY : fromY;
  const labelX = sentRow === null ? toX - 14 * towards : fromX + 8 * towards;
  const label = { x: labelX, y: labelY - 5, 'text-anchor': (sentRow === null) === towards > 0 ? 'end' : 'start' };
  const name = `message ${kind}${open}`;
  const dot = sentRow === null ? '' : tag('circle', { cx: fromX, cy: fromY, r: 3 });
  const shapes = tag('line', { ...line, class: 'grip' }) + tag('line', line) + dot + end;
  return {
    arrow: tag('g', { class: name }, title(tipOf(seen)) + shapes),
    label: tag('g', { class: name }, title(tipOf(seen)) + tag('text', label, escaped(seen.spoken.text))),
  };
};

/** What a node is when the rows begin. */
const standingAt = ({ chronicle }: ReportData, node: string, ms: number): Standing => {
  const holds = (span: { node: string; fromMs: number; untilMs: number | null }): boolean =>
    span.node === node && span.fromMs < ms && (span.untilMs ?? Number.POSITIVE_INFINITY) >= ms;
  const role = chronicle.roles.find((span) => span.group === 'kv' && holds(span));
  if (role !== undefined) return role.role;
  return chronicle.lives.some(holds) ? 'up' : 'down';
};

/** A node's line of life, coloured by what it is. */
const lifeline = (data: ReportData, node: string, rows: readonly DiagramRow[], { x, y }: Place): string => {
  let standing = standingAt(data, node, rows[0]!.atMs);
  let fromY = topPx;
  let markup = '';
  const until = (untilY: number): void => {
    markup += tag('line', { x1: x(node), x2: x(node), y1: fromY, y2: untilY, class: `life ${standing}` });
    fromY = untilY;
  };
  rows.forEach((row, at) => {
    if (row.type !== 'moment' || row.moment.node !== node) return;
    const { kind, text } = row.moment;
    const next: Standing | null =
      kind === 'start' ? 'up' : kind === 'end' ? 'down' : kind === 'role' ? (text.split(' ')[0] as Role) : null;
    if (next === null) return;
    until(y(at));
    standing = next;
  });
  until(y(rows.length));
  return markup;
};

export const sequence = (data: ReportData): string => {
  const { nodes, chronicle } = data;
  const rows = lastRows(chronicle, rowsShownMax, true);
  if (rows.length === 0) return tag('p', { class: 'quiet' }, 'Nothing was sent.');
  const columnPx = Math.max(columnPxMin, Math.min(columnPxMax, (screenPx - timePx) / nodes.length));
  const place: Place = {
    x: (node) => timePx + columnPx * (0.5 + Math.max(0, nodes.indexOf(node))),
    y: (row) => topPx + rowPx * (row + 0.7),
    rows: rows.length,
  };
  const ends = new Map<number, number>();
  const sents = new Map<number, number>();
  rows.forEach((row, at) => {
    if (row.type === 'sent') sents.set(row.seen.message, at);
    if (row.type === 'ended') ends.set(row.seen.message, at);
  });
  let marks = '';
  let arrows = '';
  let labels = '';
  const draw = ({ arrow, label }: Drawn): void => {
    arrows += arrow;
    labels += label;
  };
  rows.forEach((row, at) => {
    const y = place.y(at);
    marks += tag('text', { x: timePx - 12, y: y + 4, class: 'time' }, row.atMs.toFixed(3));
    if (row.type === 'moment') {
      const { node, kind, text } = row.moment;
      const x = place.x(node);
      const shape = kind === 'end' ? tag('text', { x, y: y + 5, class: 'cross' }, '✕') : tag('circle', { cx: x, cy: y, r: 4 });
      marks += tag('g', { class: `moment ${kind}` }, shape + tag('text', { x: x + 9, y: y + 4 }, escaped(text)));
    } else if (row.type === 'sent') draw(message(row.seen, at, ends.get(row.seen.message) ?? null, place));
    else if (!sents.has(row.seen.message)) draw(message(row.seen, null, at, place));
  });
  const lives = nodes.map((node) => lifeline(data, node, rows, place)).join('');
  const heads = nodes.map((node) => tag('text', { x: place.x(node), y: 20, class: 'head' }, escaped(node))).join('');
  const [width, height] = [timePx + columnPx * nodes.length + 40, topPx + rowPx * (rows.length + 1)];
  const drawing = tag('svg', { class: 'sequence', width, height }, lives + arrows + labels + marks);
  const names = tag('svg', { class: 'sequence heads', width, height: headPx }, heads);
  return tag('div', { class: 'scroll tall', id: 'sequence' }, names + drawing);
};
