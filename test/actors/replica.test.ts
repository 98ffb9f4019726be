// Replicated actors over whole nodes moved by hand: what is acknowledged survives, effects and timers happen when and as often as they may.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assign, type EventObject, fromCallback, fromPromise, sendTo, setup } from 'xstate';
import { type ActorDefinition, refMark } from '../../actors/actor-api.ts';
import { currentExecution } from '../../actors/actor-execution.ts';
import { type NodeSettings, settingsDefaults } from '../../actors/settings.ts';
import type { HandNode, StartOptions } from './hand-cluster.ts';
import { addressOf, createReplicaWorld, definitionOf, said } from './replica-world.ts';

type CartEvent =
  | { type: 'add'; by?: number }
  | { type: 'mail'; to: string }
  | { type: 'later' }
  | { type: 'pay' }
  | { type: 'fail' }
  | { type: 'chance' }
  | { type: 'send'; to: unknown }
  | { type: 'end' }
  | { type: 'get' };

/** What code of actors did at one node. */
type Did = { mails: string[]; paying: { name: string; say: (event: EventObject) => void; ended: boolean }[] };

const cartOf = (did: Did, chance: () => number, more: Partial<ActorDefinition> = {}): ActorDefinition => {
  const machine = setup({
    types: { context: {} as { sum: number; rung: number; paid: string[] }, events: {} as CartEvent | EventObject },
    actions: {
      mail: ({ event }) => void did.mails.push(`${(event as { to: string }).to} ${currentExecution()?.effectId}`),
    },
    actors: {
      payment: fromCallback(({ sendBack }) => {
        const paying = { name: 'payment', say: sendBack, ended: false };
        did.paying.push(paying);
        return () => {
          paying.ended = true;
        };
      }),
    },
  }).createMachine({
    context: { sum: 0, rung: 0, paid: [] },
    initial: 'open',
    on: {
      add: { actions: assign({ sum: ({ context, event }) => context.sum + ((event as { by?: number }).by ?? 1) }) },
      chance: { actions: assign({ sum: ({ context }) => context.sum + chance() }) },
      mail: { actions: 'mail' },
      send: {
        actions: sendTo(
          ({ event }) => (event as unknown as { to: never }).to,
          () => ({ type: 'add', by: 5 }) as never,
        ),
      },
      fail: {
        actions: assign(() => {
          throw new Error('no');
        }),
      },
      'polity.interrupted': { actions: assign({ paid: ({ context }) => [...context.paid, 'interrupted'] }) },
    },
    states: {
      open: { on: { later: 'waiting', pay: 'paying', end: 'over' } },
      waiting: {
        after: { 1000: { target: 'open', actions: [assign({ rung: ({ context }) => context.rung + 1 }), 'mail'] } },
      },
      paying: {
        invoke: { id: 'p', src: 'payment', onError: { target: 'open', actions: assign({ paid: () => ['failed'] }) } },
        on: { paid: { target: 'open', actions: assign({ paid: ({ context }) => [...context.paid, 'paid'] }) } },
      },
      over: { type: 'final' },
    },
  });
  const context = (key: 'sum' | 'rung' | 'paid') => (args: { snapshot: unknown }) =>
    (args.snapshot as { context: Record<string, unknown> }).context[key];
  return definitionOf(machine, {
    replies: {
      add: context('sum'),
      get: context('sum'),
      rung: context('rung'),
      bills: context('paid'),
      chance: context('sum'),
    },
    ...more,
  });
};

const createWorld = (more: Partial<ActorDefinition> = {}, settings: Partial<NodeSettings> = {}, options: StartOptions = {}) => {
  const dids = new Map<string, Did>();
  const did = (node: string): Did => {
    const known = dids.get(node) ?? { mails: [], paying: [] };
    dids.set(node, known);
    return known;
  };
  const chances = { of: (_node: string) => 0 };
  const definition = (node: string): ActorDefinition => cartOf(did(node), () => chances.of(node), more);
  const lacking = new Set<string>();
  const world = createReplicaWorld((node) => (lacking.has(node) ? [] : [definition(node)]), settings, options);
  const mails = (): string[] => [...dids.values()].flatMap((one) => one.mails);
  return { ...world, did, mails, chances, lacking, definition };
};

