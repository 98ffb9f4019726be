// Work queues: clients send, some again under the same deduplication id; receive, dawdle, extend, acknowledge, give back, forget. In the
// end everything is taken out. What may be true of what they saw is for queue-judge.ts to say.
import type { QueueMessage, QueueStats, Receipt } from '../../machines/queue/index.ts';
import type { RegisterResult, RegisterWrite } from '../../machines/register/types.ts';
import { readUtf8, utf8 } from '../../machines/wire/octets.ts';
import type { Client, Ending } from './client.ts';
import { inTurn, type Job, untilTold } from './job.ts';
import { type Given, nothingSeen, type Seen, type Sent, wrongOf } from './queue-judge.ts';

const dayMs = 86_400_000;
const visibilities = [50, 500, 3_000] as const;
const dwellMsMax = 600;
const takeOutMs = 1_000;
const extendMs = 500;
const resends = 3;
const againMsMax = 2_000;

type Op<Name extends RegisterWrite['op']> = Extract<RegisterWrite, { op: Name }>;
type Of<Name extends RegisterResult['op']> = Extract<RegisterResult, { op: Name }>;

const resultOf = <Name extends RegisterResult['op']>(ending: Ending, op: Name): Of<Name> | null =>
  ending.type === 'ok' && ending.result.op === op ? (ending.result as Of<Name>) : null;

