// Doors of three nodes: what becomes of requests, subscriptions and watches when connections, processes and places go.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type EventObject, fromTransition } from 'xstate';
import type { ActorEnd } from '../../actors/actor-api.ts';
import type { Outcome } from '../../actors/api.ts';
import { hearingWindow } from '../../machines/entity/post-hearing.ts';
import { postTypes } from '../../machines/entity/post-messages.ts';
import { createHandDoors, ledgerOf, meterOf, tallyAt } from './hand-doors.ts';
import { handDefinition } from './hand-replicas.ts';

const add: EventObject = { type: 'add' };

const notes = () => {
  const outcomes: string[] = [];
  const note = (outcome: Outcome<unknown>): void => {
    outcomes.push(outcome.ok ? `ok ${outcome.value}` : outcome.failure.code);
  };
  return { outcomes, note };
};

test('callers see no error while an actor of the cluster moves', () => {
  const world = createHandDoors(['n1', 'n2', 'n3']);
  const { outcomes, note } = notes();
  world.move('k', 'n2');
  const api = world.api('n1');
  api.ask(ledgerOf('k'), add, {}, note);
  world.pass(20);
  // It moves with the question on its way, and once more while nobody knows where it is.
  api.ask(ledgerOf('k'), add, {}, note);
  world.move('k', null);
  world.pass(200);
  api.ask(ledgerOf('k'), add, {}, note);
  world.pass(50);
  world.move('k', 'n3');
  world.pass(1_500);
  world.move('k', 'n1');
  api.deliver(ledgerOf('k'), add, {}, note);
  world.pass(500);
  assert.deepEqual(outcomes.sort(), ['ok 1', 'ok 2', 'ok 3', 'ok null']);
  assert.equal(world.effects.length, 4);
});

test('who was asked and is cut off without a word is not waited for once the actor is elsewhere', () => {
  const world = createHandDoors(['n1', 'n2', 'n3']);
  const { outcomes, note } = notes();
  const shown: unknown[] = [];
  world.move('k', 'n2');
  world.api('n1').subscribe(
    ledgerOf('k'),
    'context.count',
    (value) => shown.push(value),
    () => {},
  );
  world.pass(50);
  world.api('n1').ask(ledgerOf('k'), add, {}, note);
  world.api('n1').deliver(tallyAt('n2'), add, { timeoutMs: 2_000 }, note);
  // The connection stays, and nothing comes through.
  while (world.network.lose());
  world.places.set('k', 'n3');
  world.tellChanged();
  world.pass(400);
  assert.deepEqual(outcomes, ['ok 1']);
  assert.deepEqual(shown, [0, 1]);
  world.pass(2_000);
  assert.deepEqual(outcomes, ['ok 1', 'OUTCOME_UNKNOWN'], 'only that process can know');
});

test('an answer that was lost with its connection is had from the same process; one that was lost with it is not made up', () => {
  const world = createHandDoors(['n1', 'n2']);
  const { outcomes, note } = notes();
  world.api('n1').ask(tallyAt('n2'), add, {}, note);
  world.deliver(0);
  world.clock.pass(5);
  assert.equal(world.effects.length, 1, 'it happened');
  world.cut('n1', 'n2');
  world.join('n1', 'n2');
  world.pass(200);
  assert.deepEqual(outcomes, ['ok 1']);

  world.api('n1').ask(tallyAt('n2'), add, {}, note);
  world.deliver(0);
  world.clock.pass(5);
  world.crash('n2');
  world.pass(500);
  assert.deepEqual(outcomes, ['ok 1', 'OUTCOME_UNKNOWN']);
  assert.equal(world.effects.length, 2);

  // A replicated one remembers ids with its state: wherever it is now, it says what it said.
  world.move('k', 'n2');
  world.api('n1').ask(ledgerOf('k'), add, {}, note);
  world.deliver(0);
  world.clock.pass(5);
  world.doors.get('n2')!.replicas.work();
  world.crash('n2');
  world.move('k', 'n1');
  world.pass(500);
  assert.deepEqual(outcomes, ['ok 1', 'OUTCOME_UNKNOWN', 'ok 1']);
  assert.equal(world.effects.length, 3);
});