test('events are answered from the snapshot right after them, one effect for each delivery id, and survive their leader', () => {
  const world = createWorld();
  world.form();
  assert.equal(said(world.ask('a', { type: 'add', by: 2 })), 2);
  assert.equal(said(world.ask('a', { type: 'add', by: 3 }, 'once')), 5);
  assert.equal(said(world.ask('a', { type: 'add', by: 3 }, 'once')), 5);
  assert.equal(said(world.ask('a', { type: 'nothing' })), 'INVALID_REQUEST');
  world.cluster.kill(world.leader()!);
  world.cluster.until(() => world.leader() !== null);
  assert.equal(said(world.ask('a', { type: 'add', by: 3 }, 'once')), 5);
  assert.equal(said(world.ask('a', { type: 'add' })), 6);
});

test('who asks once more is told what he was told, though the actor has gone on since: by another leader, and after a restart of all', () => {
  const world = createWorld();
  world.form();
  for (let n = 1; n <= 3; n++) assert.equal(said(world.ask('a', { type: 'add' }, `id${n}`)), n);
  const again = (): unknown[] => [1, 2, 3].map((n) => said(world.ask('a', { type: 'add' }, `id${n}`)));
  assert.deepEqual(again(), [1, 2, 3]);
  world.cluster.kill(world.leader()!);
  world.cluster.until(() => world.leader() !== null);
  assert.deepEqual(again(), [1, 2, 3]);
  const disks = [...world.cluster.nodes.values()].map((one) => [one.name, world.cluster.kill(one)] as const);
  const all = disks.map(([name, contents]) => world.start(name, { contents }));
  world.cluster.until(() => all.every(({ api }) => api.status().state === 'ready') && world.leader() !== null);
  assert.deepEqual(again(), [1, 2, 3]);
  assert.equal(said(world.ask('a', { type: 'get' })), 3);
});

test('what one handled or refused that was removed since is not done by the next of its name, nor answered from its state', () => {
  const world = createWorld();
  const [node] = world.form();
  assert.equal(said(world.ask('a', { type: 'add' }, 'asked')), 1);
  assert.equal(said(world.tell('a', { type: 'add' }, 'told')), null);
  assert.equal(said(world.tell('a', { type: 'fail' }, 'failed')), 'ACTOR_FAILED');
  const stopped: unknown[] = [];
  node!.api.actors.stop(addressOf('a'), {}, (end) => void stopped.push(said(end)));
  world.cluster.until(() => stopped.length === 1);
  for (const leads of [world.leader()!, world.followers()[0]!]) {
    world.lead(leads);
    assert.equal(said(world.ask('a', { type: 'add' }, 'asked')), 'ACTOR_REFUSED');
    assert.equal(said(world.tell('a', { type: 'add' }, 'told')), null);
    assert.equal(said(world.tell('a', { type: 'fail' }, 'failed')), 'ACTOR_FAILED');
    assert.equal(said(world.ask('a', { type: 'get' })), 0);
  }
});

