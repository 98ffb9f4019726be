// Stories of a few nodes, each compared line by line with its transcript in test/golden/membership; UPDATE_GOLDEN=1 rewrites them,
// and a person judges the difference.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { Stage } from './stage.ts';

const folder = new URL('../../golden/membership/', import.meta.url);

const story = (name: string, options: ConstructorParameters<typeof Stage>[0], play: (stage: Stage) => void): void =>
  void test(`story: ${name}`, () => {
    const stage = new Stage({ ...quiet, ...options });
    play(stage);
    const file = new URL(`${name.replaceAll(' ', '-')}.txt`, folder);
    const played = `${stage.lines.join('\n')}\n`;
    if (process.env.UPDATE_GOLDEN === '1') writeFileSync(file, played);
    else assert.equal(played, readFileSync(file, 'utf8'));
  });

/** Exchanges only where the story is about them. */
const quiet = { exchangeMinMs: 600_000, exchangeMaxMs: 600_000 };

/** Routine is left out: probes that are answered and carry nothing. */
const onlyNews = (stage: Stage): void => {
  stage.isTold = (message) => !('facts' in message) || message.facts.length > 0 || message.type === 'ask';
};

story('a probe and its answer', {}, (stage) => {
  stage.begin('a', 'b');
  stage.pass(1_500);
  assert.deepEqual([stage.view('a', 'b'), stage.view('b', 'a')], ['alive 1', 'alive 1']);
});

story('an indirect probe', {}, (stage) => {
  stage.begin('a', 'b', 'c');
  // a and b do not hear each other, c hears both.
  stage.isLost = (from, to) => from !== 'c' && to !== 'c';
  stage.pass(2_000);
  assert.equal(stage.view('a', 'b'), 'alive 1');
  assert.equal(stage.view('b', 'a'), 'alive 1');
  assert.equal(stage.state('c').health, 0);
});

story('a suspicion refuted', {}, (stage) => {
  stage.begin('a', 'b', 'c', 'd');
  onlyNews(stage);
  stage.isLost = (_from, to) => to === 'd';
  stage.pass(2_200);
  assert.match(stage.view('a', 'd'), /^suspect 1/);
  stage.note('*', 'd hears again');
  stage.isLost = () => false;
  stage.pass(2_000);
  for (const name of 'abc') assert.equal(stage.view(name, 'd'), 'alive 2');
  assert.equal(stage.state('d').incarnation, 2);
});

story('a suspicion shortened by confirmations', {}, (stage) => {
  stage.begin('a', 'b', 'c', 'd', 'e');
  onlyNews(stage);
  stage.crash('e');
  const own = () => [...'abcd'].flatMap((name) => [...stage.state(name).suspicions.values()]).find(({ mine }) => mine);
  while (own() === undefined) stage.pass(10);
  assert.equal(own()!.endMs - own()!.startedMs, 2_500, 'three others tried in vain');
  stage.pass(3_500);
  for (const name of 'abcd') assert.equal(stage.view(name, 'e'), 'failed 1');
});

story('nobody confirms and the suspicion lasts', {}, (stage) => {
  stage.begin('a', 'b', 'c', 'd', 'e');
  onlyNews(stage);
  // Whatever a sends or is sent is lost: it cannot judge, and takes its time.
  stage.isLost = (from, to) => from === 'a' || to === 'a';
  stage.pass(4_000);
  const others = [...stage.state('a').suspicions.values()];
  assert.ok(others.length > 0);
  for (const { endMs, startedMs } of others) assert.equal(endMs - startedMs, 7_500);
  assert.ok(stage.state('a').health > 0, 'it doubts itself');
  assert.equal(stage.view('b', 'a'), 'failed 1', 'the others confirm each other');
});

story('dead and back', {}, (stage) => {
  stage.begin('a', 'b', 'c');
  onlyNews(stage);
  stage.crash('c');
  stage.pass(8_000);
  assert.equal(stage.view('a', 'c'), 'failed 1');
  stage.note('*', 'c starts again');
  stage.start('c');
  stage.meet('c', 'a');
  stage.pass(1_000);
  // What was reserved before the crash is never said again.
  assert.equal(stage.view('a', 'c'), 'alive 66');
  assert.equal(stage.view('b', 'c'), 'alive 66');
  assert.equal(stage.view('c', 'b'), 'alive 1');
});

story('a graceful leave', {}, (stage) => {
  stage.begin('a', 'b', 'c', 'd');
  onlyNews(stage);
  stage.tell('d', { type: 'leave' });
  stage.pass(500);
  assert.equal(stage.nodes.has('d'), false, 'it may go');
  for (const name of 'abc') assert.equal(stage.view(name, 'd'), 'left 1');
});

story('a newcomer', {}, (stage) => {
  stage.begin('a', 'b');
  onlyNews(stage);
  stage.start('c');
  stage.meet('c', 'a');
  stage.pass(500);
  assert.equal(stage.view('b', 'c'), 'alive 1');
  assert.equal(stage.view('c', 'b'), 'alive 1');
});

story('a partition heals', {}, (stage) => {
  stage.begin('a', 'b', 'c', 'd');
  stage.isTold = () => false;
  const side = (name: string): boolean => name === 'a' || name === 'b';
  stage.isLost = (from, to) => side(from) !== side(to);
  stage.pass(20_000);
  stage.lines.length = 0;
  stage.isLost = () => false;
  onlyNews(stage);
  stage.meet('b', 'c');
  stage.pass(2_000);
  for (const name of 'abcd')
    for (const other of 'abcd') if (name !== other) assert.match(stage.view(name, other), /^alive/, `${name} of ${other}`);
});

story('a paused node judges nobody', {}, (stage) => {
  stage.begin('a', 'b', 'c');
  onlyNews(stage);
  stage.pass(1_100);
  stage.pause('a', 2_000);
  stage.pass(6_000);
  assert.match(stage.view('b', 'a'), /^alive/);
  for (const name of 'bc') assert.equal(stage.view('a', name), 'alive 1');
});

story('an eviction', {}, (stage) => {
  stage.begin('a', 'b', 'c');
  onlyNews(stage);
  stage.tell('a', { type: 'evict', peer: 'c' });
  stage.pass(500);
  assert.equal(stage.nodes.has('c'), false);
  assert.equal(stage.view('b', 'c'), 'evicted 1');
  stage.note('*', 'c starts again');
  stage.start('c');
  stage.meet('c', 'b');
  stage.pass(500);
  assert.equal(stage.nodes.has('c'), false, 'nobody by that peer id comes back');
});
