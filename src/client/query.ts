// Names and parameters in the URL of a call.
import { failure } from '../../machines/errors.ts';
import { PolityError } from '../errors.ts';

export const invalid = (message: string): PolityError => new PolityError(failure('INVALID_REQUEST', message));

export const encode = (what: string, name: string): string => {
  try {
    return encodeURIComponent(name);
  } catch {
    throw invalid(`${what} is not well-formed Unicode`);
  }
};

export type Parameters = Record<string, string | number | undefined>;

/** Values are encoded already. */
export const queryOf = (parameters: Parameters): string => {
  const parts = Object.entries(parameters).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]));
  return parts.length === 0 ? '' : `?${parts.join('&')}`;
};