test('what an actor in memory handled is said by the process that knows it, though the actor is there no more', () => {
  for (const goes of [null, 'n1', 'n3']) {
    const world = createHandDoors(['n1', 'n2', 'n3']);
    const { outcomes, note } = notes();
    world.move('m', 'n2');
    world.api('n1').ask(meterOf('m'), add, {}, note);
    world.deliver(0);
    world.clock.pass(5);
    assert.equal(world.effects.length, 1, 'it happened');
    world.cut('n1', 'n2');
    world.move('m', goes);
    world.join('n1', 'n2');
    world.pass(100);
    world.move('m', 'n1');
    world.pass(500);
    assert.deepEqual([outcomes, world.effects.length], [['ok 1'], 1]);
  }
});

test('the same id has one effect, whoever asks and wherever', () => {
  const world = createHandDoors(['n1', 'n2', 'n3']);
  const { outcomes, note } = notes();
  for (const from of ['n1', 'n2', 'n3', 'n1']) world.api(from).ask(tallyAt('n2'), add, { id: 'x' }, note);
  world.pass(100);
  world.api('n3').ask(tallyAt('n2'), add, { id: 'x' }, note);
  world.api('n3').ask(tallyAt('n2'), { type: 'other' }, { id: 'x' }, note);
  world.pass(100);
  assert.deepEqual(outcomes, [...new Array(5).fill('ok 1'), 'IDEMPOTENCY_CONFLICT']);
  assert.equal(world.effects.length, 1);
});

test('what cannot get there is tried until the time is over, and then it surely did not happen', () => {
  const world = createHandDoors(['n1', 'n2']);
  const { outcomes, note } = notes();
  world.cut('n1', 'n2');
  world.api('n1').deliver(tallyAt('n2'), add, { timeoutMs: 300 }, note);
  world.api('n1').deliver(tallyAt('n2'), add, { timeoutMs: 2_000 }, note);
  world.api('n1').deliver(tallyAt('n7'), add, { timeoutMs: 5_000 }, note);
  world.pass(500);
  assert.deepEqual(outcomes, ['DEADLINE_EXCEEDED']);
  world.join('n1', 'n2');
  world.pass(2_000);
  assert.deepEqual(outcomes, ['DEADLINE_EXCEEDED', 'ok null', 'MEMBER_NOT_FOUND']);
  assert.equal(world.effects.length, 1);
});

test('a full mailbox is waited for; an event that was only sent is a dead letter where it got lost', () => {
  const world = createHandDoors(['n1', 'n2']);
  const { outcomes, note } = notes();
  world.move('k', 'n2');
  for (let sent = 0; sent < 130; sent++) world.api('n1').deliver(ledgerOf('k'), add, { timeoutMs: 30_000 }, note);
  world.pass(4_000);
  assert.deepEqual(new Set(outcomes), new Set(['ok null']));
  assert.equal(outcomes.length, 130);

  world.cut('n1', 'n2');
  world.api('n1').send(tallyAt('n2'), { type: 'gone' });
  world.api('n1').send({ type: 'nothing', key: 'a', node: 'n1' }, add);
  world.api('n1').send(null as never, add);
  assert.deepEqual(
    world
      .api('n1')
      .deadLetters()
      .recent.map(({ address, event, reason }) => [address, event, reason]),
    [
      ['tally/-@n2', 'gone', 'UNREACHABLE'],
      ['nothing/a@n1', 'add', 'ACTOR_NOT_FOUND'],
      ['unknown/-', 'add', 'INVALID_REQUEST'],
    ],
  );
});

