// Topics: clients publish, some again under the same id, some waiting for acknowledgements; they read under a name, which others have too,
// or without one, handle, dawdle, and leave what they were given. In the end every subscription is brought to its end. What may be true
// of what they saw is for topic-judge.ts to say.
import type { Feed, FeedEvent, Publication } from '../../actors/topic-api.ts';
import { publishKey, type RegisterResult } from '../../machines/register/index.ts';
import { readUtf8, utf8 } from '../../machines/wire/octets.ts';
import type { SimulatedNode } from '../node.ts';
import type { Client } from './client.ts';
import { inTurn, type Job, untilTold } from './job.ts';
import { type Publishing, type Reader, TopicJudge } from './topic-judge.ts';

const subscriptions = ['s', 't', 'u'] as const;
const lastsMs: readonly [number, number] = [50, 4_000];
const dwellMs: readonly [number, number] = [0, 200];
/** Of every other topic only so many are kept. */
const keptMax = 4;
const pageMax = 256;
/** In the end a subscription may need a new holder, and after that its messages come at once. */
const drainMs = 15_000;
const drainsMax = 12;

const textOf = (body: Uint8Array): string => readUtf8(body, 0, body.byteLength) ?? 'no text';

export const topic = (): Job => {
  const judges = new Map<string, TopicJudge>();
  const configured = new Set<string>();
  let wrong: string | null = null;

  const keepsAll = (name: string): boolean => Number(/\d+$/.exec(name)![0]) % 2 === 0;
  const judgeOf = (name: string): TopicJudge => {
    const judge = judges.get(name) ?? new TopicJudge(keepsAll(name));
    judges.set(name, judge);
    return judge;
  };

  const configure = (client: Client, name: string, done: (isConfigured: boolean) => void): void => {
    if (configured.has(name)) return done(true);
    const retention = keepsAll(name) ? { messagesMax: 1_000_000, ageMs: 365 * 86_400_000 } : { messagesMax: keptMax };
    client.write({ op: 'topic-configure', topic: name, retention }, true, ({ type }) => {
      if (type === 'ok') configured.add(name);
      done(type === 'ok');
    });
  };

  // -------------------------------------------------------------- publishing

  const publish = (client: Client, name: string, done: () => void): void => {
    const text = client.unique;
    const publishing: Publishing = { text, end: 'info', sequence: null };
    judgeOf(name).published.set(text, publishing);
    const write = { op: 'topic-publish', topic: name, body: utf8(text), subscriptionsMin: 0 } as const;
    client.write(write, client.chance.happens(0.6), (ending) => {
      publishing.end = ending.type;
      if (ending.type === 'ok' && ending.result.op === 'topic-publish') publishing.sequence = ending.result.sequence;
      done();
    });
  };

  /** Through the door that programs use; a node that dies meanwhile answers nothing. */
  const publishForMany = (client: Client, name: string, done: () => void): void => {
    const judge = judgeOf(name);
    const text = client.unique;
    const publishing: Publishing = { text, end: 'info', sequence: null };
    judge.published.set(text, publishing);
    const publication: Publication = { topic: name, body: utf8(text), delivery: 'quorum', id: publishKey(name, text) };
    let isOver = false;
    const end = (): void => {
      if (isOver) return;
      isOver = true;
      done();
    };
    client.after(12_000, end);
    const isSent = client.pickNode().enter('publish', (api) =>
      api.topics.publish(publication, { group: client.group, timeoutMs: 3_000 }, (outcome) => {
        if (outcome.ok) {
          publishing.end = 'ok';
          publishing.sequence = outcome.value.sequence;
          judge.acknowledged.push({ sequence: outcome.value.sequence!, count: outcome.value.acknowledged! });
        } else if (outcome.failure.code === 'NOT_ACKNOWLEDGED') {
          publishing.end = 'ok';
          publishing.sequence = Number(outcome.failure.details?.sequence);
        } else if (outcome.failure.code === 'NO_QUORUM') publishing.end = 'info';
        end();
      }),
    );
    if (isSent) return;
    publishing.end = 'fail';
    end();
  };

  // -------------------------------------------------------------- reading

  type Session = {
    name: string;
    reader: Reader;
    from: 'new' | 'oldest';
    forMs: number;
    /** What becomes of a message. */
    fate: () => 'handle' | 'leave';
    dwell: () => number;
    /** Ends it early. */
    isEnough: (sequence: number) => boolean;
  };

  /** From the opening of a feed at this node to its end, or the node's. */
  const read = (client: Client, node: SimulatedNode, session: Session, done: () => void): void => {
    const { name, reader, from } = session;
    const judge = judgeOf(name);
    const life = node.lives;
    let feed: Feed | null = null;
    let isOver = false;
    const within = (run: () => void): void => {
      if (!isOver && node.lives === life) node.enter('feed', run);
    };
    const end = (): void => {
      if (isOver) return;
      if (node.lives === life) node.enter('feed', () => feed?.end());
      isOver = true;
      done();
    };
    const on = (event: FeedEvent): void => {
      if (isOver) return;
      switch (event.type) {
        case 'active':
          judge.took(reader, event.token.index, event.next);
          break;
        case 'lost':
          judge.lost(reader, event.from!, event.count);
          break;
        case 'message':
          return onMessage(event.sequence!, textOf(event.body));
        case 'failed':
          return end();
        case 'standby':
          break;
      }
      feed?.next(on);
    };
    const onMessage = (sequence: number, text: string): void => {
      judge.given(reader, sequence, text);
      if (session.fate() === 'leave') return end();
      const dwellMs = session.dwell();
      const handle = (): void => {
        judge.handled(reader, sequence);
        feed?.handled(sequence);
        if (session.isEnough(sequence)) return end();
        feed?.next(on);
      };
      if (dwellMs === 0) handle();
      else client.after(dwellMs, () => within(handle));
    };
    const named = reader.subscription === null ? {} : { subscription: reader.subscription };
    const isOpen = node.enter('feed', (api) => {
      feed = api.topics.feed({ topic: name, group: client.group, delivery: 'at-least-once', from, ...named });
      feed.next(on);
    });
    if (!isOpen) return end();
    client.after(session.forMs, end);
  };

  const session = (client: Client, name: string, done: () => void): void => {
    const { chance } = client;
    const subscription = chance.pick([null, ...subscriptions]);
    const isHasty = chance.happens(0.5);
    read(
      client,
      client.pickNode(),
      {
        ...{ name, reader: { subscription, expected: null }, from: chance.pick(['new', 'oldest']) },
        forMs: chance.tail(...lastsMs),
        fate: () => (chance.happens(0.9) ? 'handle' : 'leave'),
        dwell: () => (isHasty ? 0 : chance.between(...dwellMs)),
        isEnough: () => false,
      },
      done,
    );
  };

  // -------------------------------------------------------------- the end

  type Page = Extract<RegisterResult, { op: 'topic-read' }>;
  const ask = (auditor: Client, name: string, from: number, done: (page: Page) => void): void =>
    untilTold<RegisterResult>(
      (answer) =>
        auditor.read(
          { op: 'topic-read', topic: name, id: 0, from, limit: pageMax, waitMs: 0, since: 0 },
          'linearizable',
          answer,
        ),
      (result) => done(result as Page),
    );

  const readAll = (auditor: Client, name: string, done: (next: number) => void): void => {
    const messages: { sequence: number; text: string }[] = [];
    const more = (from: number, first: number): void =>
      ask(auditor, name, from, (page) => {
        const start = first === 0 ? page.first : first;
        for (const { sequence, body } of page.messages) messages.push({ sequence, text: textOf(body) });
        const reached = messages.at(-1)?.sequence ?? start - 1;
        if (reached + 1 < page.next && page.messages.length > 0) return more(reached + 1, start);
        judgeOf(name).kept(start, messages);
        done(page.next);
      });
    more(1, 0);
  };

  const drain = (auditor: Client, name: string, subscription: string, next: number, done: () => void): void => {
    let left = drainsMax;
    const again = (): void =>
      untilTold<RegisterResult>(
        (answer) => auditor.read({ op: 'topic-get', topic: name }, 'linearizable', answer),
        (result) => {
          const found = result.op === 'topic-get' ? result.found : null;
          const one = found?.subscriptions.find((each) => each.name === subscription);
          if (one === undefined || one.next >= next) return done();
          if (left-- === 0) {
            wrong ??= `${name}: ${subscription} stays at ${one.next} of ${next}, held by ${one.holder?.node ?? 'nobody'}`;
            return done();
          }
          read(
            auditor,
            auditor.pickNode(),
            {
              ...{ name, reader: { subscription, expected: null }, from: 'oldest', forMs: drainMs },
              ...{ fate: () => 'handle', dwell: () => 0, isEnough: (sequence) => sequence + 1 >= next },
            },
            () => auditor.after(3_000, again),
          );
        },
      );
    again();
  };

  return {
    run(client, done) {
      const name = client.keyOf('topic');
      const what = client.chance.pick(['publish', 'publish', 'publish', 'quorum', 'read', 'read', 'read'] as const);
      configure(client, name, (isConfigured) => {
        if (!isConfigured) return done();
        if (what === 'publish') publish(client, name, done);
        else if (what === 'quorum') publishForMany(client, name, done);
        else session(client, name, done);
      });
    },
    audit(auditor, done) {
      const each = (name: string, next: () => void): void =>
        readAll(auditor, name, (end) => {
          const named = [...judgeOf(name).subscriptions.keys()];
          inTurn(named, (subscription, then) => drain(auditor, name, subscription, end, then), next);
        });
      inTurn([...configured], each, done);
    },
    verdict() {
      for (const [name, judge] of judges) {
        const found = judge.verdict();
        if (found !== null) wrong ??= `${name}: ${found}`;
      }
      return wrong;
    },
  };
};