test('an effect is run by the leader only, after its entry is committed, with its id; what it did not say to be done runs again', () => {
  const world = createWorld();
  world.form();
  world.tell('a', { type: 'add' });
  const first = world.leader()!;
  // Nothing of the leader reaches anybody: no entry is committed, no effect happens.
  world.cluster.lose(({ from }) => from === first.peer);
  first.api.actors.deliver(addressOf('a'), { type: 'mail', to: 'x' } as EventObject, { id: 'm' }, () => {});
  world.cluster.pass(40);
  assert.deepEqual(world.mails(), []);
  world.cluster.lose(() => false);
  world.cluster.until(() => world.mails().length === 1);
  assert.match(world.mails()[0]!, /^x kv\.\d+\.\d+$/);
  world.cluster.pass(200);
  assert.equal(world.mails().length, 1);
  // It runs the next one, and dies before the log has it as done.
  const now = world.leader()!;
  world.tell('a', { type: 'add' });
  let isCut = false;
  world.cluster.lose(({ from }) => isCut && from === now.peer);
  now.api.actors.deliver(addressOf('a'), { type: 'mail', to: 'y' } as EventObject, {}, () => {});
  const before = world.did(now.name).mails.length;
  for (let ms = 0; world.did(now.name).mails.length === before; ms++) {
    world.cluster.pass(1);
    assert.ok(ms < 1_000);
  }
  isCut = true;
  world.cluster.kill(now);
  world.cluster.lose(() => false);
  world.cluster.until(() => world.leader() !== null);
  world.cluster.pass(500);
  const sent = world.mails().filter((mail) => mail.startsWith('y'));
  assert.ok(sent.length >= 1 && sent.length <= 2, `${sent.length}`);
  assert.equal(new Set(sent).size, 1);
});

test('a timer rings once, under the next leader too, though nobody talks to the actor', () => {
  const world = createWorld();
  world.form();
  world.tell('a', { type: 'later' });
  world.cluster.pass(500);
  assert.equal(said(world.ask('a', { type: 'rung' })), 0);
  world.cluster.kill(world.leader()!);
  world.cluster.until(() => world.leader() !== null);
  world.cluster.until(() => world.mails().length === 1);
  world.cluster.pass(2_000);
  assert.equal(world.mails().length, 1);
  assert.equal(said(world.ask('a', { type: 'rung' })), 1);
});

test('what is invoked runs at the leader and answers by entries; a new leader begins it again', () => {
  const world = createWorld();
  world.form();
  world.tell('a', { type: 'pay' });
  const first = world.leader()!;
  world.cluster.until(() => world.did(first.name).paying.length === 1);
  for (const one of world.followers()) assert.equal(world.did(one.name).paying.length, 0);
  world.cluster.kill(first);
  world.cluster.until(() => world.leader() !== null);
  const second = world.did(world.leader()!.name);
  world.cluster.until(() => second.paying.length === 1);
  second.paying[0]!.say({ type: 'paid' });
  world.cluster.until(() => second.paying[0]!.ended);
  assert.deepEqual(said(world.ask('a', { type: 'bills' })), ['paid']);
});

test('by its rule, what was under way under a lost leader fails, or the actor is asked', () => {
  for (const [rule, expected] of [
    ['fail', ['failed']],
    ['ask', ['interrupted']],
  ] as const) {
    const world = createWorld({ resume: { payment: rule } });
    world.form();
    world.tell('a', { type: 'pay' });
    const first = world.leader()!;
    world.cluster.until(() => world.did(first.name).paying.length === 1);
    world.cluster.kill(first);
    world.cluster.until(() => world.leader() !== null);
    world.cluster.pass(300);
    assert.deepEqual(said(world.ask('a', { type: 'bills' })), expected);
    assert.equal(world.did(world.leader()!.name).paying.length, 0);
  }
});

test('chance in a transition stops the actor and names the event; an operator lets it go on', () => {
  const world = createWorld();
  world.form();
  world.tell('a', { type: 'add' });
  world.chances.of = (node) => Number(node.slice(1));
  world.tell('a', { type: 'chance' });
  world.cluster.pass(1_500);
  const outcome = world.ask('a', { type: 'get' });
  assert.equal(said(outcome), 'ACTOR_DIVERGED');
  assert.match(outcome.ok ? '' : outcome.failure.message, /'chance'/);
  for (const node of world.cluster.nodes.values()) {
    const line = node.lines.find(({ code }) => code === 'ACTOR_DIVERGED');
    assert.equal(line?.level, 'error');
    assert.deepEqual([line?.facts.actor, line?.facts.group, line?.facts.event], ['cart/a', 'kv', 'chance']);
  }
  const live = world.live('a');
  assert.equal(live?.view().state, 'diverged');
  assert.equal(said(world.ask('b', { type: 'add' })), 1);
  const ends: unknown[] = [];
  world.followers()[0]!.api.replicas.reset(addressOf('a'), 1_000, (end) => void ends.push(said(end)));
  world.cluster.until(() => ends.length === 1);
  assert.deepEqual(ends, [null]);
  const sum = 1 + Number(world.leader()!.name.slice(1));
  assert.equal(said(world.ask('a', { type: 'get' })), sum);
  world.cluster.pass(1_500);
  world.cluster.kill(world.leader()!);
  world.cluster.until(() => world.leader() !== null);
  assert.equal(said(world.ask('a', { type: 'get' })), sum);
});