test('what is sent goes after an actor that moved, in order, and never in a circle', () => {
  const world = createHandDoors(['n1', 'n2', 'n3']);
  world.move('k', 'n2');
  for (const n of [1, 2, 3]) world.api('n1').send(ledgerOf('k'), { type: 'add', n } as EventObject);
  world.move('k', 'n3');
  world.pass(100);
  assert.deepEqual(
    world.effects.map(({ at, event }) => [at, (event as unknown as { n: number }).n]),
    [
      ['n3', 1],
      ['n3', 2],
      ['n3', 3],
    ],
  );
  world.api('n1').send(ledgerOf('k'), add);
  // n3 takes n1 for its place, from which it came.
  world.move('k', 'n1');
  world.pass(50);
  assert.equal(world.effects.length, 3);
  const letters = world
    .api('n3')
    .deadLetters()
    .recent.map(({ source, reason }) => [source, reason]);
  assert.deepEqual(letters, [['n1', 'LOOP_DETECTED']]);
});

test('nobody speaks for another: what a peer says of who sends is shown as his word where it cannot be so', () => {
  const world = createHandDoors(['n1', 'n2']);
  for (const source of ['n1', 'cart/1@n1', 'cart/1', 'n2', 'cart/1@n2', ''])
    world.api('n1').send({ type: 'nothing', key: 'a', node: 'n2' }, add, { trail: { source, correlation: 'c' } });
  world.pass(50);
  const sources = world
    .api('n2')
    .deadLetters()
    .recent.map(({ source }) => source);
  assert.deepEqual(sources, ['n1', 'cart/1@n1', 'cart/1', 'n2 via n1', 'cart/1@n2 via n1', 'n1']);
});

test('a subscriber is shown the latest, over moves and lost connections, and told the end once', () => {
  const world = createHandDoors(['n1', 'n2', 'n3']);
  const { note } = notes();
  const shown: unknown[] = [];
  const ends: ActorEnd['reason'][] = [];
  world.move('k', 'n2');
  world.api('n1').subscribe(
    ledgerOf('k'),
    'context.count',
    (value) => shown.push(value),
    ({ reason }) => ends.push(reason),
  );
  world.pass(50);
  assert.deepEqual(shown, [0]);
  for (let sent = 0; sent < 50; sent++) world.api('n2').send(ledgerOf('k'), add);
  // Fifty changes while one value is under way.
  world.clock.settle();
  for (let turn = 0; turn < 50; turn++) world.doors.get('n2')!.replicas.work();
  assert.equal(world.network.letters.length, 1);
  world.pass(50);
  assert.deepEqual(shown, [0, 1, 50]);
  world.move('k', 'n3');
  world.pass(300);
  world.cut('n1', 'n3');
  world.api('n3').send(ledgerOf('k'), add);
  world.pass(50);
  world.join('n1', 'n3');
  world.pass(300);
  assert.deepEqual(shown, [0, 1, 50, 51]);
  world.api('n2').stop(ledgerOf('k'), {}, note);
  world.pass(100);
  assert.deepEqual(ends, ['stopped']);
  for (const { room } of world.doors.values()) assert.ok(!room.isBusy('p-n1') && !room.isBusy('p-n3'));
});

test('a subscriber whose lane was full when he said that he has a value is shown the next', () => {
  const world = createHandDoors(['n1', 'n2']);
  const shown: unknown[] = [];
  world.move('k', 'n2');
  world.api('n1').subscribe(
    ledgerOf('k'),
    'context.count',
    (value) => shown.push(value),
    () => {},
  );
  world.pass(50);
  world.network.full = ({ from }) => from === 'p-n1';
  for (let sent = 0; sent < 3; sent++) {
    world.api('n2').send(ledgerOf('k'), add);
    world.pass(20);
  }
  assert.deepEqual(shown, [0, 1]);
  world.network.full = () => false;
  world.doors.get('n1')!.cell.send({ type: 'drain', peer: 'p-n2' });
  world.pass(50);
  assert.deepEqual(shown, [0, 1, 3]);
});

