// What happens to actors, in words: events of the stream of `/v1/inspect` in, one line for each out, for a terminal or a file.
import type { InspectedEvent } from '../client/inspection.ts';
import { stateText } from './chart-tree.ts';
import { cell } from './output.ts';

export type Style = 'bold' | 'dim' | 'active' | 'event' | 'bad' | 'none';
export type Piece = readonly [text: string, style: Style];
export type Line = readonly Piece[];

const codes: Record<Style, string> = {
  ...{ bold: '1', dim: '2', active: '1;32', event: '36', bad: '31', none: '' },
};

/** Nothing that an actor or a chart says moves the cursor, or turns a line around. */
const harmless = (text: string): string => text.replace(/[\p{Cc}\p{Cf}]/gu, '·');

/** Cut to the width; without colors the same text. */
export const drawn = (line: Line, columns: number, colors: boolean): string => {
  let left = columns;
  let text = '';
  for (const [piece, style] of line) {
    if (left <= 0) break;
    const characters = [...harmless(piece)];
    const isWhole = characters.length <= left;
    const shown = isWhole ? characters.join('') : `${characters.slice(0, left - 1).join('')}…`;
    left -= isWhole ? characters.length : left;
    text += colors && codes[style] !== '' && shown !== '' ? `\x1b[${codes[style]}m${shown}\x1b[0m` : shown;
  }
  return text;
};

export type Fields = Record<string, unknown>;

export const fieldsOf = (value: unknown): Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
export const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

const plainText = (value: unknown, charsMax: number): string =>
  cell(typeof value === 'string' ? value : (JSON.stringify(value) ?? ''), charsMax);

/** `items=3  total=59.9`: what is in it, in short. */
export const contextText = (context: unknown): string => {
  if (context === undefined || context === null) return '-';
  const fields = Object.entries(fieldsOf(context));
  if (fields.length === 0) return plainText(context, 200);
  return fields.map(([name, value]) => `${cell(name, 40)}=${plainText(value, 60)}`).join('  ');
};

const clockText = ({ createdAt }: InspectedEvent): string => {
  const atMs = Number(createdAt);
  return Number.isFinite(atMs) && atMs < 8.64e15 ? new Date(atMs).toISOString().slice(11, 23) : '';
};

const payloadOf = (event: unknown): string => {
  const { type: _, ...rest } = fieldsOf(event);
  return Object.keys(rest).length === 0 ? '' : `  ${contextText(rest)}`;
};

const whyText = (problem: unknown): string => {
  const { code, detail, title } = fieldsOf(problem);
  return cell(`${textOf(code)}: ${textOf(detail) || textOf(title)}`, 160);
};

/** Of two states of a chart with parallel regions, what differs. */
const moveText = (before: string | undefined, after: string): [string, string] => {
  if (before === undefined) return ['', after];
  const [was, is] = [before.split(' '), after.split(' ')];
  const left = was.filter((path) => !is.includes(path));
  const entered = is.filter((path) => !was.includes(path));
  return left.length === 0 || entered.length === 0 ? [before, after] : [left.join(' '), entered.join(' ')];
};

type Known = { value: string; context: unknown };

/** The fields that changed, or all of it where it has none. */
const changeText = (before: unknown, after: unknown): string => {
  const [was, is] = [fieldsOf(before), fieldsOf(after)];
  const names = Object.keys({ ...was, ...is });
  if (names.length === 0) return contextText(after);
  const changed = names.filter((name) => JSON.stringify(was[name]) !== JSON.stringify(is[name]));
  return contextText(Object.fromEntries(changed.map((name) => [name, is[name] ?? null])));
};

export type Told = {
  readonly line: Line;
  /** The same for things that may be told once, with how often they happened. */
  readonly sameAs: string | null;
};

const sessionsMax = 4_096;

/** Remembers the last state of each actor, to say from which to which it went. `about`: the one that need not be named. */
export class Story {
  readonly #states = new Map<string, Known>();
  readonly #about: string | null;

