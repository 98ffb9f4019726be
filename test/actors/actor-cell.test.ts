// An actor behind its mailbox: what is sent is handled in order, in its turn; who asks is answered once; who looks on hears the latest;
// and an end is told to everybody who waits.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assign, fromTransition, setup } from 'xstate';
import { actorLimits, type Seen } from '../../actors/actor-api.ts';
import { currentExecution } from '../../actors/actor-execution.ts';
import { addressOf, ask, codeOf, definitionOf, deliver, endsOf, hostCells, nobody, sendAll } from './hand-cells.ts';

type Event = { type: string; by?: number };

const counter = fromTransition(
  (state: { n: number; log: string[] }, event: Event) => {
    if (event.type === 'boom') throw new Error('boom');
    return { n: state.n + (event.by ?? 1), log: [...state.log, event.type] };
  },
  () => ({ n: 0, log: [] }),
);
const contextOf = (snapshot: unknown) => (snapshot as { context: { n: number; log: string[] } }).context;
const replies = {
  inc: ({ snapshot }: { snapshot: unknown }) => contextOf(snapshot).n,
  /** Once there are three. */
  three: ({ snapshot }: { snapshot: unknown }) => (contextOf(snapshot).n >= 3 ? contextOf(snapshot).n : undefined),
  refuse: () => {
    throw new RangeError('not today');
  },
};
const counterDefinition = definitionOf('counter', counter, { replies });

const light = setup({ types: {} as { context: { n: number } } }).createMachine({
  context: { n: 0 },
  initial: 'red',
  states: {
    red: { on: { go: 'green' } },
    green: { after: { 1000: 'red' }, on: { end: 'over' } },
    over: { type: 'final' },
  },
  on: { inc: { actions: assign({ n: ({ context }) => context.n + 1 }) } },
  output: ({ context }) => context.n,
});

test('what is sent is handled in order, not on the stack of whoever sends', () => {
  const { open, clock } = hostCells();
  const live = open(counterDefinition);
  sendAll(live, 'a', 'b', 'c');
  assert.deepEqual(contextOf(live.snapshot()).log, []);
  assert.equal(live.view().waiting, 3);
  clock.settle();
  assert.deepEqual(contextOf(live.snapshot()).log, ['a', 'b', 'c']);
  assert.deepEqual([live.view().handled, live.view().waiting, live.view().state], [3, 0, 'running']);
});

test('a full mailbox refuses, and what was refused was surely not handled', () => {
  const { open, clock } = hostCells();
  const live = open({ ...counterDefinition, mailboxMax: 3 });
  sendAll(live, 'a', 'b', 'c');
  assert.equal(live.send({ type: 'd' }, nobody)?.code, 'MAILBOX_FULL');
  assert.equal(codeOf(ask(live, { type: 'inc' })[0]), 'MAILBOX_FULL');
  clock.settle();
  assert.deepEqual(contextOf(live.snapshot()).log, ['a', 'b', 'c']);
  assert.equal(live.send({ type: 'd' }, nobody), null);
});

test('nobody sends what only XState sends, and no event without a type', () => {
  const { open, clock, deadLetters } = hostCells();
  const live = open(definitionOf('light', light));
  for (const type of ['xstate.stop', 'xstate.init', 'xstate.done.actor.x', '*', '', undefined as never])
    assert.equal(live.send({ type }, nobody)?.code, 'INVALID_REQUEST');
  clock.settle();
  assert.deepEqual([live.view().state, live.view().handled, deadLetters()], ['running', 0, []]);
});

test('a reply that is a promise is refused here as it would be from another node', () => {
  const { open, clock } = hostCells();
  const live = open(definitionOf('late', light, { replies: { inc: async () => 1 } }));
  const [outcome] = [ask(live, { type: 'inc' })];
  clock.settle();
  assert.match(
    outcome[0]?.ok === false ? outcome[0].failure.message : '',
    /late refused 'inc': TypeError: a reply answers at once/,
  );
});

