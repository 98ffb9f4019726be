// Announcements as nodes have them: who listens hears each once, whatever the topic loses, whoever comes late, starts again or was
// thrown out.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Announced } from '../../actors/api.ts';
import { PolityError } from '../../machines/errors.ts';
import { encodeEnvelope, wireVersion } from '../../machines/wire/envelope.ts';
import { bytesOf, collector, createHandCluster, type HandNode } from './hand-cluster.ts';

const formed = () => {
  const cluster = createHandCluster();
  const nodes = cluster.form();
  cluster.pass(2_000);
  return { cluster, nodes };
};

const ear = ({ api }: HandNode, topic = 'news'): { heard: Announced[]; texts: () => string[]; end: () => void } => {
  const heard: Announced[] = [];
  const end = api.gossip.subscribe(topic, (announced) => heard.push(announced));
  return { heard, end, texts: () => heard.map(({ body }) => Buffer.from(body).toString()) };
};

const say = (node: HandNode, text: string, ttlMs = 60_000, topic = 'news'): string[] => {
  const said = collector<{ sequence: number }>();
  node.api.gossip.publish(topic, bytesOf(text), { ttlMs }, said.done());
  return said.codes();
};

test('all who listen hear what is announced, once, whoever announces it', () => {
  const { cluster, nodes } = formed();
  const ears = nodes.map((node) => ear(node));
  for (const node of nodes) assert.deepEqual(say(node, `by ${node.name}`), ['ok']);
  say(nodes[0], 'of something else', 60_000, 'other');
  cluster.pass(5_000);
  for (const { texts } of ears) assert.deepEqual(texts().sort(), ['by n1', 'by n2', 'by n3']);
  assert.equal(ears[1]!.heard.find(({ source }) => source === nodes[0].peer)?.topic, 'news');
});

test('what the topic loses comes with an exchange, in its order', () => {
  const { cluster, nodes } = formed();
  const ears = nodes.map((node) => ear(node));
  let lost = 0;
  cluster.lose(({ lane }) => lane === 'topic' && ++lost % 2 === 0);
  const all = Array.from({ length: 20 }, (_, at) => `${at}`);
  for (const text of all) {
    say(nodes[0], text);
    cluster.pass(20);
  }
  cluster.until(() => ears.every(({ heard }) => heard.length === 20), 10_000);
  for (const { texts } of ears) assert.deepEqual(texts(), all);
  assert.ok(nodes.some(({ counts }) => (counts.get('gossip_announcements_total repaired') ?? 0) > 0));
  assert.equal(nodes[0].counts.get('gossip_announcements_total published'), 20);
});

test('who begins to listen late, or starts late, hears what still holds', () => {
  const { cluster, nodes } = formed();
  const [n1, n2] = nodes;
  say(n1, 'long', 600_000);
  say(n1, 'short', 1_000);
  cluster.pass(2_000);
  assert.deepEqual(ear(n2).texts(), ['long']);
  const n4 = cluster.start('n4', { bootstrap: [] });
  const late = ear(n4);
  cluster.until(() => late.heard.length > 0, 5_000);
  cluster.pass(2_000);
  assert.deepEqual(late.texts(), ['long']);
});

test('a node that starts again announces anew, and hears what others announced', () => {
  const { cluster, nodes } = formed();
  const [n1, n2, n3] = nodes;
  const first = ear(n1);
  say(n3, 'before');
  say(n2, 'meanwhile');
  cluster.pass(500);
  const contents = cluster.kill(n3);
  const again = cluster.start('n3', { contents });
  const heard = ear(again);
  cluster.until(() => heard.texts().includes('meanwhile'), 5_000);
  cluster.until(() => say(again, 'after').includes('ok'), 2_000);
  cluster.until(() => first.texts().includes('after'), 5_000);
  assert.deepEqual(first.texts().sort(), ['after', 'before', 'meanwhile']);
});

test('who was thrown out is not heard any more', () => {
  const { cluster, nodes } = formed();
  const [n1, n2, n3] = nodes;
  const heard = ear(n2);
  say(n3, 'before');
  cluster.pass(500);
  assert.equal(n1.api.evict(n3.peer), true);
  cluster.pass(1_000);
  say(n3, 'after');
  cluster.pass(5_000);
  assert.deepEqual(heard.texts(), ['before']);
});

test('nobody is told after it ended its listening, and who listens twice is told twice', () => {
  const { cluster, nodes } = formed();
  const [n1] = nodes;
  const twice = [ear(n1), ear(n1)];
  say(n1, 'one');
  twice[0]!.end();
  twice[0]!.end();
  say(n1, 'two');
  cluster.pass(100);
  assert.deepEqual(
    twice.map(({ texts }) => texts()),
    [['one'], ['one', 'two']],
  );
});

test('a listener that throws is logged, and nobody else misses anything', () => {
  const { cluster, nodes } = formed();
  const [n1] = nodes;
  n1.api.gossip.subscribe('news', () => {
    throw new Error('of its own');
  });
  const other = ear(n1);
  say(n1, 'one');
  cluster.pass(100);
  assert.deepEqual(other.texts(), ['one']);
  for (let at = 0; at < 50; at++) say(n1, `${at}`);
  const told = n1.lines.filter(({ code }) => code === 'LISTENER_THREW');
  assert.deepEqual(
    told.map(({ message }) => message),
    ['of its own'],
    'once a second',
  );
  assert.equal(n1.counts.get('gossip_listeners_threw_total'), 51);
  assert.equal(n1.api.status().actors.find(({ address }) => address === 'gossip')?.restarts, 0);
});

