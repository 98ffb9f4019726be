// A message in the hands of its receiver, and what he may do with it. His receipt is a fencing token: once the message came into sight
// again, or was given back, every use of it is refused with RECEIPT_EXPIRED.
import { type QueueMessage, type Receipt, receiptText } from '../../machines/queue/index.ts';
import type { QueueCallOptions, QueuePort } from './port.ts';

export type GiveBackOptions = QueueCallOptions & {
  /** How long it stays out of sight; default 0. */
  delayMs?: number;
  /** Why, for whoever looks at the dead letter one day; longer than 512 bytes is cut. */
  reason?: string;
};

const reasonBytesMax = 512;

/** As much of a text as fits, whole characters. */
export const cutReason = (text: string): string => {
  const clean = text.replaceAll('\0', '').replace(/\p{Surrogate}/gu, '\ufffd');
  return clean.slice(0, new TextEncoder().encodeInto(clean, new Uint8Array(reasonBytesMax)).read);
};

/** What may be done under a receipt, in whichever process it is. */
export class Held {
  readonly #queue: string;
  readonly #port: QueuePort;
  readonly #receipt: Receipt;

  constructor(queue: string, port: QueuePort, receipt: Receipt) {
    this.#queue = queue;
    this.#port = port;
    this.#receipt = receipt;
  }

  /** As `polity queue ack` and HTTP take it. */
  get receipt(): string {
    return receiptText(this.#receipt);
  }

  /** It is done and will not be given out again. Rejects with RECEIPT_EXPIRED if somebody else may have it by now. */
  async ack(options: QueueCallOptions = {}): Promise<void> {
    await this.#port.write({ op: 'queue-ack', queue: this.#queue, receipt: this.#receipt }, options);
  }

  /** Gives it back: to the next receiver, or to the dead letters if this was its last delivery (`dead`). */
  async nack({ delayMs, reason, ...options }: GiveBackOptions = {}): Promise<{ dead: boolean }> {
    const more = {
      ...(delayMs === undefined ? {} : { delayMs }),
      ...(reason === undefined ? {} : { reason: cutReason(reason) }),
    };
    const write = { op: 'queue-nack' as const, queue: this.#queue, receipt: this.#receipt, ...more };
    return { dead: (await this.#port.write(write, options)).dead };
  }

  /** Keeps it out of sight for so long from now on; until when, by the clock of the log. */
  async extend(visibilityMs: number, options: QueueCallOptions = {}): Promise<{ visibleMs: number }> {
    const write = { op: 'queue-extend' as const, queue: this.#queue, receipt: this.#receipt, visibilityMs };
    return { visibleMs: (await this.#port.write(write, options)).visibleMs };
  }
}

export class Delivery<Value = unknown> extends Held {
  /** Number of the message: another one for each of its group, greater for what was sent later. */
  readonly id: number;
  readonly value: Value;
  readonly ordering: string | null;
  /** Milliseconds since 1970, by the clock of the log. */
  readonly sentMs: number;
  /** How often it was given out, this time too. */
  readonly deliveries: number;
  /** When it comes into sight again unless it is done or extended: milliseconds since 1970, by the clock of the log. */
  readonly visibleMs: number;

  constructor(queue: string, port: QueuePort, message: QueueMessage, value: Value) {
    super(queue, port, { message: message.message, token: message.token });
    this.id = message.message;
    this.value = value;
    this.ordering = message.ordering;
    this.sentMs = message.sentMs;
    this.deliveries = message.deliveries;
    this.visibleMs = message.visibleMs;
  }
}