test('an ask is answered once: at once, after a later event, or by a refusal; a delivery when it is handled', () => {
  const { open, clock } = hostCells();
  const live = open(counterDefinition);
  const [first, three, refused, delivered] = [
    ask(live, { type: 'inc' }),
    ask(live, { type: 'three', by: 0 } as Event),
    ask(live, { type: 'refuse', by: 0 } as Event),
    deliver(live, { type: 'x', by: 0 } as Event),
  ];
  assert.deepEqual([first, three, refused, delivered], [[], [], [], []]);
  clock.settle();
  assert.deepEqual([codeOf(first[0]), codeOf(delivered[0]), codeOf(refused[0])], ['ok 1', 'ok null', 'ACTOR_REFUSED']);
  assert.ok(refused[0]!.ok === false && refused[0]!.failure.message.includes('RangeError: not today'));
  assert.deepEqual(three, []);
  sendAll(live, 'inc', 'inc');
  clock.settle();
  assert.deepEqual([codeOf(three[0]), three.length], ['ok 3', 1]);
  assert.equal(codeOf(ask(live, { type: 'unheard' })[0]), 'INVALID_REQUEST');
});

test('whoever gives up waiting hears nothing, and whoever waits for too long is told that nobody knows', () => {
  const { open, clock } = hostCells();
  const live = open(counterDefinition);
  const heard: unknown[] = [];
  const how = { id: null, wantsReply: true, leftMs: 1_000, trail: nobody };
  const giveUp = live.deliver({ type: 'three', by: 0 } as Event, how, (outcome) => void heard.push(outcome));
  const late = ask(live, { type: 'three', by: 0 } as Event, 1_000);
  clock.settle();
  giveUp();
  clock.pass(900);
  assert.deepEqual(late, []);
  clock.pass(200);
  assert.equal(codeOf(late[0]), 'OUTCOME_UNKNOWN');
  sendAll(live, 'inc', 'inc', 'inc');
  clock.settle();
  assert.deepEqual([heard, late.length], [[], 1]);
});

test('no more wait for answers than may wait in the mailbox', () => {
  const { open, clock } = hostCells();
  const live = open({ ...counterDefinition, mailboxMax: 2 });
  const asked = [ask(live, { type: 'three', by: 0 } as Event), ask(live, { type: 'three', by: 0 } as Event)];
  clock.settle();
  assert.equal(codeOf(ask(live, { type: 'three' })[0]), 'MAILBOX_FULL');
  live.send({ type: 'inc', by: 3 } as Event, nobody);
  clock.settle();
  assert.deepEqual(
    asked.map(([one]) => codeOf(one)),
    ['ok 3', 'ok 3'],
  );
});

test('subscribers hear the snapshot now and then the latest of each turn, until they end it', () => {
  const { open, clock } = hostCells();
  const live = open(counterDefinition);
  const heard: number[] = [];
  const end = live.subscribe(
    (snapshot) => void heard.push(contextOf(snapshot).n),
    () => {},
  );
  assert.deepEqual(heard, [0]);
  sendAll(live, ...Array<string>(actorLimits.turnEvents + 2).fill('inc'));
  clock.settle();
  assert.deepEqual(heard, [0, actorLimits.turnEvents, actorLimits.turnEvents + 2]);
  end();
  sendAll(live, 'inc');
  clock.settle();
  assert.equal(heard.length, 3);
});

test('a subscriber that sends to the actor it listens to has it handled; one that throws hurts nobody', () => {
  const { open, clock, sink } = hostCells();
  const live = open(counterDefinition);
  live.subscribe(
    (snapshot) => void (contextOf(snapshot).n === 1 && sendAll(live, 'more')),
    () => {},
  );
  let boom = 0;
  live.subscribe(
    () => {
      if (boom++ > 0) throw new Error('boom');
    },
    () => {},
  );
  sendAll(live, 'inc');
  clock.settle();
  assert.deepEqual(contextOf(live.snapshot()).log, ['inc', 'more']);
  assert.deepEqual([live.view().state, sink.lines], ['running', ['error ACTOR_LISTENER_THREW']]);
});

