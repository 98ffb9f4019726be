// Values of topics as bytes: plain data as MessagePack, the same for programs, HTTP and the command line.
import { failure } from '../../machines/errors.ts';
import { createInk, cursorOf, dry, isSpent } from '../../machines/wire/octets.ts';
import { inkPlain, readPlain } from '../../machines/wire/plain.ts';
import { PolityError } from '../errors.ts';

const ink = createInk();

/** Throws INVALID_REQUEST for what is no plain data. */
export const bodyOf = (value: unknown): Uint8Array => {
  try {
    inkPlain(ink, value);
    return dry(ink);
  } catch (error) {
    ink.at = 0;
    throw new PolityError(failure('INVALID_REQUEST', `only plain data can be published: ${(error as Error).message}`));
  }
};

/** Throws INVALID_REQUEST for bytes that `bodyOf` never made: somebody published other things here by other ways. */
export const valueIn = (body: Uint8Array): unknown => {
  const cursor = cursorOf(body);
  const value = readPlain(cursor);
  if (isSpent(cursor)) return value;
  throw new PolityError(failure('INVALID_REQUEST', `a message of ${body.byteLength} bytes is no plain data`));
};
