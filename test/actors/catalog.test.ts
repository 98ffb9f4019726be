// Who offers what, as nodes know it: offers spread to all, whatever is lost, whoever comes late, starts again, leaves or is thrown out.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PolityError } from '../../machines/errors.ts';
import { encodeEnvelope, wireVersion } from '../../machines/wire/envelope.ts';
import { offerOf } from '../machines/catalog/stage.ts';
import { bytesOf, collector, createHandCluster, envelopeOf, type HandNode } from './hand-cluster.ts';

const formed = () => {
  const cluster = createHandCluster();
  const nodes = cluster.form();
  cluster.pass(2_000);
  return { cluster, nodes };
};

const offer = ({ api }: HandNode, ...given: Parameters<typeof offerOf>): string[] => {
  const asked = collector<null>();
  api.catalog.offer(offerOf(...given), asked.done());
  return asked.codes();
};

const withdraw = ({ api }: HandNode, name: string): string[] => {
  const asked = collector<null>();
  api.catalog.withdraw({ kind: 'service', name, version: '1.0.0' }, asked.done());
  return asked.codes();
};

/** Who offers it, as this node knows it. */
const ownersAt = ({ api }: HandNode, name: string): string[] => {
  const found = api.catalog.find({ name });
  assert.ok(found.ok);
  return found.entries.map(({ owner }) => owner).sort();
};

const knows = (nodes: readonly HandNode[], name: string, owners: string[]): boolean =>
  nodes.every((node) => ownersAt(node, name).join() === owners.join());

const letterOf = (from: HandNode, to: HandNode, body: unknown) => ({
  ...{ from: from.peer, to: to.peer, lane: 'bulk' as const },
  bytes: encodeEnvelope({
    ...{ version: wireVersion, source: 'catalog', target: 'catalog', type: 'catalog', id: 0, correlation: 0 },
    ...{ timeLeftMs: 0, trace: '', body },
  }),
});

const restartsOf = ({ api }: HandNode): number | undefined =>
  api.status().actors.find(({ address }) => address === 'catalog')?.restarts;

test('what one offers all find, the same list as long as nothing changes; what it withdraws nobody finds', () => {
  const { cluster, nodes } = formed();
  const [n1, n2, n3] = nodes;
  assert.deepEqual(offer(n1, 'resize'), ['ok']);
  assert.deepEqual(ownersAt(n1, 'resize'), ['p-n1'], 'at once where it is offered');
  cluster.until(() => knows(nodes, 'resize', ['p-n1']), 1_000);
  const list = n2.api.catalog.find({ name: 'resize' });
  assert.equal(n2.api.catalog.find({ name: 'resize' }), list);
  offer(n3, 'resize');
  cluster.until(() => knows(nodes, 'resize', ['p-n1', 'p-n3']), 1_000);
  cluster.pass(200_000);
  assert.ok(knows(nodes, 'resize', ['p-n1', 'p-n3']), 'it is renewed');
  assert.deepEqual(withdraw(n1, 'resize'), ['ok']);
  assert.deepEqual(withdraw(n1, 'resize'), ['NOT_FOUND']);
  cluster.until(() => knows(nodes, 'resize', ['p-n3']), 1_000);
});

test('what is lost on the way is asked for, and who starts late learns everything from one of the others', () => {
  const { cluster, nodes } = formed();
  const [n1, n2] = nodes;
  // Whoever began has asked for everything by then.
  cluster.pass(10_000);
  // Gossip would mend it; the catalog does so by itself, too.
  cluster.lose(({ lane }, { target }) => lane === 'topic' || target === 'gossip');
  for (let at = 0; at < 5; at++) offer(n1, `s${at}`);
  cluster.pass(5_000);
  assert.deepEqual(ownersAt(n2, 's0'), []);
  cluster.lose((_, { target, type }) => target === 'gossip' && type === 'exchange');
  cluster.until(() => knows(nodes, 's4', ['p-n1']), 60_000);
  const n4 = cluster.start('n4', { bootstrap: [] });
  cluster.until(() => knows([n4], 's4', ['p-n1']), 2_000);
  assert.ok((n2.counts.get('catalog_asks_total owner') ?? 0) > 0);
});