test('a stop lets it handle what waits, a hard one does not; both take nothing more', () => {
  for (const isHard of [false, true]) {
    const { open, clock, cells, deadLetters } = hostCells();
    const live = open(counterDefinition);
    const ends = endsOf(live);
    const stopped: string[] = [];
    sendAll(live, 'a', 'b');
    const asked = ask(live, { type: 'three', by: 0 } as Event);
    live.stop(isHard, () => void stopped.push('first'));
    live.stop(false, () => void stopped.push('second'));
    assert.equal(live.send({ type: 'late' }, nobody)?.code, 'ACTOR_STOPPED');
    clock.settle();
    assert.deepEqual(contextOf(live.snapshot()).log, isHard ? [] : ['a', 'b', 'three']);
    assert.deepEqual([stopped, ends], [['first', 'second'], [{ address: live.address, reason: 'stopped' }]]);
    assert.equal(codeOf(asked[0]), isHard ? 'ACTOR_STOPPED' : 'OUTCOME_UNKNOWN', 'what was handled may have happened');
    assert.equal(deadLetters().length, isHard ? 3 : 0);
    assert.deepEqual([cells.size, cells.find(live.address), live.view().state], [0, null, 'stopped']);
    live.stop(true, () => void stopped.push('third'));
    assert.deepEqual([stopped.length, endsOf(live)], [3, ends]);
  }
});

test('an actor that comes to its end tells its output, and answers first', () => {
  const { open, clock, cells, deadLetters } = hostCells();
  const live = open(definitionOf('light', light, { replies: { end: ({ snapshot }) => snapshot.status } }));
  const ends = endsOf(live);
  sendAll(live, 'inc', 'go');
  const asked = ask(live, { type: 'end' });
  const late = ask(live, { type: 'end' });
  clock.settle();
  assert.deepEqual([codeOf(asked[0]), codeOf(late[0])], ['ok "done"', 'ACTOR_STOPPED']);
  assert.deepEqual([ends, cells.size], [[{ address: live.address, reason: 'done', output: 1 }], 0]);
  assert.deepEqual(deadLetters(), ['light/1@n1 end ACTOR_STOPPED']);
});

test('one that is opened while it ends begins anew after that', () => {
  const { open, clock, cells } = hostCells();
  const live = open(counterDefinition);
  sendAll(live, 'a');
  live.stop(false, () => {});
  const again = open(counterDefinition);
  assert.ok(again !== live && cells.size === 1);
  assert.deepEqual(contextOf(again.snapshot()).log, []);
  assert.equal(open(counterDefinition), again, 'one that lives is not made twice');
  clock.settle();
});

test('what is opened only if it was made is not made; no more are made than may live', () => {
  const { cells, begin, open, clock } = hostCells({ actorsMax: 1 });
  const refused: string[] = [];
  cells.open(counterDefinition, addressOf('counter'), null, (one) => void refused.push(one.ok ? '' : one.failure.code), true);
  open(counterDefinition);
  const second = begin(counterDefinition, '2');
  refused.push(second.ok ? '' : second.failure.code);
  cells.stop(() => void refused.push('stopped'));
  const third = begin(counterDefinition, '3');
  refused.push(third.ok ? '' : third.failure.code);
  clock.settle();
  assert.deepEqual(refused, ['ACTOR_STOPPED', 'OVERLOADED', 'stopped', 'STOPPING']);
});

test('a release tells subscribers that it moved, and askers that it is not here', () => {
  const { open, clock, cells } = hostCells();
  const live = open(counterDefinition);
  const ends = endsOf(live);
  const asked = ask(live, { type: 'inc' });
  live.release('moved', () => {});
  clock.settle();
  assert.deepEqual([ends, codeOf(asked[0]), live.view().state, cells.size], [['moved'], 'NOT_READY', 'passive', 0]);
});

test('a node that stops lets all handle what waits', () => {
  const { open, clock, cells } = hostCells();
  const lives = ['1', '2', '3'].map((key) => open(counterDefinition, key));
  for (const live of lives) sendAll(live, 'a');
  const ends = lives.flatMap(endsOf);
  let isStopped = false;
  cells.stop(() => void (isStopped = true));
  clock.settle();
  assert.ok(isStopped && ends.every(() => true));
  assert.deepEqual(
    lives.map((live) => contextOf(live.snapshot()).log),
    [['a'], ['a'], ['a']],
  );
});

test('one whose token does not hold for a moment handles nothing, and goes on when it does again', () => {
  let holds = true;
  const { clock, cells } = hostCells({ holds: () => holds });
  const address = { ...addressOf('counter'), node: null };
  const opened: unknown[] = [];
  cells.open({ ...counterDefinition, placement: 'sharded' }, address, { term: 1, index: 7 }, (one) => void opened.push(one));
  clock.settle();
  const live = cells.find(address)!;
  sendAll(live, 'a');
  clock.settle();
  assert.equal(live.view().handled, 1);
  holds = false;
  sendAll(live, 'b');
  clock.settle();
  assert.deepEqual([live.view().handled, live.view().waiting, live.view().state], [1, 1, 'running']);
  holds = true;
  clock.pass(100);
  assert.deepEqual([live.view().handled, live.view().waiting], [2, 0]);
});