test('a throw is told, leaves the state, and after too many the actor is ended', () => {
  const world = createWorld({ restart: { ...definitionOf(null as never).restart, failuresMax: 2 } });
  world.form();
  world.tell('a', { type: 'add' });
  const ends: string[] = [];
  world.leader()!.api.actors.watch(addressOf('a'), ({ reason }) => void ends.push(reason));
  for (let n = 0; n < 3; n++) assert.equal(said(world.tell('a', { type: 'fail' })), 'ACTOR_FAILED');
  assert.equal(said(world.ask('a', { type: 'get' })), 'ACTOR_FAILED');
  world.cluster.until(() => ends.length === 1);
  assert.deepEqual(ends, ['failed']);
  const stopped: unknown[] = [];
  world.followers()[0]!.api.actors.stop(addressOf('a'), {}, (end) => void stopped.push(said(end)));
  world.cluster.until(() => stopped.length === 1);
  assert.deepEqual(stopped, [null]);
  assert.equal(said(world.ask('a', { type: 'add' })), 1);
});

test('a member that gets the code later keeps the events until then, and becomes what the others are', () => {
  const world = createWorld();
  world.lacking.add('n3');
  const [first, , late] = world.form() as [HandNode, HandNode, HandNode];
  world.lead(first);
  for (let n = 0; n < 5; n++) world.tell('a', { type: 'add' });
  world.tell('b', { type: 'later' });
  late.api.actors.host(world.definition('n3'));
  world.cluster.pass(1_000);
  world.lead(late);
  assert.equal(said(world.ask('a', { type: 'add' })), 6);
  world.cluster.pass(2_000);
  assert.equal(world.mails().length, 1);
  for (const node of world.cluster.nodes.values())
    assert.equal(
      node.lines.some(({ code }) => code === 'ACTOR_DIVERGED'),
      false,
    );
});

test('a member that was away is given a snapshot with all actors in it, and goes on from there as their leader', () => {
  const world = createWorld({}, { snapshotEntries: 20, raft: { ...settingsDefaults.raft, retainEntries: 5 } });
  world.form();
  const away = world.followers()[0]!;
  world.tell('b', { type: 'later' });
  world.tell('c', { type: 'pay' });
  const contents = world.cluster.kill(away);
  for (let n = 0; n < 60; n++) world.tell('a', { type: 'add' }, `id${n}`);
  world.cluster.pass(1_500);
  const back = world.start(away.name, { contents });
  world.cluster.until(() => [...back.counts.keys()].some((name) => name.startsWith('raft_snapshots_received_total')));
  world.cluster.pass(500);
  world.lead(back);
  assert.equal(said(world.ask('a', { type: 'add' }, 'id59')), 60);
  assert.equal(said(world.ask('b', { type: 'rung' })), 1);
  world.cluster.until(() => world.did(back.name).paying.length === 1);
});

