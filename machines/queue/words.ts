// A receipt as people and programs carry it: number of the message, term and index of the entry that gave it out.
import type { Receipt } from './types.ts';

export const receiptText = ({ message, token }: Receipt): string => `${message}.${token.term}.${token.index}`;

const form = /^(\d{1,16})\.(\d{1,16})\.(\d{1,16})$/u;

/** Null for anything else. */
export const receiptOf = (text: string): Receipt | null => {
  const [, message, term, index] = form.exec(text) ?? [];
  const numbers = [Number(message), Number(term), Number(index)] as const;
  if (!numbers.every((number) => Number.isSafeInteger(number))) return null;
  return { message: numbers[0], token: { term: numbers[1], index: numbers[2] } };
};
