// What a user asks of queues, checked field by field, as parse.ts of the register does it for everything else.
import {
  bytesOf,
  type Check,
  countOf,
  type Fields,
  fieldsOf,
  idOf,
  isFields,
  textOf,
  tokenOf,
  wrong,
} from '../register/fields.ts';
import { limits } from '../wire/limits.ts';
import { optionBounds, queueLimits } from './limits.ts';
import type { QueueOptions, QueueRead, QueueWrite, Receipt } from './types.ts';

export const fieldsOfQueueWrite = {
  'queue-configure': ['op', 'queue', 'options'],
  'queue-delete': ['op', 'queue'],
  'queue-send': ['op', 'queue', 'body', 'delayMs', 'ordering', 'dedup'],
  'queue-receive': ['op', 'queue', 'max', 'waitMs', 'visibilityMs'],
  'queue-ack': ['op', 'queue', 'receipt'],
  'queue-nack': ['op', 'queue', 'receipt', 'delayMs', 'reason', 'unseen'],
  'queue-extend': ['op', 'queue', 'receipt', 'visibilityMs'],
  'queue-redrive': ['op', 'queue', 'messages'],
  'queue-purge': ['op', 'queue', 'which', 'messages'],
} as const satisfies Record<QueueWrite['op'], readonly string[]>;

export const fieldsOfQueueRead = {
  'queue-stats': ['op', 'queue'],
  'queue-list': ['op', 'after', 'limit'],
  'queue-dead': ['op', 'queue', 'after', 'limit'],
} as const satisfies Record<QueueRead['op'], readonly string[]>;

const within = (check: Check, what: string, value: unknown, [least, most]: readonly [number, number]): number => {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most) return value;
  wrong(check, `${what} must be a whole number from ${least} to ${most}`);
  return least;
};

const delayOf = (check: Check, value: unknown): number => within(check, 'delayMs', value, [0, queueLimits.delayMsMax]);
const visibilityOf = (check: Check, value: unknown): number => within(check, 'visibilityMs', value, optionBounds.visibilityMs);

const optionsOf = (check: Check, value: unknown): Partial<QueueOptions> => {
  const fields = fieldsOf(check, 'options', value, Object.keys(optionBounds));
  const options: Partial<QueueOptions> = {};
  for (const name of Object.keys(optionBounds) as (keyof QueueOptions)[]) {
    const given = fields[name];
    if (given === undefined) continue;
    if (name === 'retentionMs') options[name] = given === null ? null : within(check, name, given, optionBounds[name]);
    else options[name] = within(check, name, given, optionBounds[name]);
  }
  return options;
};

const receiptOf = (check: Check, value: unknown): Receipt => {
  const fields = fieldsOf(check, 'receipt', value, ['message', 'token']);
  return { message: countOf(check, 'receipt.message', fields.message), token: tokenOf(check, fields.token) };
};

const namedOf = (check: Check, value: unknown): { messages?: number[] } => {
  if (value === undefined) return {};
  if (Array.isArray(value) && value.length >= 1 && value.length <= queueLimits.namedMax)
    return { messages: value.map((one) => countOf(check, 'messages', one)) };
  wrong(check, `messages must be 1 to ${queueLimits.namedMax} numbers of messages`);
  return {};
};

const nackOf = (check: Check, queue: string, fields: Fields): QueueWrite => {
  if (fields.unseen !== undefined && typeof fields.unseen !== 'boolean') wrong(check, 'unseen must be true or false');
  return {
    ...{ op: 'queue-nack', queue, receipt: receiptOf(check, fields.receipt) },
    ...(fields.delayMs === undefined ? {} : { delayMs: delayOf(check, fields.delayMs) }),
    ...(fields.reason === undefined ? {} : { reason: textOf(check, 'reason', fields.reason, queueLimits.reasonBytesMax) }),
    ...(fields.unseen === true ? { unseen: true } : {}),
  };
};

const sendOf = (check: Check, queue: string, fields: Fields): QueueWrite => ({
  ...{ op: 'queue-send', queue, body: bytesOf(check, 'body', fields.body, queueLimits.bodyBytesMax) },
  ...(fields.delayMs === undefined ? {} : { delayMs: delayOf(check, fields.delayMs) }),
  ...(fields.ordering === undefined ? {} : { ordering: idOf(check, 'ordering', fields.ordering) }),
  ...(fields.dedup === undefined ? {} : { dedup: idOf(check, 'dedup', fields.dedup) }),
});

const purgeOf = (check: Check, queue: string, fields: Fields): QueueWrite => {
  const { which } = fields;
  if (which !== 'dead' && which !== 'all') wrong(check, "which must be 'dead' or 'all'");
  if (which === 'all' && fields.messages !== undefined) wrong(check, 'messages can be named among the dead only');
  return { op: 'queue-purge', queue, which: which === 'all' ? 'all' : 'dead', ...namedOf(check, fields.messages) };
};

export const isQueueWriteOp = (op: string): op is QueueWrite['op'] => Object.hasOwn(fieldsOfQueueWrite, op);

export const queueWriteOf = (check: Check, op: QueueWrite['op'], value: unknown): QueueWrite => {
  const fields = fieldsOf(check, `a ${op}`, value, fieldsOfQueueWrite[op]);
  const queue = idOf(check, 'queue', fields.queue);
  switch (op) {
    case 'queue-configure':
      return { op, queue, options: optionsOf(check, fields.options) };
    case 'queue-delete':
      return { op, queue };
    case 'queue-send':
      return sendOf(check, queue, fields);
    case 'queue-receive':
      return {
        ...{ op, queue, max: within(check, 'max', fields.max, [1, queueLimits.receiveMax]) },
        waitMs: within(check, 'waitMs', fields.waitMs, [0, queueLimits.waitMsMax]),
        ...(fields.visibilityMs === undefined ? {} : { visibilityMs: visibilityOf(check, fields.visibilityMs) }),
      };
    case 'queue-ack':
      return { op, queue, receipt: receiptOf(check, fields.receipt) };
    case 'queue-nack':
      return nackOf(check, queue, fields);
    case 'queue-extend': {
      const receipt = receiptOf(check, fields.receipt);
      return { op, queue, receipt, visibilityMs: visibilityOf(check, fields.visibilityMs) };
    }
    case 'queue-redrive':
      return { op, queue, ...namedOf(check, fields.messages) };
    case 'queue-purge':
      return purgeOf(check, queue, fields);
  }
};

export const isQueueReadOp = (op: string): op is QueueRead['op'] => Object.hasOwn(fieldsOfQueueRead, op);

export const queueReadOf = (check: Check, op: QueueRead['op'], value: unknown): QueueRead => {
  const fields: Fields = isFields(value) ? fieldsOf(check, `a ${op}`, value, fieldsOfQueueRead[op]) : {};
  const limit = (): number => within(check, 'limit', fields.limit, [1, limits.listItemsMax]);
  switch (op) {
    case 'queue-stats':
      return { op, queue: idOf(check, 'queue', fields.queue) };
    case 'queue-list':
      return { op, limit: limit(), ...(fields.after === undefined ? {} : { after: idOf(check, 'after', fields.after) }) };
    case 'queue-dead':
      return {
        ...{ op, queue: idOf(check, 'queue', fields.queue), limit: limit() },
        ...(fields.after === undefined ? {} : { after: countOf(check, 'after', fields.after) }),
      };
  }
};