test('all of them start again, and everything is as it was, with what is still to be done', () => {
  const world = createWorld();
  world.form();
  world.tell('a', { type: 'add', by: 7 });
  world.tell('b', { type: 'later' });
  world.tell('c', { type: 'pay' });
  world.cluster.pass(200);
  const disks = [...world.cluster.nodes.values()].map((one) => [one.name, world.cluster.kill(one)] as const);
  const all = disks.map(([name, contents]) => world.start(name, { contents }));
  world.cluster.until(() => all.every(({ api }) => api.status().state === 'ready') && world.leader() !== null);
  assert.equal(said(world.ask('a', { type: 'get' })), 7);
  world.cluster.until(() => world.mails().length === 1);
  const did = world.did(world.leader()!.name);
  world.cluster.until(() => did.paying.some(({ ended }) => !ended));
});

test('a message to another actor is delivered once, whatever becomes of the leader that sends it', () => {
  const formRef = (address: unknown) => ({ [refMark]: address, send() {} });
  const world = createWorld({}, {}, { formRef });
  world.form();
  world.tell('b', { type: 'add' });
  for (let n = 0; n < 3; n++) world.tell('a', { type: 'send', to: { $ref: 'cart/b' } });
  world.cluster.pass(200);
  assert.equal(said(world.ask('b', { type: 'get' })), 16);
  // What it sent is not in the log as done, and is sent again under the same id.
  const first = world.leader()!;
  first.api.actors.deliver(addressOf('a'), { type: 'send', to: { $ref: 'cart/b' } } as EventObject, {}, () => {});
  world.cluster.pass(12);
  world.cluster.kill(first);
  world.cluster.until(() => world.leader() !== null);
  world.tell('a', { type: 'send', to: { $ref: 'cart/b' } });
  world.cluster.pass(1_000);
  const sum = said(world.ask('b', { type: 'get' })) as number;
  assert.ok(sum === 21 || sum === 26, `${sum}`);
  // To nobody who could have it.
  world.tell('a', { type: 'send', to: { $ref: 'cart/b@n9' } });
  world.cluster.pass(100);
  assert.equal(said(world.ask('a', { type: 'get' })), 0);
});

test('who ends is over for good; it is watched, and made anew once it was removed', () => {
  const world = createWorld();
  const [node] = world.form();
  world.tell('a', { type: 'add' });
  const ends: string[] = [];
  node!.api.actors.watch(addressOf('a'), ({ reason }) => void ends.push(reason));
  world.cluster.pass(100);
  world.tell('a', { type: 'end' });
  world.cluster.until(() => ends.length === 1);
  assert.deepEqual(ends, ['done']);
  assert.equal(said(world.ask('a', { type: 'get' })), 'ACTOR_STOPPED');
  const stopped: unknown[] = [];
  node!.api.actors.stop(addressOf('a'), {}, (end) => void stopped.push(said(end)));
  world.cluster.until(() => stopped.length === 1);
  assert.equal(said(world.ask('a', { type: 'get' })), 0);
});

test('nobody needs it: it leaves the memory, rings all the same, and is there when it is asked for', () => {
  const world = createWorld({ passivateAfterMs: 300 });
  world.form();
  world.tell('a', { type: 'later' });
  assert.notEqual(world.live('a'), null);
  world.cluster.pass(600);
  assert.equal(world.live('a'), null);
  world.cluster.pass(1_000);
  assert.equal(world.mails().length, 1);
  assert.equal(said(world.ask('a', { type: 'rung' })), 1);
});

test('a newer version takes over by its migration, also where the older one is not hosted any more', () => {
  const world = createWorld();
  const [first, second, third] = world.form() as [HandNode, HandNode, HandNode];
  world.lead(first);
  for (let n = 0; n < 3; n++) world.tell('a', { type: 'add' });
  const migrate = {
    1: (snapshot: unknown) => {
      const { context, ...rest } = snapshot as { context: { sum: number } };
      return { ...rest, context: { ...context, sum: context.sum + 100 } };
    },
  };
  const newer = (node: string): ActorDefinition => ({ ...world.definition(node), version: 2, migrate });
  for (const node of [second, third]) assert.equal(node.api.actors.host(newer(node.name)), null);
  for (let n = 0; n < 3; n++) world.tell('a', { type: 'add' }, `v${n}`);
  world.cluster.pass(1_500);
  world.lead(second);
  assert.equal(said(world.ask('a', { type: 'add' }, 'v2')), 106);
  assert.equal(said(world.ask('a', { type: 'add' })), 107);
  world.cluster.pass(1_000);
  // A node of the older version leads again: it has the state, and does not touch it.
  world.lead(first);
  assert.equal(said(world.ask('a', { type: 'get' })), 'ACTOR_VERSION');
  assert.equal(first.api.actors.host(newer('n1')), null);
  world.cluster.pass(600);
  assert.equal(said(world.ask('a', { type: 'get' })), 107);
  for (const node of world.cluster.nodes.values())
    assert.equal(
      node.lines.some(({ code }) => code === 'ACTOR_DIVERGED'),
      false,
    );
});

