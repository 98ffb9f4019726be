// What programs send, as the bytes that a queue holds: JSON, so that HTTP, the command line and programs in other languages can read
// it; or bytes as they are.
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { invalid } from './port.ts';

export interface QueueCodec<Value, Sent> {
  encode(value: Sent): Promise<Uint8Array>;
  /** Throws whatever is wrong with them. */
  decode(body: Uint8Array): Promise<Value>;
}

const issuesShown = 4;

const demand = async (schema: StandardSchemaV1 | undefined, value: unknown): Promise<unknown> => {
  if (schema === undefined) return value;
  const checked = await schema['~standard'].validate(value);
  if (checked.issues === undefined) return checked.value;
  const issues = checked.issues.slice(0, issuesShown).map(({ message, path = [] }) => {
    const place = path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.');
    return place === '' ? message : `${place}: ${message}`;
  });
  throw invalid(`the message does not fit the schema: ${issues.join('; ')}`);
};

export const jsonCodec = (schema: StandardSchemaV1 | undefined): QueueCodec<unknown, unknown> => ({
  async encode(value) {
    // What is sent is what was given: the receiver's schema makes of it what it makes of it.
    await demand(schema, value);
    let text: string | undefined;
    try {
      text = JSON.stringify(value);
    } catch (error) {
      throw invalid(`the message cannot be JSON: ${(error as Error).message}`, error);
    }
    if (text === undefined) throw invalid(`a message must be something that JSON has, not ${typeof value}`);
    return new TextEncoder().encode(text);
  },
  async decode(body) {
    let value: unknown;
    try {
      value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
    } catch (error) {
      throw invalid('the message is not JSON', error);
    }
    return await demand(schema, value);
  },
});

export const rawCodec: QueueCodec<Uint8Array, Uint8Array> = {
  encode: (value) =>
    value instanceof Uint8Array
      ? Promise.resolve(value)
      : Promise.reject(invalid('a message of a raw queue must be a Uint8Array')),
  decode: (body) => Promise.resolve(body),
};
