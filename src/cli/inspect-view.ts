// What `polity inspect` shows of one actor: what it is, its chart as a tree, its context, its children, and what happens to it. Descriptions
// and events of the stream in, lines out; the terminal is somebody else's.
import type { InspectedEvent, ShownDescription } from '../client/inspection.ts';
import { chartTree, stateText, type TreeRow } from './chart-tree.ts';
import { contextText, fieldsOf, type Line, Story, type Style, textOf } from './inspect-story.ts';
import { cell } from './output.ts';

const linesKept = 500;
const childrenKept = 64;

type Entry = { line: Line; sameAs: string | null; count: number };
/** `chart` null: its logic is none. */
type Child = { src: string; state: string; value: unknown; chart: Record<string, unknown> | null };

export class ActorView {
  readonly #address: string;
  readonly #story: Story;
  readonly #children = new Map<string, Child>();
  readonly #log: Entry[] = [];
  #description: ShownDescription;
  #value: unknown;
  #context: unknown;
  /** Of its snapshot, or how it ended. */
  #status: string;
  #trouble: string | null = null;

  constructor(address: string, description: ShownDescription) {
    this.#address = address;
    this.#description = description;
    // One of the runtime's is named without its node, and told with it.
    this.#story = new Story(description.view.address);
    const { value, context, status } = description.snapshot;
    [this.#value, this.#context, this.#status] = [value, context, status];
    const { children, charts } = description;
    for (const { path, src, snapshot, chart } of children)
      this.#keepChild(path, src, snapshot, chart === null ? null : (charts[chart] ?? null));
  }

  /** What stands between it and the reader; null: nothing. */
  trouble(message: string | null): void {
    this.#trouble = message;
  }

  /** Counts and tokens as they are now. */
  refresh(description: ShownDescription): void {
    this.#description = description;
  }

  apply(event: InspectedEvent): void {
    this.#tell(event);
    const session = textOf(event.sessionId);
    const at = session.indexOf('#');
    if (at !== -1) return this.#applyChild(session.slice(at + 1), event);
    if (event.type !== '@xstate.actor' && event.type !== '@xstate.snapshot') return;
    const { value, context, status } = fieldsOf(event.snapshot);
    const reason = textOf(fieldsOf(event.polity).reason);
    this.#status = reason || textOf(status) || 'active';
    if (reason !== '') return;
    if (event.type === '@xstate.actor') this.#children.clear();
    this.#value = value;
    this.#context = context;
  }

  #tell(event: InspectedEvent): void {
    const told = this.#story.tell(event);
    if (told === null) return;
    const last = this.#log.at(-1);
    const isSame = told.sameAs !== null && last?.sameAs === told.sameAs;
    if (isSame) this.#log.pop();
    this.#log.push({ ...told, count: isSame ? last!.count + 1 : 1 });
    if (this.#log.length > linesKept) this.#log.shift();
  }

  #keepChild(path: string, src: string, snapshot: unknown, chart: Child['chart']): void {
    const { value, status } = fieldsOf(snapshot);
    if (this.#children.size < childrenKept || this.#children.has(path))
      this.#children.set(path, { src, value, chart, state: value === undefined ? textOf(status) : stateText(value) });
  }

  #applyChild(path: string, event: InspectedEvent): void {
    if (event.type === '@xstate.actor')
      return this.#keepChild(path, textOf(event.name), event.snapshot, chartIn(event.definition));
    if (event.type !== '@xstate.snapshot') return;
    if (textOf(fieldsOf(event.polity).reason) !== '') this.#children.delete(path);
    else {
      const { src = '', chart = null } = this.#children.get(path) ?? {};
      this.#keepChild(path, src, event.snapshot, chart);
    }
  }

  // ---------------------------------------------------------------- lines

