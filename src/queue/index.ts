// The door of work queues for programs.
import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { QueueStats } from '../../machines/queue/index.ts';
import { isSchema } from '../service/schema.ts';
import { jsonCodec, type QueueCodec, rawCodec } from './codec.ts';
import { invalid, type QueueCallOptions, type QueuePort } from './port.ts';
import { Queue } from './queue.ts';

export type { QueueOptions, QueueStats } from '../../machines/queue/index.ts';
export type { ConsumeOptions, Consumer, Handler, HandlerContext } from './consumer.ts';
export type { Delivery, GiveBackOptions, Held } from './delivery.ts';
export { localPort } from './local.ts';
export type { QueueCallOptions, QueuePort } from './port.ts';
export { type Letter, Queue, type ReceiveOptions, type SendOptions } from './queue.ts';

export type QueueListOptions = QueueCallOptions & Place & { after?: string; limit?: number };

const listLimit = 100;

type Place = {
  /** Group of the register service; 'kv' when absent. */
  group?: string;
};

/** Nothing is read or sent when a queue is named: two of the same name and group are the same queue. */
export interface OpenQueue {
  /** Values that JSON has, checked by the schema (zod, valibot, arktype or whatever speaks Standard Schema) where they are sent and received. */
  <Schema extends StandardSchemaV1>(
    name: string,
    options: Place & { schema: Schema },
  ): Queue<StandardSchemaV1.InferOutput<Schema>, StandardSchemaV1.InferInput<Schema>>;
  /** Bytes as they are. */
  (name: string, options: Place & { raw: true }): Queue<Uint8Array>;
  /** Values that JSON has, believed. */
  <Value = unknown>(name: string, options?: Place): Queue<Value>;
  /** A page of the queues of a group, by name; `after`: the last name of the page before. */
  list(options?: QueueListOptions): Promise<{ queues: QueueStats[]; more: boolean }>;
}

export const openQueue = (portOf: (group: string | undefined) => QueuePort): OpenQueue => {
  const open = (name: string, { group, schema, raw }: Place & { schema?: StandardSchemaV1; raw?: boolean } = {}) => {
    if (schema !== undefined && !isSchema(schema)) throw invalid('the schema of a queue is a Standard Schema');
    const codec: QueueCodec<unknown, never> = raw === true ? rawCodec : jsonCodec(schema);
    return new Queue(name, portOf(group), codec);
  };
  const list: OpenQueue['list'] = async ({ group, after, limit = listLimit, ...options } = {}) => {
    const read = { op: 'queue-list' as const, limit, ...(after === undefined ? {} : { after }) };
    const { queues, more } = await portOf(group).read(read, options);
    return { queues, more };
  };
  return Object.assign(open, { list }) as OpenQueue;
};
