// Markup from data: whatever came from a run is text, never markup. Keys and values are anything, `<script>` too.
import { visible } from './text.ts';

/** For text between tags and in quoted attributes. Line feeds stay. */
export const escaped = (text: string): string =>
  text
    .split('\n')
    .map((line) => visible(line))
    .join('\n')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');

export type Attributes = Readonly<Record<string, string | number>>;

/** `children` is markup already. */
export const tag = (name: string, attributes: Attributes = {}, children = ''): string => {
  const given = Object.entries(attributes).map(([attribute, value]) => ` ${attribute}="${escaped(String(value))}"`);
  return `<${name}${given.join('')}>${children}</${name}>`;
};

/** What a pointer over a shape shows. */
export const title = (text: string): string => tag('title', {}, escaped(text));

/** A place on an axis of time, as a share of the width: a drawing is made wider without being drawn again. */
export type Axis = { readonly fromMs: number; readonly untilMs: number };

export const at = ({ fromMs, untilMs }: Axis, ms: number): string =>
  `${Number(((100 * (Math.min(Math.max(ms, fromMs), untilMs) - fromMs)) / Math.max(untilMs - fromMs, 1e-6)).toFixed(4))}%`;

export const wide = (axis: Axis, fromMs: number, untilMs: number): string =>
  at({ fromMs: 0, untilMs: axis.untilMs - axis.fromMs }, Math.min(untilMs, axis.untilMs) - Math.max(fromMs, axis.fromMs));

/** Rows in which spans do not touch each other; the row of each, null where `rowsMax` are full. */
export const packed = (spans: readonly { fromMs: number; untilMs: number }[], rowsMax: number): (number | null)[] => {
  const freeAtMs: number[] = [];
  return spans.map(({ fromMs, untilMs }) => {
    let row = freeAtMs.findIndex((freeMs) => freeMs <= fromMs);
    if (row === -1) row = freeAtMs.length;
    if (row >= rowsMax) return null;
    freeAtMs[row] = untilMs;
    return row;
  });
};
