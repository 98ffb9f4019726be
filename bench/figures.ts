// Figures as people read them. Machines are shared and noisy: medians of several runs, and ratios to a reference of the same run.
import { readFileSync } from 'node:fs';

export const quantile = (values: readonly number[], q: number): number => {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
};

export const median = (values: readonly number[]): number => quantile(values, 0.5);

export const round = (value: number, digits = 2): number => Number(value.toPrecision(Math.max(1, digits + 1)));

export type Row = Record<string, string | number>;

/** Columns as wide as their widest cells, numbers to the right. */
export const table = (rows: readonly Row[]): string => {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const cell = (row: Row, column: string): string => String(row[column] ?? '');
  const widths = columns.map((column) => Math.max(column.length, ...rows.map((row) => cell(row, column).length)));
  const line = (cells: readonly string[], isNumber: (at: number) => boolean): string =>
    cells
      .map((text, at) => (isNumber(at) ? text.padStart(widths[at]!) : text.padEnd(widths[at]!)))
      .join('  ')
      .trimEnd();
  const isNumeric = (at: number): boolean => rows.every((row) => typeof (row[columns[at]!] ?? 0) === 'number');
  return [
    line(columns, isNumeric),
    ...rows.map((row) =>
      line(
        columns.map((column) => cell(row, column)),
        isNumeric,
      ),
    ),
  ].join('\n');
};

/** proc(5): USER_HZ, the same on every Linux that Node runs on. */
const ticksPerSecond = 100;

/** Processor time a process has used so far, milliseconds, all threads. */
export const cpuMsOf = (pid: number): number => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / ticksPerSecond;
};

/** Resident memory, MiB. */
export const residentMiBOf = (pid: number): number =>
  Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024);

export const load = (): string => readFileSync('/proc/loadavg', 'utf8').split(' ').slice(0, 3).join(' ');

export const sleep = (delayMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, delayMs));