  constructor(about: string | null = null) {
    this.#about = about;
  }

  /** Null: nothing that a person wants to read. */
  tell(event: InspectedEvent): Told | null {
    switch (event.type) {
      case '@xstate.actor':
        this.#keep(event);
        return { line: [...this.#where(event), [`is ${this.#shown(event)}`, 'none']], sameAs: null };
      case '@xstate.event':
        return this.#came(event);
      case '@xstate.snapshot': {
        const line = this.#moved(event);
        return line === null ? null : { line, sameAs: null };
      }
      case '@polity.left-out':
        return { line: [[`${Number(event.count)} events were left out: they came too fast`, 'bad']], sameAs: null };
      case '@polity.node':
        return { line: this.#node(event), sameAs: null };
      default:
        return null;
    }
  }

  #where(event: InspectedEvent): Piece[] {
    const session = textOf(event.sessionId);
    const node = cell(textOf(fieldsOf(event.polity).node), 63);
    const isIts = this.#about !== null && (session === this.#about || session.startsWith(`${this.#about}#`));
    const name = isIts ? session.slice(this.#about?.length) : session;
    return [
      [`${clockText(event)} `, 'dim'],
      [isIts ? '' : `${node} `, 'dim'],
      [name === '' ? '' : `${cell(name, 120)} `, 'bold'],
    ];
  }

  #came(event: InspectedEvent): Told {
    const { source, correlation } = fieldsOf(event.polity);
    const type = cell(textOf(fieldsOf(event.event).type) || '-', 60);
    const line: Line = [
      ...this.#where(event),
      ['← ', 'dim'],
      [type, 'event'],
      [textOf(source) === '' ? '' : ` from ${cell(textOf(source), 120)}`, 'dim'],
      [textOf(correlation) === '' ? '' : ` #${cell(textOf(correlation), 128)}`, 'dim'],
      [payloadOf(event.event), 'none'],
    ];
    return { line, sameAs: [event.sessionId, type, source].join('\n') };
  }

  #node({ node, problem, ...event }: InspectedEvent): Line {
    const who = `${clockText(event)} ${cell(textOf(node), 63)}`;
    return problem === null ? [[`${who} is followed`, 'dim']] : [[`${who} is not followed: ${whyText(problem)}`, 'bad']];
  }

  #shown(event: InspectedEvent): string {
    const { status, value, context } = fieldsOf(event.snapshot);
    if (value === undefined && context === undefined) return cell(textOf(status), 32);
    const state = value === undefined ? contextText(context) : stateText(value);
    return status === 'active' || status === undefined ? state : `${state} (${cell(textOf(status), 32)})`;
  }

  #keep(event: InspectedEvent): Known | undefined {
    const session = textOf(event.sessionId);
    const before = this.#states.get(session);
    const { value, context } = fieldsOf(event.snapshot);
    if (this.#states.size >= sessionsMax && before === undefined) this.#states.clear();
    this.#states.set(session, { value: value === undefined ? '' : stateText(value), context });
    return before;
  }

  #moved(event: InspectedEvent): Line | null {
    const where = this.#where(event);
    const { status, error, output } = fieldsOf(event.snapshot);
    const { reason } = fieldsOf(event.polity);
    if (textOf(reason) !== '') return [...where, [`has ended: ${cell(textOf(reason), 32)}`, 'bad']];
    const before = this.#keep(event);
    const after = this.#states.get(textOf(event.sessionId))!;
    if (status === 'error') return [...where, [`failed: ${contextText(error)}`, 'bad']];
    if (status === 'done') return [...where, [`is done: ${contextText(output)}`, 'active']];
    if (after.value !== '' && before?.value !== after.value) {
      const [from, to] = moveText(before?.value, after.value);
      return [...where, [`${from} → `, 'none'], [to, 'active']];
    }
    const isSame = JSON.stringify(before?.context) === JSON.stringify(after.context);
    return isSame ? null : [...where, [changeText(before?.context, after.context), 'none']];
  }
}
