// Stories of a few nodes, each compared line by line with its transcript in test/golden/gossip; UPDATE_GOLDEN=1 rewrites them, and a
// person judges the difference.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import type { GossipOptions } from '../../../machines/gossip/index.ts';
import { Stage } from './stage.ts';

const folder = new URL('../../golden/gossip/', import.meta.url);

const story = (name: string, options: Partial<GossipOptions>, play: (stage: Stage) => void): void =>
  void test(`story: ${name}`, () => {
    const stage = new Stage(options);
    play(stage);
    const file = new URL(`${name.replaceAll(' ', '-')}.txt`, folder);
    const played = `${stage.lines.join('\n')}\n`;
    if (process.env.UPDATE_GOLDEN === '1') writeFileSync(file, played);
    else assert.equal(played, readFileSync(file, 'utf8'));
  });

/** Exchanges only where the story is about them. */
const quiet = { exchangeMinMs: 600_000, exchangeNewsMs: 600_000, exchangeMaxMs: 600_000 };

const isPush = (parcel: object): boolean => 'push' in parcel;

story('an announcement', quiet, (stage) => {
  stage.begin('a', 'b', 'c');
  stage.say('a', 'news');
  stage.pass(1_000);
  for (const name of 'abc') assert.equal(stage.topics(name), 'news');
});

story('one is lost and asked for', quiet, (stage) => {
  stage.begin('a', 'b', 'c');
  stage.isLost = (_from, to, parcel) => isPush(parcel) && to === 'b';
  stage.say('a', 'first');
  stage.pass(50);
  stage.isLost = () => false;
  stage.say('a', 'second');
  stage.pass(1_000);
  assert.equal(stage.topics('b'), 'first second');
  assert.equal(stage.topics('c'), 'first second');
});

story('the last is lost and comes with the next exchange', {}, (stage) => {
  stage.begin('a', 'b');
  stage.isLost = (_from, to, parcel) => isPush(parcel) && to === 'b';
  stage.say('a', 'news');
  stage.pass(8_000);
  assert.equal(stage.topics('b'), 'news');
});

story('nobody has what is missing', quiet, (stage) => {
  stage.begin('a', 'b', 'c');
  stage.isLost = () => true;
  stage.say('a', 'lost');
  stage.isLost = (_from, to) => to === 'a';
  stage.say('a', 'heard');
  stage.pass(20);
  stage.note('*', 'a is gone');
  stage.crash('a');
  stage.pass(5_000);
  assert.equal(stage.topics('b'), 'heard');
  assert.equal(stage.topics('c'), 'heard');
  assert.equal(stage.state('b').counts.gaps, 1);
});

story('what was waited for in vain comes late', quiet, (stage) => {
  stage.begin('a', 'b');
  stage.isLost = () => true;
  stage.say('a', 'first');
  stage.isLost = (_from, _to, parcel) => !isPush(parcel);
  stage.say('a', 'second');
  stage.pass(2_500);
  assert.equal(stage.topics('b'), 'second');
  stage.note('*', 'they hear each other again');
  stage.isLost = () => false;
  stage.part('a', 'b');
  stage.meet('a', 'b');
  stage.pass(1_000);
  assert.equal(stage.topics('b'), 'second first (late)');
});

story('what is held back ends before what is missing comes', quiet, (stage) => {
  stage.begin('a', 'b');
  stage.isLost = () => true;
  stage.say('a', 'first');
  stage.isLost = (_from, _to, parcel) => !isPush(parcel);
  stage.say('a', 'short', 500);
  stage.pass(1_000);
  assert.equal(stage.topics('b'), 'short', 'a moment before it ends');
});

story('a newcomer hears what still holds', {}, (stage) => {
  stage.begin('a', 'b');
  for (const [topic, ttlMs] of [
    ['long', 600_000],
    ['short', 1_000],
    ['longer', 900_000],
  ] as const)
    stage.say('a', topic, ttlMs);
  stage.pass(30_000);
  stage.lines.length = 0;
  stage.start('c');
  stage.meet('c', 'b');
  stage.pass(2_000);
  assert.equal(stage.topics('c'), 'long longer');
  assert.equal(stage.state('c').counts.gaps, 0);
});

story('a newcomer waits for nothing that has ended', quiet, (stage) => {
  stage.begin('a', 'b');
  stage.say('a', 'short', 1_000);
  stage.pass(3_000);
  stage.lines.length = 0;
  stage.start('c');
  stage.say('a', 'news');
  stage.pass(100);
  assert.equal(stage.topics('c'), 'news');
});

story('a restart ends what was said before', quiet, (stage) => {
  stage.begin('a', 'b');
  stage.say('a', 'before');
  stage.pass(100);
  stage.crash('a');
  stage.start('a', 2);
  stage.meet('a', 'b');
  stage.say('a', 'after');
  stage.pass(1_000);
  assert.equal(stage.topics('b'), 'before after');
  assert.equal(stage.topics('a'), 'after');
});

story('a partition heals', {}, (stage) => {
  stage.begin('a', 'b', 'c', 'd');
  const side = (name: string): boolean => name === 'a' || name === 'b';
  stage.isLost = (from, to) => side(from) !== side(to);
  stage.say('a', 'here', 600_000);
  stage.say('d', 'there', 600_000);
  stage.pass(60_000);
  assert.equal(stage.topics('a'), 'here', 'nothing from the other side');
  stage.lines.length = 0;
  stage.isLost = () => false;
  stage.say('a', 'again');
  stage.part('b', 'c');
  stage.meet('b', 'c');
  stage.pass(3_000);
  for (const name of 'abcd') assert.equal(stage.topics(name).split(' ').sort().join(' '), 'again here there');
  assert.ok(stage.topics('c').indexOf('here') < stage.topics('c').indexOf('again'));
});

story('an eviction', quiet, (stage) => {
  stage.begin('a', 'b', 'c');
  stage.say('c', 'before');
  stage.pass(100);
  for (const name of 'ab') stage.tell(name, { type: 'evicted', peer: 'c' });
  stage.say('c', 'after');
  stage.pass(100);
  assert.equal(stage.topics('a'), 'before');
  assert.equal(stage.state('a').sources.all.has('c'), false);
  stage.note('*', 'a forgets it');
  stage.tell('a', { type: 'readmitted', peer: 'c' });
  stage.say('c', 'again');
  stage.pass(3_000);
  assert.equal(stage.topics('a'), 'before again');
  assert.equal(stage.topics('b'), 'before');
});

story('at rest they ask each other ever more seldom', {}, (stage) => {
  stage.begin('a', 'b');
  stage.say('a', 'news', 10_000);
  stage.pass(120_000);
  assert.equal(stage.state('a').exchangeEveryMs, 30_000);
});