test('what finds no room on the way to a slow node is shown and told once there is', () => {
  const world = createHandDoors(['n1', 'n2']);
  // 33 of these leave hardly any room.
  const textOf = (count: number): string => `${count}${'x'.repeat(1_016_650)}`;
  type State = { count: number; text: string };
  const logic = fromTransition(
    (state: State, event: EventObject, { emit }): State => {
      if (event.type === 'add') return { count: state.count + 1, text: textOf(state.count + 1) };
      (emit as (event: EventObject) => void)({ type: 'cried', much: 'x'.repeat(1_000) } as EventObject);
      return state;
    },
    { count: 0, text: textOf(0) },
  );
  for (const name of ['n1', 'n2']) world.api(name).host(handDefinition('vat', { logic, replies: {} }));
  const vat = { type: 'vat', key: 'a', node: 'n2' };
  const shown: string[][] = [];
  const ends: string[] = [];
  let cries = 0;
  world.api('n1').hear(
    vat,
    'cried',
    () => cries++,
    () => {},
  );
  for (let n = 0; n < 40; n++) {
    const mine: string[] = [];
    shown.push(mine);
    world.api('n1').subscribe(
      vat,
      'context.text',
      (value) => mine.push(String(value).slice(0, 1)),
      ({ reason }) => ends.push(reason),
    );
  }
  world.pass(50);
  const isFull = ({ from }: { from: string }): boolean => from === 'p-n2';
  const drain = (): void => {
    world.network.full = () => false;
    world.doors.get('n2')!.cell.send({ type: 'drain', peer: 'p-n1' });
    world.pass(50);
  };
  world.network.full = isFull;
  world.api('n2').send(vat, add);
  world.pass(20);
  for (let sent = 0; sent < 2 * hearingWindow; sent++) {
    world.api('n2').send(vat, { type: 'cry' });
    if (sent % 64 === 0) world.pass(5);
  }
  world.pass(5);
  drain();
  const before = cries;
  world.api('n2').send(vat, { type: 'cry' });
  world.pass(20);
  assert.equal(cries, before + 1, 'what found no room takes none of what may be on its way');
  assert.deepEqual(shown, Array(40).fill(['0', '1']));
  world.network.full = isFull;
  world.api('n2').send(vat, add);
  world.pass(20);
  const watched: string[] = [];
  world.api('n1').watch(vat, ({ reason }) => watched.push(reason));
  world.pass(20);
  world.api('n2').stop(vat, {}, () => {});
  world.pass(20);
  drain();
  assert.deepEqual(ends, Array(40).fill('stopped'));
  assert.deepEqual(watched, ['stopped']);
});

test('who has no room to say what he has or wants says it once he has, and nobody is shown to in vain', () => {
  const world = createHandDoors(['n1', 'n2']);
  const big = { count: 0, text: 'x'.repeat(1_016_650) };
  const logic = fromTransition((state: typeof big, { type }: EventObject) => ({ ...state, count: state.count + 1, type }), big);
  for (const name of ['n1', 'n2']) world.api(name).host(handDefinition('vat', { logic, replies: {} }));
  const shown: unknown[] = [];
  const follow = (from: string, at: string, select: string, to: unknown[] = []) =>
    world.api(from).subscribe(
      { type: 'vat', key: 'a', node: at },
      select,
      (value) => to.push(value),
      () => {},
    );
  const ends = [follow('n1', 'n2', 'context.count', shown)];
  const drop = follow('n1', 'n2', 'context.count');
  world.pass(50);
  // What waits at n1 for n2 leaves no room for another word.
  world.network.full = ({ from }) => from === 'p-n1';
  for (let n = 0; n < 33; n++) ends.push(follow('n2', 'n1', 'context.text'));
  for (let n = 0; n < 8; n++) ends.push(follow('n2', 'n1', 'context.count'));
  world.pass(20);
  for (let sent = 0; sent < 3; sent++) {
    world.api('n2').send({ type: 'vat', key: 'a', node: 'n2' }, add);
    world.pass(20);
  }
  drop();
  world.pass(20);
  world.network.full = () => false;
  world.doors.get('n1')!.cell.send({ type: 'drain', peer: 'p-n2' });
  world.pass(500);
  assert.deepEqual(shown, [0, 1, 3]);
  for (const end of ends) end();
  world.pass(500);
  for (const { room } of world.doors.values()) assert.ok(!room.isBusy('p-n1') && !room.isBusy('p-n2'));
});