test('a promise runs at the leader with its effect id, and ends as an entry: what it gave, or what it threw', async () => {
  const ids: (string | null | undefined)[] = [];
  const logic = setup({
    types: { context: {} as { got: unknown[] } },
    actors: {
      work: fromPromise(async ({ input }: { input: { fails: boolean } }) => {
        ids.push(currentExecution()?.effectId);
        await Promise.resolve();
        if (input.fails) throw new RangeError('too far');
        return { at: 7 };
      }),
    },
  }).createMachine({
    context: { got: [] },
    initial: 'idle',
    on: { run: '.running' },
    states: {
      idle: {},
      running: {
        invoke: {
          src: 'work',
          input: ({ event }) => ({ fails: (event as { fails?: boolean }).fails === true }),
          onDone: { target: 'idle', actions: assign({ got: ({ context, event }) => [...context.got, event.output] }) },
          onError: {
            target: 'idle',
            actions: assign({ got: ({ context, event }) => [...context.got, (event.error as Error).message] }),
          },
        },
      },
    },
  });
  const got = ({ snapshot }: { snapshot: unknown }): unknown => {
    const { value, context } = snapshot as { value: string; context: { got: unknown[] } };
    return value === 'idle' ? context.got : undefined;
  };
  const world = createReplicaWorld(() => [definitionOf(logic, { replies: { get: got } })]);
  world.form();
  for (const fails of [false, true]) {
    world.tell('a', { type: 'run', fails });
    for (let turn = 0; turn < 20; turn++) {
      world.cluster.pass(5);
      await new Promise(setImmediate);
    }
  }
  assert.deepEqual(said(world.ask('a', { type: 'get' })), [{ at: 7 }, 'too far']);
  assert.equal(ids.length, 2);
  for (const id of ids) assert.match(id ?? '', /^kv\.\d+\.\d+$/);
});

test('who waits for a reply that is not there yet is answered by the next leader, and his event counts once', () => {
  const logic = setup({ types: { context: {} as { asked: number; open: boolean } } }).createMachine({
    context: { asked: 0, open: false },
    on: {
      wait: { actions: assign({ asked: ({ context }) => context.asked + 1 }) },
      open: { actions: assign({ open: true }) },
    },
  });
  const wait = ({ snapshot }: { snapshot: unknown }): unknown => {
    const { context } = snapshot as { context: { asked: number; open: boolean } };
    return context.open ? context.asked : undefined;
  };
  const world = createReplicaWorld(() => [definitionOf(logic, { replies: { wait } })]);
  world.form();
  const asker = world.followers()[0]!;
  const answers: unknown[] = [];
  asker.api.actors.ask(addressOf('a'), { type: 'wait' }, { timeoutMs: 20_000 }, (outcome) => void answers.push(said(outcome)));
  world.cluster.until(() => world.live('a') !== null);
  world.cluster.pass(100);
  const [next] = world.followers().filter((node) => node !== asker);
  world.lead(next!);
  world.cluster.pass(500);
  assert.deepEqual(answers, []);
  world.tell('a', { type: 'open' });
  world.cluster.until(() => answers.length === 1);
  assert.deepEqual(answers, [1]);
});