test('what a node offered before a crash ends when it begins anew; one that stops takes along what it offered', () => {
  const { cluster, nodes } = formed();
  const [n1, n2, n3] = nodes;
  offer(n3, 'old');
  offer(n2, 'both');
  cluster.until(() => knows(nodes, 'old', ['p-n3']), 1_000);
  const contents = cluster.kill(n3);
  cluster.pass(5_000);
  assert.ok(knows([n1, n2], 'old', ['p-n3']), 'who seems to have failed keeps its offers until they end');
  const again = cluster.start('n3', { contents });
  cluster.until(() => knows([n1, n2, again], 'old', []), 5_000);
  cluster.until(() => knows([again], 'both', ['p-n2']), 5_000);
  offer(again, 'new');
  cluster.until(() => knows([n1, n2], 'new', ['p-n3']), 5_000);
  let stopped = false;
  n2.api.stop(() => {
    stopped = true;
  });
  cluster.until(() => stopped, 5_000);
  assert.ok(knows([n1, again], 'both', []));
});

test('the offers of one that crashed end by time', () => {
  const { cluster, nodes } = formed();
  const [n1, n2, n3] = nodes;
  offer(n3, 's');
  cluster.until(() => knows(nodes, 's', ['p-n3']), 1_000);
  cluster.kill(n3);
  cluster.pass(121_000);
  assert.ok(knows([n1, n2], 's', []));
});

test('who is thrown out is found no more, whatever it says', () => {
  const { cluster, nodes } = formed();
  const [n1, n2, n3] = nodes;
  offer(n3, 's');
  cluster.until(() => knows(nodes, 's', ['p-n3']), 1_000);
  assert.equal(n1.api.evict(n3.peer), true);
  cluster.until(() => knows([n1, n2], 's', []), 2_000);
  offer(n3, 't');
  cluster.pass(60_000);
  assert.ok(knows([n1, n2], 't', []));
});

test('both sides of a cut go on, and know the same soon after it is mended', () => {
  const { cluster, nodes } = formed();
  const [n1, n2, n3] = nodes;
  offer(n1, 'before');
  cluster.until(() => knows(nodes, 'before', ['p-n1']), 1_000);
  cluster.lose(({ from, to }) => (from === n3.peer) !== (to === n3.peer));
  cluster.pass(5_000);
  offer(n1, 'there');
  offer(n3, 'here');
  withdraw(n1, 'before');
  cluster.pass(20_000);
  assert.ok(knows([n1, n2], 'there', ['p-n1']) && knows([n3], 'here', ['p-n3']));
  assert.ok(knows([n3], 'before', ['p-n1']), 'it has not heard');
  cluster.lose(() => false);
  for (const other of [n1, n2]) cluster.connect(n3, other);
  const agree = () => knows(nodes, 'there', ['p-n1']) && knows(nodes, 'here', ['p-n3']) && knows(nodes, 'before', []);
  cluster.until(agree, 30_000);
});

