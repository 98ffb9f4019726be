// The whole run at a glance: nodes and their roles, faults, calls of clients. All places are shares of the width, so that zooming is
// making it wider.
import type { FaultDone } from '../nemesis/index.ts';
import { type Call, callText, outcomeText } from './calls.ts';
import { nodesOf, type ReportData, secondsText } from './data.ts';
import { type Axis, at, escaped, packed, tag, title, wide } from './markup.ts';

const axisPx = 26;
const nodePx = 30;
const gapPx = 8;
const faultPx = 18;
const callPx = 8;
const faultRowsMax = 18;
const callRowsMax = 16;
const callsShownMax = 3_000;
/** Of the width of a drawing that fills a screen. */
const characterShare = 1 / 170;

type Band = { readonly label: string; readonly heightPx: number; readonly markup: string };

const text = (x: string | number, y: number, content: string, kind = ''): string =>
  tag('text', { x, y, class: kind }, escaped(content));

/** Steps that people count in; ten or fewer of the first fit. */
const tickSteps = (axis: Axis): number[] => {
  const rough = (axis.untilMs - axis.fromMs) / 10;
  const power = 10 ** Math.floor(Math.log10(Math.max(rough, 0.001)));
  const step = [1, 2, 5, 10].map((times) => times * power).find((size) => size >= rough) ?? rough;
  return [step, step / 5, step / 25];
};

const tickText = (ms: number, step: number): string =>
  step >= 1_000 ? `${Math.round(ms / 1_000)} s` : step >= 1 ? `${(ms / 1_000).toFixed(3)} s` : `${ms.toFixed(3)} ms`;

export const ticks = (axis: Axis, heightPx: number): string => {
  const seen = new Set<string>();
  let markup = '';
  tickSteps(axis).forEach((step, level) => {
    for (let ms = Math.ceil(axis.fromMs / step) * step; ms <= axis.untilMs; ms += step) {
      const x = at(axis, ms);
      if (seen.has(x)) continue;
      seen.add(x);
      const line = tag('line', { x1: x, x2: x, y1: axisPx - 6, y2: heightPx, class: 'tick' });
      markup += tag('g', { class: `z${level}` }, line + text(x, 14, tickText(ms, step), 'time'));
    }
  });
  return markup;
};

/** A box whose text is cut off where it ends. */
const box = (axis: Axis, fromMs: number, untilMs: number, heightPx: number, kind: string, label: string, tip: string): string =>
  tag(
    'svg',
    { x: at(axis, fromMs), y: 0, width: wide(axis, fromMs, untilMs), height: heightPx, class: kind },
    title(tip) + tag('rect', { width: '100%', height: heightPx, rx: 3 }) + text(5, heightPx / 2 + 4, label),
  );

const shift = (y: number, markup: string): string => tag('g', { transform: `translate(0 ${y})` }, markup);

const nodeBand = (data: ReportData, node: string, axis: Axis): Band => {
  const { chronicle, result } = data;
  const span = (from: number, until: number | null): string =>
    `${secondsText(from)} to ${until === null ? 'the end' : secondsText(until)}`;
  const lives = chronicle.lives
    .filter((life) => life.node === node)
    .map(({ life, fromMs, untilMs, silently }) => {
      const how = untilMs === null ? '' : silently ? ', then power was lost' : ', then it ended';
      const tip = `${node}, process ${life}: ${span(fromMs, untilMs)}${how}`;
      return box(axis, fromMs, untilMs ?? axis.untilMs, nodePx, 'life', '', tip);
    });
  const roles = chronicle.roles
    .filter((one) => one.node === node && one.group === 'kv')
    .map(({ role, term, fromMs, untilMs }) =>
      box(
        ...([axis, fromMs, untilMs ?? axis.untilMs, nodePx, `role ${role}`] as const),
        role === 'leader' ? `leads t${term}` : `t${term}`,
        `${node}: ${role} in term ${term}, ${span(fromMs, untilMs)}`,
      ),
    );
  const hurt = result.faults
    .filter((fault) => fault.untilMs !== null && nodesOf(fault, data.nodes).includes(node))
    .map((fault) =>
      tag('rect', {
        ...{ x: at(axis, fault.atMs), y: nodePx - 4, width: wide(axis, fault.atMs, fault.untilMs!), height: 4 },
        class: `hurt ${kindOfFault(fault)}`,
      }),
    );
  return { label: node, heightPx: nodePx + gapPx, markup: lives.join('') + roles.join('') + hurt.join('') };
};

/** What it is that suffers, by the fault's name: only colours depend on it. */
const faultKinds: readonly [string, RegExp][] = [
  ['net', /partition|way|isolate|network|reset|bridge|ring|congest|lossy/],
  ['disk', /disk|rot|tail|misdirect|value|read|sync/],
  ['clock', /clock|drift/],
  ['members', /member|transfer|upgrade/],
];

export const kindOfFault = ({ fault }: Pick<FaultDone, 'fault'>): string =>
  faultKinds.find(([, pattern]) => pattern.test(fault))?.[0] ?? 'process';

