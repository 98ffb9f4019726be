// What commands print: tables for people, JSON lines for machines.

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

const unitsMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `250ms`, `30s`, `5m`, `1h`, `2d`, or milliseconds; null if it is none. */
export const parseDuration = (text: string): number | null => {
  const match = /^(\d{1,12}(?:\.\d{1,3})?)(ms|s|m|h|d)?$/.exec(text.trim());
  if (match === null) return null;
  const ms = Number(match[1]) * unitsMs[(match[2] ?? 'ms') as keyof typeof unitsMs];
  return Number.isSafeInteger(Math.round(ms)) && ms > 0 ? Math.round(ms) : null;
};