test('an actor that begins anew offers what the one before offered, and soon knows again what others do', () => {
  const { cluster, nodes } = formed();
  const [n1, n2] = nodes;
  offer(n1, 'mine');
  offer(n2, 'yours');
  cluster.until(() => knows(nodes, 'mine', ['p-n1']) && knows(nodes, 'yours', ['p-n2']), 1_000);
  // Longer than announcements hold: what a new one is told by gossip is only that it holds.
  cluster.pass(150_000);
  const told: string[] = [];
  const revisions: number[] = [];
  n1.api.catalog.watch({ prefix: '' }, (revision, changes) => {
    revisions.push(revision);
    for (const { before, after, why } of changes)
      told.push(`${(after ?? before)!.offer.name} ${after === null ? why : 'there'}`);
  });
  // It asks as soon as it is told of something that it does not know.
  cluster.network.full = (letter) => {
    if (letter.from !== n1.peer || envelopeOf(letter).type !== 'catalog') return false;
    cluster.network.full = () => false;
    throw new Error('poisoned');
  };
  n2.api.catalog.offer(offerOf('more'), () => {});
  n2.api.catalog.offer({ ...offerOf('bad'), kind: 'nothing' as never }, () => {});
  cluster.network.letters.push(letterOf(n2, n1, [0, null, null]));
  cluster.pass(1);
  const early = collector<null>();
  n1.api.catalog.offer(offerOf('meanwhile'), early.done());
  assert.deepEqual(early.codes(), [], 'it waits for the new one');
  cluster.until(() => restartsOf(n1) === 1 && knows([n1], 'yours', ['p-n2']), 10_000);
  assert.deepEqual(early.codes(), ['ok']);
  assert.ok(knows([n1], 'mine', ['p-n1']) && knows([n1], 'meanwhile', ['p-n1']));
  cluster.until(() => knows(nodes, 'mine', ['p-n1']) && knows(nodes, 'meanwhile', ['p-n1']), 10_000);
  for (const name of ['mine', 'yours']) {
    assert.ok(told.indexOf(`${name} ended`) < told.lastIndexOf(`${name} there`), told.join());
    assert.ok(told.includes(`${name} ended`));
  }
  assert.deepEqual(
    revisions,
    [...new Set(revisions)].sort((a, b) => a - b),
  );
  withdraw(n1, 'mine');
  cluster.until(() => knows(nodes, 'mine', []), 2_000);
});

test('who watches hears what is wanted until it ends it, or the node stops; lists and descriptions say the same', () => {
  const { cluster, nodes } = formed();
  const [n1, n2] = nodes;
  const heard: string[] = [];
  let isOver = false;
  const end = n1.api.catalog.watch(
    { name: 'a', range: '^1.0.0' },
    (_revision, changes) => {
      for (const { before, after } of changes)
        heard.push(`${before?.offer.version ?? '-'} ${after?.offer.version ?? '-'} ${(after ?? before)!.owner}`);
    },
    () => {
      isOver = true;
    },
  );
  n1.api.catalog.watch({}, () => {
    throw new Error('of its own');
  });
  offer(n2, 'a');
  offer(n2, 'a', { version: '2.0.0' });
  offer(n1, 'a', { version: '1.1.0' });
  offer(n1, 'b');
  cluster.pass(1_000);
  withdraw(n2, 'a');
  cluster.pass(1_000);
  assert.deepEqual(heard, ['- 1.1.0 p-n1', '- 1.0.0 p-n2', '1.0.0 - p-n2']);
  assert.ok(n1.lines.some(({ code }) => code === 'WATCHER_THREW'));
  const page = n1.api.catalog.list({ kind: 'service' }, { limit: 2 });
  assert.ok(page.ok);
  assert.deepEqual(
    page.value.items.map(({ entry }) => `${entry.offer.name}@${entry.offer.version}`),
    ['a@2.0.0', 'a@1.1.0'],
  );
  assert.equal(page.value.revision, n1.api.catalog.revision());
  const rest = n1.api.catalog.list({ kind: 'service' }, { limit: 2, cursor: page.value.cursor });
  assert.ok(rest.ok && rest.value.cursor === null);
  const described = n1.api.catalog.describe({ name: 'a' });
  assert.ok(described.ok);
  assert.deepEqual(
    described.value?.versions.map(({ version, owners }) => [version, owners]),
    [
      ['2.0.0', ['p-n2']],
      ['1.1.0', ['p-n1']],
    ],
  );
  assert.deepEqual(n1.api.catalog.describe({ name: 'c' }), { ok: true, value: null });
  const { offers, own } = n1.api.catalog.summary();
  assert.deepEqual({ offers, own }, { offers: 3, own: 2 });
  end();
  offer(n1, 'a');
  assert.equal(heard.length, 3);
  const late: string[] = [];
  n1.api.catalog.watch(
    {},
    () => late.push('told'),
    () => late.push('over'),
  );
  n1.api.stop(() => {});
  assert.deepEqual(late.at(-1), 'over');
  assert.equal(isOver, false, 'it was ended before');
  assert.deepEqual(offer(n1, 'z'), ['STOPPING']);
});