test('a watcher is told the end once: exactly while its process can say it, unreachable when nobody can', () => {
  const world = createHandDoors(['n1', 'n2', 'n3']);
  const { note } = notes();
  const ends: string[] = [];
  const watch = (from: string, address: ReturnType<typeof tallyAt>, name: string) =>
    world.api(from).watch(address, ({ reason }) => ends.push(`${name} ${reason}`));
  watch('n1', tallyAt('n2'), 'before');
  world.pass(50);
  assert.deepEqual(ends, ['before never-lived'], 'to watch makes nothing');
  world.api('n1').send(tallyAt('n2'), add);
  world.pass(50);
  watch('n1', tallyAt('n2'), 'cut');
  world.pass(50);
  world.cut('n1', 'n2');
  world.api('n2').stop(tallyAt('n2'), {}, note);
  world.pass(100);
  world.join('n1', 'n2');
  world.pass(300);
  assert.deepEqual(ends.splice(0), ['before never-lived', 'cut stopped'], 'the end was kept');

  world.api('n2').send(tallyAt('n2'), add);
  world.pass(10);
  watch('n1', tallyAt('n2'), 'crash');
  watch('n2', tallyAt('n2'), 'own');
  watch('n3', tallyAt('n2'), 'gone');
  world.pass(50);
  world.kill('n2');
  world.pass(100);
  world.statuses.set('n2', 'failed');
  world.doors.get('n3')!.cell.send({ type: 'members', changes: [{ peer: 'p-n2', after: 'failed' } as never] });
  world.clock.settle();
  assert.deepEqual(ends, ['gone unreachable']);
  world.start('n2');
  world.pass(500);
  assert.deepEqual(ends, ['gone unreachable', 'crash unreachable']);

  world.move('k', 'n2');
  world.api('n2').send(ledgerOf('k'), add);
  world.pass(10);
  watch('n1', ledgerOf('k'), 'moved');
  world.pass(50);
  world.move('k', 'n3');
  world.pass(200);
  world.api('n1').stop(ledgerOf('k'), {}, note);
  world.pass(200);
  assert.deepEqual(ends.at(-1), 'moved stopped');
  assert.equal(ends.length, 3);
});

test('a watcher of an actor that had left the memory is told when it is stopped', () => {
  const world = createHandDoors(['n1', 'n2']);
  const { note } = notes();
  const ends: string[] = [];
  world.api('n1').send(tallyAt('n2'), add);
  world.pass(50);
  world.api('n1').watch(tallyAt('n2'), ({ reason }) => ends.push(reason));
  world.pass(50);
  world
    .api('n2')
    .find(tallyAt('n2'))!
    .release('passivated', () => {});
  world.pass(50);
  assert.deepEqual([ends, world.api('n2').find(tallyAt('n2'))], [[], null]);
  world.api('n1').stop(tallyAt('n2'), {}, note);
  world.pass(50);
  assert.deepEqual(ends, ['stopped']);
});

test('a stopped actor is made anew by the next message; one that is stopping takes nothing', () => {
  const world = createHandDoors(['n1', 'n2']);
  const { outcomes, note } = notes();
  const api = world.api('n1');
  api.ask(tallyAt('n2'), add, {}, note);
  api.ask(tallyAt('n2'), add, {}, note);
  world.pass(50);
  api.stop(tallyAt('n2'), {}, note);
  world.pass(50);
  api.ask(tallyAt('n2'), add, {}, note);
  world.pass(50);
  api.stop({ type: 'tally', key: 'never', node: 'n2' }, {}, note);
  world.pass(50);
  assert.deepEqual(outcomes, ['ok 1', 'ok 2', 'ok null', 'ok 1', 'ok null']);
});

