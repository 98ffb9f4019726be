// What commands print: tables for people, JSON lines for machines.
export { parseDuration } from '../duration.ts';

/** Columns as wide as their widest cell; the last is not padded. */
export const table = (head: readonly string[], rows: readonly (readonly string[])[]): string => {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => (column === head.length - 1 ? cell : cell.padEnd(widths[column]!)))
      .join('  ')
      .trimEnd();
  return [line(head), ...rows.map(line)].join('\n');
};

export const print = (text: string): void => void process.stdout.write(`${text}\n`);

export const printJson = (value: unknown): void => print(JSON.stringify(value));

/** A value in one cell: no line feeds, no control characters, not endless. */
export const cell = (text: string, charactersMax = 60): string => {
  const visible = JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"');
  return visible.length > charactersMax ? `${visible.slice(0, charactersMax - 1)}…` : visible;
};
