// One thing to look at: an actor that users wrote, or one of the runtime's own. Who looks on need not know which.
import { type ActorAddress, addressText } from '../machines/entity/address.ts';
import type { ActorView, LiveActor, Seen } from './actor-api.ts';
import { inspectLimits, type ListedActor, type ShownChild, type ShownSnapshot } from './inspect-api.ts';
import { type Chart, chartOfDefinition, childChartOf, type NamedChart } from './inspect-chart.ts';
import { type ShownBudget, shown, shownLimits, wellFormed } from './inspect-shown.ts';

export type SubjectChild = {
  readonly path: string;
  readonly src: string;
  readonly snapshot: unknown;
  /** Null: it has none. */
  readonly chart: NamedChart | null;
};

export interface Subject {
  readonly address: ActorAddress;
  /** What tells one life of it from another. */
  readonly life: object;
  /** The same for all that have the same chart; null: it has none. */
  readonly chartName: string | null;
  readonly redact: readonly string[];
  chart(): Chart | null;
  view(): ActorView;
  /** As XState has it. */
  snapshot(): unknown;
  children(): SubjectChild[];
  tap(on: (seen: Seen) => void): () => void;
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

type ChildRef = { readonly src?: unknown; readonly logic?: unknown; readonly getSnapshot?: () => unknown };

/** Children of children, too; what a snapshot's author keeps under that name otherwise is none. */
const childrenOf = (snapshot: unknown, path: string, redact: readonly string[], into: SubjectChild[]): SubjectChild[] => {
  const children = isObject(snapshot) ? (snapshot as { children?: unknown }).children : undefined;
  if (!isObject(children)) return into;
  for (const [id, ref] of Object.entries(children) as [string, ChildRef | undefined][]) {
    if (into.length >= inspectLimits.childrenMax) break;
    if (typeof ref?.getSnapshot !== 'function') continue;
    const at = path === '' ? id : `${path}/${id}`;
    const own = ref.getSnapshot();
    const chart = childChartOf(isObject(ref.logic) ? ref.logic : null, redact);
    into.push({ path: at, src: typeof ref.src === 'string' ? ref.src : 'inline', snapshot: own, chart });
    childrenOf(own, at, redact, into);
  }
  return into;
};

export const subjectOf = (actor: LiveActor): Subject => {
  const { address, definition } = actor;
  const chart = () => chartOfDefinition(definition);
  return {
    ...{ address, life: actor, redact: definition.redact, chart },
    chartName: chart() === null ? null : `${definition.name} ${definition.version}`,
    view: () => actor.view(),
    snapshot: () => actor.snapshot(),
    children: () => childrenOf(actor.snapshot(), '', definition.redact, []),
    tap: (on) => actor.tap(on),
  };
};

const field = (value: object, name: string): unknown => (value as Record<string, unknown>)[name];

/** A state's value is names alone. */
const noNames: ReadonlySet<string> = new Set();

export const budgetOf = (share = 1): ShownBudget => ({
  nodes: shownLimits.nodesMax / share,
  chars: shownLimits.charsMax / share,
});

export const shownSnapshot = (
  snapshot: unknown,
  redact: ReadonlySet<string>,
  budget: ShownBudget = budgetOf(),
): ShownSnapshot => {
  if (!isObject(snapshot)) return { status: 'active', context: shown(snapshot, redact, budget) };
  const status = field(snapshot, 'status');
  const rest: Record<string, unknown> = {};
  const value = field(snapshot, 'value');
  if (value !== undefined) rest.value = stateOf(value, budget) ?? shown(value, redact, budget);
  for (const name of ['context', 'output', 'error']) {
    const part = field(snapshot, name);
    if (part !== undefined) rest[name] = shown(part, redact, budget);
  }
  return { status: typeof status === 'string' ? status : 'active', ...rest };
};

/** A state's value as XState has it: names of states, which hide nothing whatever they are; null: it is none. */
const stateOf = (value: unknown, budget: ShownBudget, depth = 0): unknown => {
  if (--budget.nodes < 0 || depth > shownLimits.depthMax) return '…';
  if (typeof value === 'string') return wellFormed(value.slice(0, shownLimits.nameCharsMax));
  if (!isObject(value) || Array.isArray(value)) return null;
  const states: Record<string, unknown> = {};
  for (const [name, below] of Object.entries(value)) {
    const made = stateOf(below, budget, depth + 1);
    if (made === null) return null;
    if (name !== '__proto__') states[wellFormed(name.slice(0, shownLimits.nameCharsMax))] = made;
  }
  return states;
};

/** Null: it is not in the state of a chart. */
export const chartValueOf = (subject: Subject): unknown => {
  const snapshot = subject.chartName === null ? null : subject.snapshot();
  const value = isObject(snapshot) ? field(snapshot, 'value') : undefined;
  return value === undefined ? null : stateOf(value, budgetOf());
};

const shareOfChildren = 4;

export const shownChildren = (subject: Subject, redact: ReadonlySet<string>): ShownChild[] => {
  const budget = budgetOf();
  return subject.children().map(({ path, src, snapshot, chart }) => ({
    path: String(shown(path, noNames, budgetOf())),
    src: String(shown(src, noNames, budgetOf())),
    chart: chart?.name ?? null,
    // Each has its share, and all together no more than one actor.
    snapshot: shownSnapshot(snapshot, redact, takeFrom(budget, budgetOf(shareOfChildren))),
  }));
};

/** Of its children, by name; the first that are not too much together. */
export const childCharts = (subject: Subject): Record<string, Chart> => {
  const charts: Record<string, Chart> = {};
  let chars = 0;
  for (const { chart } of subject.children()) {
    if (chart === null || Object.hasOwn(charts, chart.name)) continue;
    chars += JSON.stringify(chart.chart).length;
    if (chars > inspectLimits.childChartsCharsMax) break;
    charts[chart.name] = chart.chart;
  }
  return charts;
};

const takeFrom = (all: ShownBudget, share: ShownBudget): ShownBudget => {
  const taken = { nodes: Math.min(all.nodes, share.nodes), chars: Math.min(all.chars, share.chars) };
  all.nodes -= taken.nodes;
  all.chars -= taken.chars;
  return taken;
};

const reasonCharsMax = 500;

export const listed = (subject: Subject, node: string): ListedActor => {
  const { address, reason, children, ...view } = subject.view();
  return {
    ...view,
    ...{ address: addressText(address), node, value: chartValueOf(subject) },
    reason: reason === null ? null : wellFormed(reason.slice(0, reasonCharsMax)),
    children: children.slice(0, inspectLimits.childrenMax).map((child) => child.slice(0, reasonCharsMax)),
  };
};