test('what cannot be offered or asked is refused by name, and brings nobody down', () => {
  const { cluster, nodes } = formed();
  const [n1, n2] = nodes;
  const codes = (given: unknown): string[] => {
    const asked = collector<null>();
    n1.api.catalog.offer(given as never, asked.done());
    return asked.codes();
  };
  for (const given of [undefined, null, 7, 'x', [], {}, offerOf('a b'), offerOf('a', { version: '1' })])
    assert.deepEqual(codes(given), ['INVALID_REQUEST']);
  const big = { input: 'x'.repeat(16_000), output: null, idempotent: false };
  assert.deepEqual(codes(offerOf('a', { methods: { big } })), ['TOO_LARGE']);
  for (let at = 0; at < 256; at++) assert.deepEqual(codes(offerOf(`s${at}`)), ['ok']);
  assert.deepEqual(codes(offerOf('s256')), ['OVERLOADED']);
  for (const id of [undefined, null, 7, {}, offerOf('a')]) {
    const asked = collector<null>();
    n1.api.catalog.withdraw(id as never, asked.done());
    assert.deepEqual(asked.codes(), ['NOT_FOUND']);
  }
  const { catalog } = n1.api;
  for (const query of [undefined, null, 7, { name: 7 }, { range: 'x y z' }, { kind: 'no' }, { tags: 'a' }]) {
    const found = catalog.find(query as never);
    assert.equal(found.ok, false);
    for (const answer of [catalog.list(query as never, { limit: 5 }), catalog.describe(query as never)])
      assert.equal(!answer.ok && answer.failure.code, 'INVALID_REQUEST');
    assert.throws(
      () => catalog.watch(query as never, () => {}),
      (error) => error instanceof PolityError && error.code === 'INVALID_REQUEST',
    );
  }
  for (const page of [{ limit: 0 }, { limit: 501 }, { limit: 1.5 }, { limit: 5, cursor: 'x' }, { limit: 5, cursor: 7 }]) {
    const listed = catalog.list({}, page as never);
    assert.equal(!listed.ok && listed.failure.code, 'INVALID_REQUEST');
  }
  const ends = Array.from({ length: 1_024 }, () => catalog.watch({}, () => {}));
  assert.throws(
    () => catalog.watch({}, () => {}),
    (error) => error instanceof PolityError && error.code === 'OVERLOADED',
  );
  for (const end of ends) end();
  // Nonsense from others, too.
  for (const body of [null, 7, [], [9], [0], [1, 2, 3, 4, 5], { type: 'ask' }])
    cluster.network.letters.push(letterOf(n2, n1, body));
  n2.api.gossip.publish('polity.catalog', bytesOf('rubbish'), {}, () => {});
  cluster.pass(500);
  assert.equal(n1.counts.get('messages_refused_total CATALOG_MALFORMED'), 8);
  assert.equal(restartsOf(n1), 0);
});

test('what is offered while gossip takes nothing is known by the next renewal, and that comes soon', () => {
  const { cluster, nodes } = formed();
  const [n1] = nodes;
  const gossipOf = () => n1.api.status().actors.find(({ address }) => address === 'gossip')!;
  cluster.network.full = (letter) => {
    if (letter.from !== n1.peer || letter.lane === 'topic' || envelopeOf(letter).source !== 'gossip') return false;
    cluster.network.full = () => false;
    throw new Error('poisoned');
  };
  cluster.until(() => gossipOf().state !== 'running', 40_000);
  assert.deepEqual(offer(n1, 's'), ['ok'], 'it is offered, though not announced yet');
  assert.equal(n1.counts.get('catalog_unannounced_total NOT_READY'), 1);
  cluster.until(() => knows(nodes, 's', ['p-n1']), 10_000);
  assert.equal(gossipOf().restarts, 1);
  assert.equal(restartsOf(n1), 0);
});