export const queue = (): Job => {
  const queues = new Map<string, Seen>();
  /** Where what was not said by default is said. */
  const configured = new Set<string>();
  let wrong: string | null = null;

  const seenAt = (name: string): Seen => {
    // Of every other one messages die after a few deliveries; of the others the order is known to the end.
    const seen = queues.get(name) ?? nothingSeen(Number(/\d+$/.exec(name)![0]) % 2 === 1);
    queues.set(name, seen);
    return seen;
  };

  const configure = (client: Client, name: string, done: (isConfigured: boolean) => void): void => {
    if (configured.has(name)) return done(true);
    const options = { maxDeliveries: seenAt(name).dies ? 3 : 1_000, dedupMs: dayMs };
    client.write({ op: 'queue-configure', queue: name, options }, true, ({ type }) => {
      if (type === 'ok') configured.add(name);
      done(type === 'ok');
    });
  };

  // -------------------------------------------------------------- sending

  const send = (client: Client, name: string, done: () => void): void => {
    const { chance } = client;
    const value = client.unique;
    const how = chance.pick(['once', 'insists', 'dedup', 'twice'] as const);
    const ordering = chance.pick([null, 'a', 'b']);
    const sent: Sent = { value, ordering, end: 'info', message: null };
    seenAt(name).sent.set(value, sent);
    const write: Op<'queue-send'> = {
      ...{ op: 'queue-send', queue: name, body: utf8(value) },
      ...(ordering === null ? {} : { ordering }),
      ...(chance.happens(0.2) ? { delayMs: chance.between(1, 200) } : {}),
      ...(how === 'dedup' || how === 'twice' ? { dedup: value } : {}),
    };
    let isInDoubt = false;
    const attempt = (left: number): void =>
      client.write(write, how === 'insists', (ending) => {
        const result = resultOf(ending, 'queue-send');
        if (result !== null) {
          if (sent.message !== null && sent.message !== result.message)
            wrong ??= `${name}: ${value} was sent under one id and is both ${sent.message} and ${result.message}`;
          sent.message = result.message;
          sent.end = 'ok';
          if (how !== 'twice' || left < resends) return done();
          return client.after(chance.between(0, againMsMax), () => attempt(left - 1));
        }
        isInDoubt ||= ending.type === 'info';
        if (sent.end === 'ok') return done();
        if (how === 'dedup' && isInDoubt && left > 0) return attempt(left - 1);
        if (!isInDoubt) sent.end = 'fail';
        done();
      });
    attempt(resends);
  };

  // -------------------------------------------------------------- receiving

  const note = (name: string, message: QueueMessage, visibilityMs: number): Given => {
    const given: Given = {
      ...{ message: message.message, value: readUtf8(message.body, 0, message.body.byteLength) ?? 'no text' },
      ...{ ordering: message.ordering, index: message.token.index, visibleMs: message.visibleMs },
      ...{ logMs: message.visibleMs - visibilityMs, deliveries: message.deliveries, backFrom: Number.POSITIVE_INFINITY },
    };
    seenAt(name).given.push(given);
    return given;
  };

  const acknowledge = (client: Client, name: string, receipt: Receipt, insists: boolean, done: () => void): void =>
    client.write({ op: 'queue-ack', queue: name, receipt }, insists, (ending) => {
      const { done: ends } = seenAt(name);
      const known = ends.get(receipt.message)?.at ?? 0;
      const given = receipt.token.index;
      if (ending.type === 'ok') {
        if (known !== 0) wrong ??= `${name}: message ${receipt.message} was acknowledged twice`;
        ends.set(receipt.message, { at: ending.result.index, given });
      } else if (ending.type === 'info' && known === 0) ends.set(receipt.message, { at: 0, given });
      done();
    });

  const giveBack = (client: Client, name: string, given: Given, receipt: Receipt, done: () => void): void => {
    const delayMs = client.chance.pick([0, 0, 100]);
    client.write({ op: 'queue-nack', queue: name, receipt, delayMs }, false, (ending) => {
      if (ending.type === 'ok') given.backFrom = ending.result.index;
      if (ending.type === 'info') given.backFrom = 0;
      done();
    });
  };

  const extend = (client: Client, name: string, given: Given, receipt: Receipt, done: () => void): void =>
    client.write({ op: 'queue-extend', queue: name, receipt, visibilityMs: extendMs }, false, (ending) => {
      const result = resultOf(ending, 'queue-extend');
      if (result !== null) given.visibleMs = result.visibleMs;
      else if (ending.type === 'info') given.visibleMs = Math.min(given.visibleMs, given.logMs + extendMs);
      done();
    });

  const work = (client: Client, name: string, given: Given, message: QueueMessage, done: () => void): void => {
    const { chance } = client;
    const receipt = { message: message.message, token: message.token };
    const fate = chance.pick(['ack', 'ack', 'ack', 'ack', 'extend', 'nack', 'forget'] as const);
    const insists = chance.happens(0.6);
    client.after(chance.happens(0.5) ? 0 : chance.between(0, dwellMsMax), () => {
      if (fate === 'forget') return done();
      if (fate === 'nack') return giveBack(client, name, given, receipt, done);
      if (fate === 'ack') return acknowledge(client, name, receipt, insists, done);
      extend(client, name, given, receipt, () => acknowledge(client, name, receipt, insists, done));
    });
  };

  const receive = (client: Client, name: string, done: () => void): void => {
    const { chance } = client;
    const visibilityMs = chance.pick(visibilities);
    const asked = { max: chance.between(1, 5), waitMs: chance.pick([0, 0, 100, 1_000]), visibilityMs };
    client.write({ op: 'queue-receive', queue: name, ...asked }, chance.happens(0.5), (ending) => {
      const messages = resultOf(ending, 'queue-receive')?.messages ?? [];
      const all = messages.map((message) => ({ message, given: note(name, message, visibilityMs) }));
      inTurn(all, ({ message, given }, next) => work(client, name, given, message, next), done);
    });
  };

  // -------------------------------------------------------------- the end

  /** Until nothing is left that a receiver may ever have. Clocks that had jumped ahead are caught up with: log time never goes back. */
  const takeOut = (auditor: Client, name: string, done: () => void): void => {
    const write = { op: 'queue-receive', queue: name, max: 50, waitMs: 500, visibilityMs: takeOutMs } as const;
    auditor.write(write, true, (ending) => {
      const messages = resultOf(ending, 'queue-receive')?.messages ?? [];
      let open = messages.length;
      const next = (): void =>
        untilTold<RegisterResult>(
          (answer) => auditor.read({ op: 'queue-stats', queue: name }, 'linearizable', answer),
          (result) => {
            const { ready, delayed, out } = (result as { stats: QueueStats }).stats;
            if (ready + delayed + out === 0) return done();
            auditor.after(50, () => takeOut(auditor, name, done));
          },
        );
      for (const message of messages) {
        note(name, message, takeOutMs);
        const receipt = { message: message.message, token: message.token };
        acknowledge(auditor, name, receipt, true, () => {
          if (--open === 0) next();
        });
      }
      if (open === 0) next();
    });
  };

  const letters = (auditor: Client, name: string, after: number, done: () => void): void =>
    untilTold<RegisterResult>(
      (answer) => auditor.read({ op: 'queue-dead', queue: name, after, limit: 1_000 }, 'linearizable', answer),
      (result) => {
        if (result.op !== 'queue-dead') throw new Error(`queue-dead was answered with ${result.op}`);
        for (const { body } of result.letters) seenAt(name).dead.add(readUtf8(body, 0, body.byteLength) ?? 'no text');
        const last = result.letters.at(-1);
        if (!result.more || last === undefined) return done();
        letters(auditor, name, last.message, done);
      },
    );

  return {
    run(client, done) {
      const name = client.keyOf('queue');
      const sends = client.chance.happens(0.6);
      configure(client, name, (isConfigured) => {
        if (!isConfigured) return done();
        if (sends) send(client, name, done);
        else receive(client, name, done);
      });
    },
    audit(auditor, done) {
      auditor.catchUpClocks();
      const each = (name: string, next: () => void): void => takeOut(auditor, name, () => letters(auditor, name, 0, next));
      inTurn([...configured], each, done);
    },
    verdict() {
      for (const [name, seen] of queues) {
        const found = wrongOf(seen);
        if (found !== null) wrong ??= `${name}: ${found}`;
      }
      return wrong;
    },
  };
};