test('one whose token is lost before it is made is not waited for', () => {
  let holds = false;
  const { clock, cells } = hostCells({ holds: () => holds });
  const definition = { ...counterDefinition, placement: 'sharded' } as const;
  const address = { ...addressOf('counter'), node: null };
  const opened: string[] = [];
  const open = (term: number): void =>
    cells.open(definition, address, { term, index: 7 }, (one) => void opened.push(one.ok ? 'ok' : one.failure.code));
  open(1);
  open(1);
  clock.pass(100);
  assert.deepEqual([opened, cells.size], [['NOT_READY', 'NOT_READY'], 0]);
  // The same node leads once more.
  holds = true;
  open(2);
  clock.settle();
  assert.deepEqual(opened.slice(2), ['ok']);
  assert.deepEqual(cells.find(address)!.view().token, { term: 2, index: 7 });
});

test('its code knows for whom it runs', () => {
  const { open, clock } = hostCells();
  const seen: unknown[] = [];
  const curious = fromTransition((n: number) => {
    const { address, token, effectId } = currentExecution()!;
    seen.push({ address, token, effectId });
    return n + 1;
  }, 0);
  const live = open(definitionOf('curious', curious));
  sendAll(live, 'a');
  clock.settle();
  assert.deepEqual([seen, currentExecution()], [[{ address: live.address, token: null, effectId: null }], null]);
});

test('an actor without use leaves the memory; a timer, an asker, a subscriber or a child keeps it', () => {
  const { open, clock, cells } = hostCells();
  const idle = { passivateAfterMs: 10_000 };
  const used = open({ ...counterDefinition, ...idle }, 'used');
  open({ ...counterDefinition, ...idle }, 'unused');
  const asked = open({ ...counterDefinition, ...idle }, 'asked');
  ask(asked, { type: 'three', by: 0 } as Event, 60_000);
  const watched = open({ ...counterDefinition, ...idle }, 'watched');
  endsOf(watched);
  const parent = open({ ...counterDefinition, ...idle }, 'parent');
  open(counterDefinition, 'child', parent.address);
  const waits = setup({}).createMachine({ initial: 'a', states: { a: { after: { 15000: 'b' } }, b: {} } });
  open(definitionOf('waits', waits, idle), 'timed');
  const lives = (): string[] => [...cells.live()].map(({ address }) => address.key);
  clock.pass(9_000);
  sendAll(used, 'a');
  clock.pass(3_000);
  assert.deepEqual(lives(), ['used', 'asked', 'watched', 'parent', 'child', 'timed'], 'an eighth late at most');
  clock.pass(9_000);
  assert.deepEqual(lives(), ['asked', 'watched', 'parent', 'child', 'timed'], 'its timer rang at 15 s');
  clock.pass(6_000);
  assert.deepEqual(lives(), ['asked', 'watched', 'parent', 'child']);
});

test('a tap sees each event, what became of it, and the end; and costs nothing after it', () => {
  const { open, clock } = hostCells();
  const live = open(definitionOf('light', light));
  const seen: Seen[] = [];
  const end = live.tap((one) => void seen.push(one));
  live.send({ type: 'go' }, { source: 'door/1@n1', correlation: 'c7' });
  clock.settle();
  clock.pass(1_000);
  const said = seen.map((one) =>
    one.type === 'event'
      ? `${one.event.type} ${one.trail?.source}`
      : one.type === 'snapshot'
        ? `is ${(one.snapshot as { value: string }).value}`
        : one.type,
  );
  assert.deepEqual(said, ['go door/1@n1', 'is green', 'xstate.after.1000.(machine).green undefined', 'is red']);
  end();
  sendAll(live, 'go');
  clock.settle();
  assert.equal(seen.length, 4);
  live.tap((one) => void seen.push(one));
  live.stop(true, () => {});
  clock.settle();
  assert.equal(seen.at(-1)?.type, 'ended');
});