test('what waits for a connection surely did not happen until it leaves, and is tried again if it never does', () => {
  const world = createHandDoors(['n1', 'n2']);
  const { outcomes, note } = notes();
  const waiting = world.onDemand();
  world.cut('n1', 'n2');
  world.api('n1').ask(tallyAt('n2'), add, { timeoutMs: 100 }, note);
  world.pass(300);
  assert.deepEqual(outcomes, ['DEADLINE_EXCEEDED'], 'it never left');
  for (const { fate } of waiting.splice(0)) fate.dropped();
  world.api('n1').ask(tallyAt('n2'), add, {}, note);
  world.api('n1').send(tallyAt('n2'), { type: 'lost' });
  const ends: string[] = [];
  world.api('n1').watch(tallyAt('n2'), ({ reason }) => ends.push(reason));
  for (const { fate } of waiting.splice(0)) fate.dropped();
  world.pass(200);
  assert.equal(world.api('n1').deadLetters().recent.at(-1)?.event, 'lost');
  assert.equal(waiting.length, 2, 'both are tried again');
  world.opened('n1', 'n2');
  world.cut('n1', 'n2');
  world.pass(100);
  world.opened('n1', 'n2');
  world.pass(200);
  assert.deepEqual(outcomes, ['DEADLINE_EXCEEDED', 'ok 1']);
  assert.equal(world.effects.length, 1);
  world.api('n1').stop(tallyAt('n2'), {}, note);
  world.pass(100);
  assert.equal(ends.length, 1);
});

test('a node that stops lets its actors handle what waits; who asks others is told so, and who waits there asks elsewhere', () => {
  const world = createHandDoors(['n1', 'n2', 'n3']);
  const { outcomes, note } = notes();
  world.move('k', 'n2');
  world.api('n1').ask(ledgerOf('k'), add, {}, note);
  world.pass(20);
  world.api('n1').ask(tallyAt('n2'), add, {}, note);
  world.deliver(0);
  let isStopped = false;
  world.doors.get('n2')!.room.stop(() => {
    isStopped = true;
  });
  world.pass(50);
  assert.ok(isStopped);
  assert.deepEqual(outcomes, ['ok 1', 'ok 1']);
  world.api('n1').ask(ledgerOf('k'), add, {}, note);
  world.api('n2').ask(tallyAt('n3'), add, {}, note);
  world.pass(20);
  assert.deepEqual(outcomes.splice(0), ['ok 1', 'ok 1', 'STOPPING']);
  const ends: string[] = [];
  world.api('n2').watch(tallyAt('n3'), ({ reason, failure: why }) => void ends.push(`${reason} ${why?.code}`));
  assert.deepEqual(ends, ['unreachable STOPPING'], 'which is no news of the actor');
  world.move('k', 'n3');
  world.pass(1_000);
  assert.deepEqual(outcomes, ['ok 2']);
});

test('no message of a member brings a door down, and one that is malformed is refused', () => {
  const world = createHandDoors(['n1', 'n2']);
  const odd = [null, 0, '', [], {}, [1], [1, 2], [1, 0, null, 'tally/-@n1', '', '', 0, [], new Uint8Array([0xc1])]];
  for (const type of [...Object.values(postTypes), 'constructor', 'nothing'])
    for (const body of odd) {
      const posted = { lane: 'calls' as const, source: 'actors', target: 'actors', type, body, timeLeftMs: 100, trace: '' };
      world.doors.get('n2')!.router.post({ peer: 'p-n1', ...posted }, { left() {}, dropped() {} });
      world.pass(5);
    }
  const { cell, lines } = world.doors.get('n1')!;
  assert.equal(cell.report().restarts, 0);
  assert.ok(lines.includes('warn MESSAGE_MALFORMED') && lines.includes('warn TYPE_UNKNOWN'));
});

