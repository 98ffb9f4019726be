// A statechart, as its author wrote it, and the state it is in, as rows of an indented tree. Chart and state in, rows out; what is no chart
// gives what can be read of it.

export type TreeRow = {
  depth: number;
  name: string;
  /** 'parallel', 'final', 'history', or '' for any other. */
  kind: string;
  isActive: boolean;
  /** It has states of its own. */
  isCompound: boolean;
  /** `event → target [guard]`, one for each arrow. */
  arrows: string[];
};

type Fields = Record<string, unknown>;

const fieldsOf = (value: unknown): Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};

const rowsMax = 2_000;
const depthMax = 64;

const nameOf = (value: unknown): string | null => {
  if (typeof value === 'string') return value;
  const { type } = fieldsOf(value);
  return typeof type === 'string' ? type : null;
};

const targetsOf = (target: unknown): string[] =>
  (Array.isArray(target) ? target : [target]).flatMap((one) => (typeof one === 'string' ? [one.replace(/^[.#]/, '')] : []));

const arrowOf = (event: string, arrow: unknown): string => {
  const { target, guard, actions } = fieldsOf(arrow);
  const targets = targetsOf(typeof arrow === 'string' ? arrow : target);
  const guarded = nameOf(guard);
  const does = (Array.isArray(actions) ? actions : [actions]).flatMap((action) => nameOf(action) ?? []);
  const to = targets.length > 0 ? ` → ${targets.join(' + ')}` : does.length > 0 ? ` / ${does.join(', ')}` : '';
  return `${event}${guarded === null ? '' : ` [${guarded}]`}${to}`;
};

const listOf = (value: unknown): unknown[] => (value === undefined ? [] : Array.isArray(value) ? value : [value]);

const arrowsOf = (node: Fields): string[] => {
  const on = Object.entries(fieldsOf(node.on)).flatMap(([event, arrows]) =>
    listOf(arrows).map((arrow) => arrowOf(event, arrow)),
  );
  const after = Object.entries(fieldsOf(node.after)).flatMap(([delay, arrows]) =>
    listOf(arrows).map((arrow) => arrowOf(`after ${/^\d+$/.test(delay) ? `${delay} ms` : delay}`, arrow)),
  );
  const always = listOf(node.always).map((arrow) => arrowOf('always', arrow));
  const done = listOf(node.onDone).map((arrow) => arrowOf('done', arrow));
  const invoked = listOf(node.invoke).flatMap((invoke) => {
    const { src, onDone, onError } = fieldsOf(invoke);
    const name = nameOf(src) ?? 'something';
    return [
      `runs ${name}`,
      ...listOf(onDone).map((arrow) => arrowOf(`${name} done`, arrow)),
      ...listOf(onError).map((arrow) => arrowOf(`${name} failed`, arrow)),
    ];
  });
  return [...on, ...after, ...always, ...done, ...invoked];
};

/** The state below: of `{ a: 'b' }` under `a` it is `'b'`; undefined: it is not in that state. */
const below = (value: unknown, name: string): unknown => {
  if (typeof value === 'string') return value === name ? {} : undefined;
  const fields = fieldsOf(value);
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
};

/** `value` null: the state is not known. `all`: states of states that are not active, too. */
export const chartTree = (chart: unknown, value: unknown, all: boolean): TreeRow[] => {
  const rows: TreeRow[] = [];
  const walk = (name: string, given: unknown, at: unknown, isActive: boolean, depth: number): void => {
    if (rows.length >= rowsMax || depth > depthMax) return;
    const node = fieldsOf(given);
    const states = Object.entries(fieldsOf(node.states));
    const kind = typeof node.type === 'string' && node.type !== 'atomic' && node.type !== 'compound' ? node.type : '';
    rows.push({ depth, name, kind, isActive, isCompound: states.length > 0, arrows: arrowsOf(node) });
    if (!isActive && !all) return;
    for (const [key, state] of states) {
      const inside = isActive ? below(at, key) : undefined;
      walk(key, state, inside, inside !== undefined, depth + 1);
    }
  };
  const root = fieldsOf(chart);
  walk(typeof root.id === 'string' ? root.id : 'chart', chart, value ?? {}, true, 0);
  return rows;
};

/** The states that it is in, each by its path: `role.leader disk.working`. */
export const stateText = (value: unknown): string => {
  if (value === null || value === undefined) return '-';
  const leaves = (at: unknown, path: string, depth: number): string[] => {
    if (typeof at === 'string') return [path === '' ? at : `${path}.${at}`];
    const inside = Object.entries(fieldsOf(at));
    if (inside.length === 0 || depth > depthMax) return path === '' ? [] : [path];
    return inside.flatMap(([name, next]) => leaves(next, path === '' ? name : `${path}.${name}`, depth + 1));
  };
  return leaves(value, '', 0).join(' ') || '-';
};
