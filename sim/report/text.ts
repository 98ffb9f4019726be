// A failure in the terminal: who was what in which term, the faults, and the last messages, as wide as the terminal is.
import type { Role } from '../../machines/raft/types.ts';
import type { Life, RoleSpan } from '../chronicle.ts';
import type { ReportData } from './data.ts';
import { secondsText } from './data.ts';
import { type DiagramRow, lastRows } from './diagram.ts';

export type TextOptions = {
  /** Of the terminal. */
  readonly columns: number;
  /** Messages and moments shown at the end. */
  readonly rowsMax?: number;
};

const columnsMin = 60;
const columnsMax = 200;
const labelColumns = 24;
const faultsShownMax = 12;
const rowsMaxDefault = 30;

/** Control characters would move the cursor; what a run says must not. */
export const visible = (text: string): string =>
  [...text].map((character) => (/[\p{Cc}\p{Cf}\u2028\u2029]/u.test(character) ? '\ufffd' : character)).join('');

const fit = (text: string, columns: number): string => {
  const characters = [...visible(text)];
  if (characters.length <= columns) return characters.join('') + ' '.repeat(columns - characters.length);
  return `${characters.slice(0, Math.max(0, columns - 1)).join('')}…`;
};

const roleMarks: Record<Role, string> = { leader: '█', candidate: '▒', 'pre-candidate': '░', follower: '─' };
const roleOrder: readonly Role[] = ['leader', 'candidate', 'pre-candidate', 'follower'];

type Scale = { readonly width: number; readonly perColumnMs: number };

const overlaps = (span: { fromMs: number; untilMs: number | null }, fromMs: number, untilMs: number): boolean =>
  span.fromMs < untilMs && (span.untilMs ?? Number.POSITIVE_INFINITY) > fromMs;

/** One character for each slice of time: the most that the node was in it. */
const roleLine = (roles: readonly RoleSpan[], lives: readonly Life[], { width, perColumnMs }: Scale): string =>
  Array.from({ length: width }, (_, column) => {
    const [fromMs, untilMs] = [column * perColumnMs, (column + 1) * perColumnMs];
    const was = roles.filter((span) => overlaps(span, fromMs, untilMs)).map(({ role }) => role);
    const most = roleOrder.find((role) => was.includes(role));
    if (most !== undefined) return roleMarks[most];
    return lives.some((life) => overlaps(life, fromMs, untilMs)) ? '┄' : ' ';
  }).join('');

/** Terms, where somebody begins to lead. */
const termLine = (roles: readonly RoleSpan[], { width, perColumnMs }: Scale): string => {
  let line = '';
  for (const { term, fromMs } of roles.filter(({ role }) => role === 'leader')) {
    const column = Math.floor(fromMs / perColumnMs);
    const label = `t${term}`;
    if (column < line.length + (line === '' ? 0 : 1) || column + label.length > width) continue;
    line = line.padEnd(column) + label;
  }
  return line;
};

const barLine = (fromMs: number, untilMs: number | null, { width, perColumnMs }: Scale): string => {
  const from = Math.min(width - 1, Math.floor(fromMs / perColumnMs));
  if (untilMs === null) return `${' '.repeat(from)}▏`;
  const columns = Math.max(1, Math.ceil(untilMs / perColumnMs) - from);
  return ' '.repeat(from) + '▄'.repeat(Math.min(columns, width - from));
};

const timeline = ({ nodes, chronicle, result, part }: ReportData, columns: number): string[] => {
  const width = columns - labelColumns;
  const scale: Scale = { width, perColumnMs: Math.max(chronicle.endMs, 1) / width };
  const ofKv = chronicle.roles.filter(({ group }) => group === 'kv');
  const faults = result.faults.slice(-faultsShownMax);
  const earlier = result.faults.length - faults.length;
  const rows = nodes.map((node) => {
    const roles = ofKv.filter((span) => span.node === node);
    const lives = chronicle.lives.filter((life) => life.node === node);
    return fit(node, labelColumns) + roleLine(roles, lives, scale);
  });
  const focus = Math.min(width - 1, Math.floor(chronicle.focusMs / scale.perColumnMs));
  return [
    fit('terms', labelColumns) + termLine(ofKv, scale),
    ...rows,
    ...(earlier > 0 ? [`… ${earlier} earlier faults`] : []),
    ...faults.map(
      ({ number, fault, where, atMs, untilMs }) =>
        `${fit(`${number} ${fault} ${where}`, labelColumns - 1)} ${barLine(atMs, untilMs, scale)}`,
    ),
    `${' '.repeat(labelColumns + focus)}▲`,
    fit(`0 to ${secondsText(chronicle.endMs)}`, labelColumns) +
      fit(`${part === null ? 'the failure' : 'what clients saw'}: ${secondsText(chronicle.focusMs)}`, 40).trimEnd(),
    '█ leads  ▒ candidate  ░ asks first  ─ follows  ┄ starts',
  ].map((line) => line.trimEnd());
};

/** One row: lines of life with an arrow between two, or a mark on one, and what it is. */
const diagramLine = (row: DiagramRow, nodes: readonly string[], step: number, columns: number): string => {
  const cells = Array.from({ length: step * nodes.length }, (_, at): string => (at % step === 0 ? '│' : ' '));
  const placeOf = (node: string): number => Math.max(0, nodes.indexOf(node)) * step;
  let text: string;
  if (row.type === 'moment') {
    const { moment } = row;
    cells[placeOf(moment.node)] = moment.kind === 'end' ? '✕' : '◆';
    text = `${moment.node} ${moment.text}`;
  } else {
    const { seen } = row;
    const [from, to] = [placeOf(seen.from), placeOf(seen.to)];
    const [left, right] = from < to ? [from, to] : [to, from];
    for (let at = left + 1; at < right; at++) cells[at] = row.type === 'sent' ? '┄' : '─';
    cells[from] = '●';
    cells[to] = seen.lost !== null ? '✕' : from < to ? '▶' : '◀';
    const tookMs = row.atMs - seen.sentMs;
    const note =
      row.type === 'sent' ? ' (under way)' : seen.lost !== null ? ` (lost: ${seen.lost})` : ` (${tookMs.toFixed(2)} ms)`;
    text = seen.spoken.text + note;
  }
  const line = `${row.atMs.toFixed(3).padStart(10)}  ${cells.join('')} `;
  return line + fit(text, Math.max(10, columns - [...line].length)).trimEnd();
};

const diagram = ({ nodes, chronicle }: ReportData, columns: number, rowsMax: number): string[] => {
  const rows = lastRows(chronicle, rowsMax, false);
  if (rows.length === 0) return ['nothing was sent'];
  const step = Math.max(4, Math.min(12, Math.floor((columns - 50) / nodes.length)));
  const head = `${'ms'.padStart(10)}  ${nodes.map((node) => fit(node, step)).join('')}`.trimEnd();
  return [head, ...rows.map((row) => diagramLine(row, nodes, step, columns))];
};

/** Lines without their ends. */
export const textReport = (data: ReportData, { columns, rowsMax = rowsMaxDefault }: TextOptions): string[] => {
  const width = Math.max(columnsMin, Math.min(columnsMax, columns));
  return ['', ...timeline(data, width), '', ...diagram(data, width, rowsMax)];
};