test('a door that fails begins anew: who waits is told, who lives lives on, and what was answered is not done twice', () => {
  const world = createHandDoors(['n1', 'n2']);
  const { outcomes, note } = notes();
  world.move('k', 'n2');
  const ends: string[] = [];
  world.api('n1').ask(tallyAt('n2'), add, { id: 'x' }, note);
  world.pass(20);
  world.api('n1').watch(tallyAt('n2'), ({ reason }) => ends.push(reason));
  world.api('n1').ask(ledgerOf('k'), add, {}, note);
  world.deliver(0);
  world.deliver(0);
  world.breaks.add('n1');
  world.api('n1').ask(tallyAt('n1'), add, {}, note);
  world.clock.settle();
  assert.deepEqual(outcomes, ['ok 1', 'OUTCOME_UNKNOWN', 'NOT_READY']);
  assert.deepEqual(ends, ['unreachable']);
  world.api('n1').ask(tallyAt('n1'), add, {}, note);
  world.pass(2_000);
  world.breaks.add('n2');
  world.api('n1').ask(tallyAt('n2'), add, {}, note);
  world.pass(2_000);
  world.api('n1').ask(tallyAt('n2'), add, { id: 'x' }, note);
  world.pass(100);
  assert.deepEqual(outcomes.slice(3), ['NOT_READY', 'OUTCOME_UNKNOWN', 'ok 1']);
  for (const { cell } of world.doors.values()) assert.deepEqual([cell.report().restarts, cell.report().state], [1, 'running']);
});

test('what is wrong is refused by name, and brings no door down', () => {
  const world = createHandDoors(['n1', 'n2']);
  const { outcomes, note } = notes();
  const api = world.api('n1');
  api.ask({ type: 'No', key: '', node: null }, add, {}, note);
  api.ask(tallyAt('n2'), 7 as never, {}, note);
  api.ask(tallyAt('n2'), { type: 'xstate.init' }, {}, note);
  api.ask(tallyAt('n2'), add, { timeoutMs: 0 }, note);
  api.ask(tallyAt('n2'), add, { id: '' }, note);
  api.ask(tallyAt('n2'), { type: 'add', when: new Date(0) } as EventObject, {}, note);
  api.ask({ type: 'ledger', key: 'k', node: 'n2' }, add, {}, note);
  const ends: (string | undefined)[] = [];
  api.subscribe(
    tallyAt('n2'),
    'secrets',
    () => {},
    ({ failure }) => ends.push(failure?.code),
  );
  api.subscribe(
    tallyAt('n2'),
    'context',
    () => {
      throw new Error('a listener');
    },
    () => {},
  );
  api.watch(null as never, ({ failure }) => ends.push(failure?.code));
  world.pass(50);
  assert.deepEqual(outcomes, new Array(7).fill('INVALID_REQUEST'));
  assert.deepEqual(ends, ['INVALID_REQUEST', 'INVALID_REQUEST']);
  for (const { cell, lines } of world.doors.values()) {
    assert.equal(cell.report().restarts, 0);
    assert.ok(!lines.includes('error ACTOR_FAILED'));
  }
});

test('what is secret is left out at the node of the actor, for who follows it from another and may not look on', () => {
  const world = createHandDoors(['n1', 'n2']);
  const safe = handDefinition('safe', {
    logic: fromTransition((state: { pin: string; count: number }) => ({ ...state, count: state.count + 1 }), {
      pin: '1',
      count: 0,
    }),
    redact: ['count'],
  });
  for (const name of ['n2']) assert.equal(world.api(name).host(safe), null);
  const address = { type: 'safe', key: '-', node: 'n2' };
  const shown: unknown[] = [];
  for (const from of ['n1', 'n2'])
    for (const isRedacted of [true, false])
      for (const select of ['context', 'context.count'])
        world.api(from).subscribe(
          address,
          select,
          (value) => shown.push([from, isRedacted, value]),
          () => {},
          { isRedacted },
        );
  world.pass(50);
  const sorted = (list: unknown[]): string[] => list.map((one) => JSON.stringify(one)).sort();
  const hidden = '[redacted]';
  assert.deepEqual(
    sorted(shown),
    sorted(
      ['n1', 'n2'].flatMap((from) => [
        [from, true, { pin: hidden, count: hidden }],
        [from, true, hidden],
        [from, false, { pin: '1', count: 0 }],
        [from, false, 0],
      ]),
    ),
  );
});