test('a listener that announces in turn is heard', () => {
  const { cluster, nodes } = formed();
  const [n1, n2] = nodes;
  const heard = ear(n1, 'answer');
  n2.api.gossip.subscribe('news', () => say(n2, 'answered', 60_000, 'answer'));
  say(n1, 'asked');
  cluster.pass(100);
  assert.deepEqual(heard.texts(), ['answered']);
});

test('who begins to listen while something is heard hears it once', () => {
  const { cluster, nodes } = formed();
  const [n1, n2] = nodes;
  const within: { texts: () => string[] }[] = [];
  n2.api.gossip.subscribe('news', () => {
    if (within.length === 0) within.push(ear(n2));
  });
  // Both arrive in one step: the first is waited for.
  let lost = 0;
  cluster.lose(({ lane }) => lane === 'topic' && ++lost <= 2);
  say(n1, 'one');
  cluster.pass(5);
  say(n1, 'two');
  cluster.pass(2_000);
  assert.deepEqual(within[0]!.texts(), ['one', 'two']);
});

test('what cannot be announced is refused by name', () => {
  const { nodes } = formed();
  const [n1] = nodes;
  const publish = (topic: unknown, body: unknown, ttlMs: unknown): string[] => {
    const said = collector<{ sequence: number }>();
    n1.api.gossip.publish(topic as string, body as Uint8Array, { ttlMs: ttlMs as number }, said.done());
    return said.codes();
  };
  assert.deepEqual(publish('', bytesOf('x'), 1_000), ['INVALID_REQUEST']);
  assert.deepEqual(publish(null, bytesOf('x'), 1_000), ['INVALID_REQUEST']);
  assert.deepEqual(publish('t', 'text', 1_000), ['INVALID_REQUEST']);
  assert.deepEqual(publish('t', undefined, 1_000), ['INVALID_REQUEST']);
  assert.deepEqual(publish('t', bytesOf('x'), 'soon'), ['INVALID_REQUEST']);
  assert.deepEqual(publish('t', new Uint8Array(20_000), 1_000), ['TOO_LARGE']);
  assert.equal(n1.api.status().actors.find(({ address }) => address === 'gossip')?.restarts, 0);
});

test('listeners are bounded', () => {
  const { nodes } = formed();
  const [n1] = nodes;
  const ends = Array.from({ length: 1_024 }, (_, at) => n1.api.gossip.subscribe(`t${at % 7}`, () => {}));
  assert.throws(
    () => n1.api.gossip.subscribe('t', () => {}),
    (error) => error instanceof PolityError && error.code === 'OVERLOADED',
  );
  ends[0]!();
  n1.api.gossip.subscribe('t', () => {});
});

test('what is published and is no announcement is refused by name, and brings nobody down', () => {
  const { cluster, nodes } = formed();
  const [n1, n2] = nodes;
  const envelope = (given: Record<string, unknown>): Uint8Array =>
    encodeEnvelope({
      ...{ version: wireVersion, source: 'gossip', target: 'gossip', type: 'announcement', id: 0, correlation: 0 },
      ...{ timeLeftMs: 0, trace: '', body: [1, 1, 0, 't', 1_000, bytesOf('x')], ...given },
    });
  const publish = (bytes: Uint8Array): void => {
    cluster.network.letters.push({ from: n2.peer, to: n1.peer, lane: 'topic', topic: 'announcements', bytes });
    cluster.network.deliver();
  };
  const heard = ear(n1, 't');
  // A published envelope proves a member, not which: it may say nothing but announcements.
  for (const bytes of [
    new Uint8Array([1, 2, 3]),
    envelope({ version: 99 }),
    envelope({ target: 'raft/kv', type: 'raft' }),
    envelope({ type: 'answer', correlation: 1 }),
    envelope({ type: 'exchange' }),
    envelope({ body: 'x' }),
    envelope({ body: [1, 0, 0, 't', 1_000, bytesOf('x')] }),
  ])
    publish(bytes);
  assert.deepEqual(heard.heard, []);
  const refused = [...n1.counts].filter(([name]) => name.startsWith('messages_refused_total'));
  assert.equal(
    refused.reduce((sum, [, count]) => sum + count, 0),
    7,
    JSON.stringify(refused),
  );
  publish(envelope({}));
  assert.equal(heard.heard.length, 1);
});

test('after a fault of its own the actor goes on where it was: nothing that it says is taken for a repeat', () => {
  const { cluster, nodes } = formed();
  const [n1, n2] = nodes;
  const heard = ear(n2);
  say(n1, 'one');
  say(n1, 'two');
  cluster.pass(100);
  n1.api.gossip.publish('news', bytesOf('three'), {}, () => {
    throw new Error('a fault');
  });
  cluster.pass(3_000);
  assert.equal(n1.api.status().actors.find(({ address }) => address === 'gossip')?.restarts, 1);
  say(n1, 'four');
  cluster.pass(5_000);
  assert.deepEqual(heard.texts(), ['one', 'two', 'four'], 'what it failed over is lost with it, and nobody waits for it');
});
