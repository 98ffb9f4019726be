// Queues as somebody would write them who has all the time of the world: one array of messages, searched through for everything.
import type { QueueOptions, QueueWrite, Receipt } from '../../../machines/queue/index.ts';
import { queueDefaults } from '../../../machines/queue/index.ts';

export type TwinMessage = {
  id: number;
  queue: string;
  body: string;
  ordering: string | null;
  dedup: string | null;
  sentMs: number;
  deliveries: number;
  standing: 'ready' | 'delayed' | 'out' | 'dead';
  atMs: number;
  token: { term: number; index: number } | null;
};

export type At = { index: number; term: number; timeMs: number };

export class QueueTwin {
  queues = new Map<string, QueueOptions>();
  messages: TwinMessage[] = [];
  seen: { queue: string; id: string; message: number; timeMs: number }[] = [];

  pass(timeMs: number): void {
    for (const message of this.messages) {
      if (message.atMs > timeMs) continue;
      if (message.standing === 'out') this.back(message, 0, timeMs);
      else if (message.standing === 'delayed') this.stand(message, 'ready', 0);
    }
    this.messages = this.messages.filter(({ queue, sentMs }) => {
      const { retentionMs } = this.queues.get(queue)!;
      return retentionMs === null || sentMs + retentionMs > timeMs;
    });
  }

  stand(message: TwinMessage, standing: TwinMessage['standing'], atMs: number): void {
    Object.assign(message, { standing, atMs, token: null });
  }

  back(message: TwinMessage, delayMs: number, timeMs: number): void {
    const dead = message.deliveries >= this.queues.get(message.queue)!.maxDeliveries;
    if (dead) this.stand(message, 'dead', 0);
    else this.stand(message, delayMs > 0 ? 'delayed' : 'ready', delayMs > 0 ? timeMs + delayMs : 0);
  }

  of(queue: string): TwinMessage[] {
    return this.messages.filter((one) => one.queue === queue);
  }

  isFree(message: TwinMessage): boolean {
    if (message.standing !== 'ready') return false;
    if (message.ordering === null) return true;
    const line = this.of(message.queue).filter((one) => one.ordering === message.ordering && one.standing !== 'dead');
    return line.every((one) => one.standing !== 'out') && line[0] === message;
  }

  held(queue: string, { message, token }: Receipt): TwinMessage | undefined {
    return this.of(queue).find(
      (one) =>
        one.id === message && one.standing === 'out' && one.token?.term === token.term && one.token.index === token.index,
    );
  }

  /** What it answers, less index and term; the code of an error. */
  apply(at: At, write: QueueWrite): unknown {
    this.pass(at.timeMs);
    const { queue } = write;
    const options = this.queues.get(queue);
    switch (write.op) {
      case 'queue-configure':
        this.queues.set(queue, { ...(options ?? queueDefaults), ...write.options });
        return { options: this.queues.get(queue) };
      case 'queue-delete':
        if (options === undefined) return 'QUEUE_NOT_FOUND';
        if (this.of(queue).length > 0) return 'QUEUE_NOT_EMPTY';
        this.queues.delete(queue);
        this.seen = this.seen.filter((one) => one.queue !== queue);
        return {};
      case 'queue-send':
        return this.send(at, write, options ?? queueDefaults);
      case 'queue-receive': {
        const messages: TwinMessage[] = [];
        while (messages.length < write.max) {
          const next = this.of(queue).find((one) => this.isFree(one));
          if (next === undefined) break;
          this.stand(next, 'out', at.timeMs + (write.visibilityMs ?? options!.visibilityMs));
          next.token = { term: at.term, index: at.index };
          next.deliveries++;
          messages.push(next);
        }
        return { messages: messages.map(({ id, body, deliveries, atMs }) => ({ id, body, deliveries, atMs })) };
      }
      case 'queue-redrive':
      case 'queue-purge': {
        if (options === undefined) return 'QUEUE_NOT_FOUND';
        const isAll = write.op === 'queue-purge' && write.which === 'all';
        const chosen = this.of(queue).filter(
          (one) => isAll || (one.standing === 'dead' && write.messages?.includes(one.id) !== false),
        );
        if (write.op === 'queue-purge') this.messages = this.messages.filter((one) => !chosen.includes(one));
        else for (const one of chosen) Object.assign(one, { standing: 'ready', deliveries: 0 });
        return { count: chosen.length, left: this.of(queue).filter((one) => isAll || one.standing === 'dead').length };
      }
    }
    const message = this.held(queue, write.receipt);
    if (message === undefined) return 'RECEIPT_EXPIRED';
    if (write.op === 'queue-ack') this.messages = this.messages.filter((one) => one !== message);
    if (write.op === 'queue-extend') message.atMs = at.timeMs + write.visibilityMs;
    if (write.op === 'queue-nack') {
      if (write.unseen === true) message.deliveries--;
      this.back(message, write.delayMs ?? 0, at.timeMs);
      return { message: message.id, dead: message.standing === ('dead' as string) };
    }
    return { message: message.id };
  }

  send(at: At, write: Extract<QueueWrite, { op: 'queue-send' }>, options: QueueOptions): unknown {
    const { queue, dedup = null, delayMs = 0 } = write;
    this.seen = this.seen.filter((one) => one.queue !== queue || at.timeMs - one.timeMs < options.dedupMs);
    const before = this.seen.find((one) => one.queue === queue && one.id === dedup);
    if (before !== undefined) return { message: before.message, duplicate: true };
    if (this.of(queue).length >= options.messagesMax) return 'OVERLOADED';
    this.queues.set(queue, options);
    if (dedup !== null) this.seen.push({ queue, id: dedup, message: at.index, timeMs: at.timeMs });
    this.messages.push({
      ...{ id: at.index, queue, body: Buffer.from(write.body).toString(), ordering: write.ordering ?? null, dedup },
      ...{ sentMs: at.timeMs, deliveries: 0, standing: delayMs > 0 ? 'delayed' : 'ready' },
      ...{ atMs: delayMs > 0 ? at.timeMs + delayMs : 0, token: null },
    });
    return { message: at.index, duplicate: false };
  }
}