const nameOf = ({ number, fault, where }: Pick<FaultDone, 'number' | 'fault' | 'where'>): string =>
  `${number} ${fault} ${where}`;

const faultBand = ({ result }: ReportData, axis: Axis): Band => {
  // Room for the name of a fault that is over soon.
  const perCharacterMs = (axis.untilMs - axis.fromMs) * characterShare;
  const rows = packed(
    result.faults.map(({ atMs, untilMs, ...fault }) => {
      const namedMs = (nameOf(fault).length + 2) * perCharacterMs;
      return { fromMs: atMs, untilMs: Math.max(untilMs ?? atMs, atMs + namedMs) };
    }),
    faultRowsMax,
  );
  let markup = '';
  result.faults.forEach((fault, place) => {
    const row = rows[place];
    if (row === null || row === undefined) return;
    const { atMs, untilMs } = fault;
    const label = nameOf(fault);
    const until = untilMs === null ? 'at once over' : `until ${secondsText(untilMs)}`;
    const bar = tag('rect', {
      ...{ x: at(axis, atMs), y: 0, height: faultPx - 4, rx: 3 },
      width: wide(axis, atMs, untilMs ?? atMs),
      class: 'bar',
    });
    const name = tag('svg', { x: at(axis, atMs), width: '100%', height: faultPx }, text(4, faultPx - 7, label));
    markup += tag(
      'g',
      { class: `fault ${kindOfFault(fault)}`, transform: `translate(0 ${row * faultPx})` },
      title(`fault ${label}: ${secondsText(atMs)}, ${until}`) + bar + name,
    );
  });
  const used = 1 + Math.max(-1, ...rows.map((row) => row ?? -1));
  const left = rows.filter((row) => row === null).length;
  return { label: left > 0 ? `faults (${left} more)` : 'faults', heightPx: used * faultPx + gapPx, markup };
};

/** Those closest to the focus, if there are too many to draw. */
const callsToDraw = (calls: readonly Call[], focusMs: number): readonly Call[] => {
  if (calls.length <= callsShownMax) return calls;
  const after = calls.findIndex(({ fromMs }) => fromMs > focusMs);
  const middle = after === -1 ? calls.length : after;
  const from = Math.max(0, Math.min(middle - Math.floor((callsShownMax * 3) / 4), calls.length - callsShownMax));
  return calls.slice(from, from + callsShownMax);
};

export const callTip = (call: Call): string => {
  const until = call.untilMs === null ? '' : ` to ${secondsText(call.untilMs)}`;
  return `process ${call.process}: ${callText(call)} — ${outcomeText[call.outcome]}; ${secondsText(call.fromMs)}${until}`;
};

const callBand = (data: ReportData, axis: Axis): Band => {
  const { chronicle, part } = data;
  const calls = callsToDraw(data.calls, chronicle.focusMs);
  // Of what had no answer, only the beginning is sure.
  const spans = calls.map((call) => ({ fromMs: call.fromMs, untilMs: call.untilMs ?? axis.untilMs }));
  const rows = packed(spans, callRowsMax);
  let markup = '';
  calls.forEach((call, place) => {
    const row = rows[place];
    if (row === null || row === undefined) return;
    const { fromMs, untilMs } = spans[place]!;
    const failing = part?.lines.has(call.line) === true ? ' failing' : '';
    const shape = { x: at(axis, fromMs), y: row * callPx, width: wide(axis, fromMs, untilMs), height: callPx - 3 };
    markup += tag('rect', { ...shape, class: `call ${call.outcome}${failing}` }, title(callTip(call)));
  });
  const used = 1 + Math.max(-1, ...rows.map((row) => row ?? -1));
  const left = data.calls.length - calls.length + rows.filter((row) => row === null).length;
  return { label: left > 0 ? `calls (${left} more)` : 'calls', heightPx: used * callPx + gapPx, markup };
};

export const timeline = (data: ReportData): string => {
  const { chronicle, nodes, result } = data;
  const axis: Axis = { fromMs: 0, untilMs: Math.max(chronicle.endMs, 1) };
  const bands = [
    ...nodes.map((node) => nodeBand(data, node, axis)),
    ...(result.faults.length === 0 ? [] : [faultBand(data, axis)]),
    ...(data.calls.length === 0 ? [] : [callBand(data, axis)]),
  ];
  let y = axisPx + 4;
  let body = '';
  for (const { markup, heightPx } of bands) {
    body += shift(y, markup);
    y += heightPx;
  }
  const x = at(axis, chronicle.focusMs);
  const focus = result.verdict === 'held' ? '' : tag('line', { x1: x, x2: x, y1: 0, y2: y, class: 'focus' });
  const drawing = tag('svg', { class: 'drawing', width: '100%', height: y }, ticks(axis, y) + body + focus);
  const labels = bands.map(({ label, heightPx }) => tag('div', { style: `height:${heightPx}px` }, escaped(label)));
  return tag(
    'div',
    { class: 'timeline' },
    tag('div', { class: 'labels', style: `padding-top:${axisPx + 4}px` }, labels.join('')) +
      tag('div', { class: 'scroll', id: 'scroll', 'data-focus': x.replace('%', '') }, drawing),
  );
};