  /** No more than there are rows. */
  lines(columns: number, rows: number): Line[] {
    const head = [
      ...this.#headLines(),
      ...this.#contextLines(columns, rows < 16 ? 1 : 4),
      ...this.#childLines(rows < 24 ? 2 : 6),
    ];
    const foot: Line = [['q or Ctrl-C ends', 'dim']];
    // Two empty lines and the last one.
    const left = rows - head.length - 3;
    const treeRows = Math.max(1, Math.floor(left * 0.6));
    const own = this.#treeLines(treeRows);
    const tree = [...own, ...this.#childTreeLines(treeRows - own.length)];
    const logRows = left - tree.length;
    const log = logRows > 0 ? this.#log.slice(-logRows).map(withCount) : [];
    return [...head, [], ...tree, [], ...log, foot].slice(0, Math.max(1, rows));
  }

  #headLines(): Line[] {
    const { node, state, durability, version, handled, waiting, restarts, token, reason } = this.#description.view;
    const isWell = this.#status === 'active';
    const facts = [
      ...[`at ${node}`, durability, `version ${version}`, `handled ${handled}`, `waiting ${waiting}`],
      ...(restarts === 0 ? [] : [`restarts ${restarts}`]),
      ...(token === null ? [] : [`token ${token}`]),
    ];
    const first: Line = [
      [cell(this.#address, 300), 'bold'],
      ['  ', 'none'],
      [isWell ? state : cell(this.#status, 40), isWell && state === 'running' ? 'active' : 'bad'],
      [`  ${facts.join(' · ')}`, 'dim'],
    ];
    const trouble = this.#trouble ?? (reason === null ? null : `last failure: ${reason}`);
    return trouble === null ? [first] : [first, [[cell(trouble, 200), 'bad']]];
  }

  #contextLines(columns: number, rowsMax: number): Line[] {
    const lines: string[] = [];
    let line = '';
    for (const word of contextText(this.#context).split('  ')) {
      if (line !== '' && line.length + word.length + 9 > columns) {
        lines.push(line);
        line = '';
      }
      line += `${word}  `;
    }
    lines.push(line);
    const shown = lines.slice(0, rowsMax);
    if (lines.length > rowsMax) shown[rowsMax - 1] = `${shown[rowsMax - 1]!.trimEnd().slice(0, columns - 11)} …`;
    return shown.map(
      (text, at): Line => [
        [at === 0 ? 'context  ' : '         ', 'dim'],
        [text.trimEnd(), 'none'],
      ],
    );
  }

  #childLines(rowsMax: number): Line[] {
    const lines = [...this.#children].slice(0, rowsMax).map(
      ([path, { src, state }]): Line => [
        ['child    ', 'dim'],
        [`${cell(path, 60)} `, 'none'],
        [`(${cell(src, 40)}) `, 'dim'],
        [cell(state, 100), 'none'],
      ],
    );
    const more = this.#children.size - lines.length;
    return more === 0 ? lines : [...lines, [[`         … ${more} more`, 'dim']]];
  }

  /** Each under the ids that lead to it, as far as there is room for the states that it is in. */
  #childTreeLines(rowsMax: number): Line[] {
    const lines: Line[] = [];
    for (const [path, { src, value, chart }] of this.#children) {
      if (chart === null || value === undefined) continue;
      const all = chartTree(chart, value, true);
      const left = rowsMax - lines.length - 1;
      const rows = all.length <= left ? all : all.filter(({ isActive }) => isActive);
      if (rows.length > left) break;
      const head: Line = [
        ['child    ', 'dim'],
        [`${cell(path, 60)} `, 'none'],
        [`(${cell(src, 40)})`, 'dim'],
      ];
      lines.push(head, ...rows.map(treeLine));
    }
    return lines;
  }

  /** All of the chart, or as much of it as there is room for: rather what is active. */
  #treeLines(rowsMax: number): Line[] {
    const { definition } = this.#description;
    if (definition === null) return [[['its logic is no chart: its state is its context', 'dim']]];
    const all = chartTree(definition, this.#value, true);
    const near = all.length <= rowsMax ? all : chartTree(definition, this.#value, false);
    const rows = near.length <= rowsMax ? near : near.filter(({ isActive }) => isActive);
    if (rows.length <= rowsMax && rows.length === all.length) return rows.map(treeLine);
    const shown = rows.slice(0, Math.max(1, rowsMax - 1));
    return [...shown.map(treeLine), [[`… ${all.length - shown.length} more states`, 'dim']]];
  }
}

/** As the stream tells it: a chart as JSON. */
const chartIn = (definition: unknown): Record<string, unknown> | null => {
  if (typeof definition !== 'string') return null;
  try {
    return fieldsOf(JSON.parse(definition));
  } catch {
    return null;
  }
};

const withCount = ({ line, count }: Entry): Line =>
  count === 1 ? line : [...line.slice(0, 5), [` ×${count}`, 'bold'], ...line.slice(5)];

const treeLine = ({ depth, name, kind, isActive, arrows }: TreeRow): Line => {
  const style: Style = isActive ? 'active' : 'dim';
  const mark = depth === 0 ? '' : isActive ? '● ' : '○ ';
  const below = arrows.length === 0 ? '' : `   ${arrows.map((arrow) => cell(arrow, 80)).join(', ')}`;
  return [
    [`${'  '.repeat(Math.max(0, depth - 1))}${mark}${cell(name, 60)}`, style],
    [kind === '' ? '' : ` (${kind})`, 'dim'],
    [below, isActive ? 'none' : 'dim'],
  ];
};
