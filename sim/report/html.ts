// The report as one file: nothing is loaded from anywhere, and everything that came from the run is escaped (markup.ts).
import type { Call } from './calls.ts';
import { callText, outcomeText } from './calls.ts';
import { drawnOf, type ReportData, secondsText, verdictSentence } from './data.ts';
import { type Axis, at, escaped, tag, title, wide } from './markup.ts';
import { script } from './script.ts';
import { sequence } from './sequence.ts';
import { style } from './style.ts';
import { callTip, ticks, timeline } from './timeline.ts';

const section = (name: string, note: string, body: string, tools = ''): string =>
  tag('section', {}, tag('header', {}, tag('h2', {}, name) + tag('p', {}, note) + tools) + body);

const button = (attributes: Record<string, string>, text: string): string =>
  tag('button', { type: 'button', ...attributes }, text);

const command = (text: string): string =>
  tag('div', { class: 'command' }, tag('code', {}, escaped(text)) + button({ 'data-copy': '' }, 'copy'));

const head = ({ result, repeat, shrunkFrom }: ReportData): string => {
  const { verdict, seed, reason, knobs, virtualMs, steps } = result;
  const [first = ''] = reason.split('\n');
  const facts = `seed ${seed} · ${knobs.nodes} ${knobs.nodes === 1 ? 'node' : 'nodes'} · ${secondsText(virtualMs)} of virtual time · ${steps} events`;
  const shrunk =
    shrunkFrom === null
      ? ''
      : tag(
          'p',
          { class: 'seed' },
          `Made smaller: ${escaped(shrunkFrom.was)} → ${escaped(shrunkFrom.is)}. The run it came from:`,
        ) + command(shrunkFrom.repeat);
  return [
    tag('span', { class: `badge ${verdict}` }, verdict) + tag('span', { class: 'seed' }, escaped(facts)),
    tag('h1', {}, escaped(reason === '' ? verdictSentence[verdict] : first)),
    reason.includes('\n') ? tag('pre', { class: 'reason' }, escaped(reason)) : '',
    command(repeat),
    shrunk,
  ].join('');
};

const legendOf = (entries: readonly (readonly [colour: string, text: string])[]): string =>
  tag(
    'div',
    { class: 'legend' },
    entries.map(([colour, text]) => tag('span', {}, tag('i', { style: `--c:var(--${colour})` }) + escaped(text))).join(''),
  );

const timelineSection = (data: ReportData): string => {
  const tools = [
    ['in', '+'],
    ['out', '−'],
    ['all', 'all'],
    ...(data.result.verdict === 'held' ? [] : [['focus', 'to the failure']]),
  ].map(([what, text]) => button({ 'data-do': what!, 'aria-label': `zoom: ${text}` }, text!));
  const legend = legendOf([
    ['leader', 'leads'],
    ['candidate', 'candidate'],
    ['asking', 'asks first'],
    ['follower', 'follows'],
    ['life', 'starts'],
    ['net', 'network'],
    ['disk', 'disk'],
    ['process', 'process'],
    ['clock', 'clock'],
    ['members', 'members'],
    ['good', 'call ok'],
    ['dull', 'did not happen'],
    ['unsure', 'unknown'],
  ]);
  const note =
    'Who was what in which term, what the cluster suffered, and what clients did. Drag to move, Ctrl and wheel to zoom.';
  return section('The run', note, timeline(data) + legend, tag('div', { class: 'tools' }, tools.join('')));
};

const partRowPx = 24;

/** The calls that have no order, each in a row of its own. */
const partSection = ({ part, calls, result }: ReportData): string => {
  if (part === null || result.verdict === 'held') return '';
  const shown = calls.filter(({ line }) => part.lines.has(line));
  const margin = Math.max((part.untilMs - part.fromMs) * 0.04, 0.01);
  const axis: Axis = { fromMs: part.fromMs - margin, untilMs: part.untilMs + margin };
  const top = 30;
  const bars = shown.map((call: Call, row) => {
    const untilMs = call.untilMs === null || call.outcome === 'info' ? axis.untilMs : call.untilMs;
    const shape = {
      x: at(axis, call.fromMs),
      width: wide(axis, call.fromMs, untilMs),
      y: top + row * partRowPx + 4,
      height: 13,
      rx: 3,
    };
    return tag('rect', { ...shape, class: `call ${call.outcome}` }, title(callTip(call)));
  });
  const labels = shown.map((call) => {
    const outcome = call.outcome === 'ok' ? '' : ` — ${outcomeText[call.outcome]}`;
    return tag('div', { style: `height:${partRowPx}px` }, escaped(`${call.process}: ${callText(call)}${outcome}`));
  });
  const height = top + shown.length * partRowPx + 6;
  const drawing = tag('svg', { width: '100%', height }, ticks(axis, height) + bars.join(''));
  const rows = tag('div', { class: 'labels', style: `padding-top:${top}px` }, labels.join(''));
  // Said already, if this is what broke.
  const isSaid = result.reason.includes(part.explanation);
  const words = isSaid ? '' : tag('pre', { class: 'explanation' }, escaped(part.explanation));
  const body = tag('div', { class: 'part' }, rows + drawing) + words;
  const key = part.key === null ? '' : ` of key ${escaped(part.key)}`;
  return section(`What clients saw${key}`, 'The fewest calls that have no order in which every answer is right.', body);
};

const sequenceSection = (data: ReportData): string => {
  const { chronicle } = data;
  const box = tag('label', {}, `<input type="checkbox" id="routine" checked> heartbeats`);
  const note = `What happened last before ${secondsText(chronicle.focusMs)}, in order; times in milliseconds. Beats between nodes are left out.`;
  return section('The last messages', note, sequence(data), tag('div', { class: 'tools' }, box));
};

const storySection = ({ story }: ReportData): string => {
  if (story.length === 0) return '';
  const body = tag('pre', { class: 'explanation' }, escaped(story.join('\n')));
  return section('What the programs did', 'And what they were told, with the faults among it; the last lines of it.', body);
};

const drawnSection = (data: ReportData): string => {
  const { result } = data;
  const counts = (of: Record<string, number>): string =>
    Object.entries(of)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ') || 'none';
  const cell = ([name, value]: readonly [string, string]): string =>
    tag('div', value.length > 60 ? { class: 'wide' } : {}, tag('dt', {}, escaped(name)) + tag('dd', {}, escaped(value)));
  const drawn = drawnOf(data).map(cell);
  const done = [
    cell(['faults done', counts(result.done)]),
    cell(['how calls ended', counts(result.endings)]),
    cell(['acknowledged writes', String(result.acknowledged)]),
  ];
  const body = tag('div', { class: 'body' }, tag('dl', { class: 'facts' }, drawn.join('') + done.join('')));
  return section(
    'What the seed drew',
    'Every run draws its cluster, its network, its disks, its clients and its faults.',
    body,
  );
};

const policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

export const htmlReport = (data: ReportData): string => {
  const { result, version } = data;
  const body = [
    head(data),
    timelineSection(data),
    partSection(data),
    storySection(data),
    sequenceSection(data),
    drawnSection(data),
    tag('footer', {}, `polity ${escaped(version ?? '')} · trace <code>${escaped(result.hash)}</code>`),
  ].join('\n');
  return [
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<meta http-equiv="Content-Security-Policy" content="${policy}">`,
    tag('title', {}, escaped(`seed ${result.seed}: ${result.verdict}`)),
    `<style>${style}</style>`,
    '</head>',
    `<body><main>${body}</main><div id="tip" hidden></div>`,
    `<script>${script}</script>`,
    '</body>',
    '</html>',
    '',
  ].join('\n');
};
