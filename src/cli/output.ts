// What commands print: tables for people, JSON lines for machines.
export { parseDuration } from '../duration.ts';

/** What a terminal shows in two places (East Asian Width, emoji), and in none. */
const wide =
  /[\p{Emoji_Presentation}\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\u3001-\u303e\uff01-\uff60\uffe0-\uffe6]/u;
const unseen = /[\p{M}\p{Cf}]/u;

const widthOf = (text: string): number => {
  // Nearly always: as many places as characters.
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let width = 0;
  for (const character of text) width += unseen.test(character) ? 0 : wide.test(character) ? 2 : 1;
  return width;
};

/** Columns as wide as their widest cell; the last is not padded. */
export const table = (head: readonly string[], rows: readonly (readonly string[])[]): string => {
  const widths = head.map((title, column) => Math.max(widthOf(title), ...rows.map((row) => widthOf(row[column] ?? ''))));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => (column === head.length - 1 ? cell : cell + ' '.repeat(widths[column]! - widthOf(cell))))
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
