// A cluster is formed once: whatever messages are lost or repeated, whoever crashes before its disk is ready, honest nodes end
// with one genesis, and nobody hosts a replica that it did not offer.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  createGenesis,
  deadlineMs,
  type Genesis,
  type GenesisEffect,
  type GenesisMessage,
  type GenesisState,
  step,
} from '../../../machines/genesis/index.ts';

const bootstrap = ['n1', 'n2', 'n3'];
const groups = ['kv'];

const create = (name: string, given: Partial<Parameters<typeof createGenesis>[0]> = {}): GenesisState =>
  createGenesis({
    ...{ cluster: 'c', bootstrap, groups, genesis: null, newClusterId: `by-${name}`, nowMs: 0 },
    self: { name, peer: `p-${name}`, replicas: { kv: `r-${name}` } },
    ...given,
  });

const offerOf = (name: string, replicas: Record<string, string> = { kv: `r-${name}` }): GenesisMessage => ({
  type: 'offer',
  offer: { name, bootstrap, groups, replicas },
});

const tell = (state: GenesisState, name: string, message: GenesisMessage, peer = `p-${name}`): GenesisEffect[] =>
  step(state, 0, { type: 'message', peer, message });

const open = (state: GenesisState, ...names: string[]): void => {
  for (const name of names) step(state, 0, { type: 'peer-open', peer: `p-${name}` });
};

const typesOf = (effects: readonly GenesisEffect[]): string[] =>
  effects.map((effect) => (effect.type === 'warn' ? effect.code : effect.type));

const node = (name: string, peer = `p-${name}`) => ({ name, peer, replicas: { kv: `r-${name}` } });
const genesis: Genesis = { clusterId: 'id', cluster: 'c', groups, nodes: bootstrap.map((name) => node(name)) };

test('the first-named forms when everybody is there, and says so only once that is on its disk', () => {
  const n1 = create('n1');
  open(n1, 'n2', 'n3');
  assert.deepEqual(tell(n1, 'n2', offerOf('n2')), []);
  const effects = tell(n1, 'n3', offerOf('n3'));
  assert.deepEqual(typesOf(effects), ['persist']);
  assert.equal(deadlineMs(n1), Number.POSITIVE_INFINITY);
  assert.deepEqual(tell(n1, 'n2', { type: 'ask', name: 'n2' }), [], 'not yet');
  const formed = step(n1, 1, { type: 'persisted' });
  assert.deepEqual(
    formed.map((effect) => ('peer' in effect ? `${effect.type} ${effect.peer}` : effect.type)),
    ['formed', 'send-formed p-n2', 'send-formed p-n3'],
  );
  assert.deepEqual(
    n1.genesis?.nodes.map(({ name, peer, replicas }) => [name, peer, replicas.kv]),
    [
      ['n1', 'p-n1', 'r-n1'],
      ['n2', 'p-n2', 'r-n2'],
      ['n3', 'p-n3', 'r-n3'],
    ],
  );
  assert.deepEqual(step(n1, 2, { type: 'persisted' }), [], 'once');
  assert.deepEqual(typesOf(tell(n1, 'n4', { type: 'ask', name: 'n4' })), ['send-formed']);
});

test('one node alone forms its cluster at its first wake', () => {
  const n1 = create('n1', { bootstrap: ['n1'] });
  assert.deepEqual(typesOf(step(n1, 0, { type: 'wake' })), ['persist']);
});

test('nothing is formed with somebody who is gone, or asked elsewhere, or offers too little', () => {
  const n1 = create('n1');
  open(n1, 'n2', 'n3');
  tell(n1, 'n2', offerOf('n2'));
  step(n1, 0, { type: 'peer-close', peer: 'p-n2' });
  assert.deepEqual(tell(n1, 'n3', offerOf('n3')), []);
  open(n1, 'n2');
  const others: Partial<{ bootstrap: string[]; groups: string[]; name: string; replicas: Record<string, string> }>[] = [
    { bootstrap: ['n1', 'n2'] },
    { bootstrap: ['n2', 'n1', 'n3'] },
    { groups: ['kv', 'more'] },
    { replicas: {} },
    { replicas: { other: 'r' } },
    { name: 'n4' },
  ];
  for (const other of others) {
    const offer = { name: 'n2', bootstrap, groups, replicas: { kv: 'r-n2' }, ...other };
    const state = create('n1');
    open(state, 'n2', 'n3');
    tell(state, 'n3', offerOf('n3'));
    assert.deepEqual(typesOf(tell(state, 'n2', { type: 'offer', offer })), ['BOOTSTRAP_MISMATCH'], JSON.stringify(other));
    assert.equal(state.offers.size, 1, 'and nothing of it is kept');
  }
});

test('only the first-named forms', () => {
  const n2 = create('n2');
  open(n2, 'n1', 'n3');
  assert.deepEqual([...tell(n2, 'n1', offerOf('n1')), ...tell(n2, 'n3', offerOf('n3'))], []);
  assert.deepEqual(
    step(n2, 500, { type: 'wake' }).map((effect) => (effect.type === 'send' ? effect.message.type : effect.type)),
    ['offer', 'offer'],
  );
});

test('of two that call themselves alike the later is ignored while the earlier is connected', () => {
  const n1 = create('n1');
  open(n1, 'n2', 'n3', 'x');
  tell(n1, 'n2', offerOf('n2'));
  assert.deepEqual(typesOf(tell(n1, 'n2', offerOf('n2', { kv: 'other' }), 'p-x')), ['NAME_TAKEN']);
  step(n1, 0, { type: 'peer-close', peer: 'p-n2' });
  assert.deepEqual(tell(n1, 'n2', offerOf('n2', { kv: 'other' }), 'p-x'), []);
  tell(n1, 'n3', offerOf('n3'));
  assert.equal(n1.genesis?.nodes[1]?.peer, 'p-x');
});

test('the first-named forms nothing while somebody else calls himself so', () => {
  for (const message of [offerOf('n1', { kv: 'other' }), { type: 'ask', name: 'n1' } as const]) {
    const n1 = create('n1');
    open(n1, 'n2', 'n3', 'x');
    assert.deepEqual(typesOf(tell(n1, 'n1', message, 'p-x')), ['NAME_TAKEN']);
    tell(n1, 'n2', offerOf('n2'));
    assert.deepEqual(tell(n1, 'n3', offerOf('n3')), []);
    step(n1, 0, { type: 'peer-close', peer: 'p-x' });
    assert.deepEqual(typesOf(step(n1, 500, { type: 'wake' })).at(0), 'persist');
  }
});

test('an empty node takes the genesis of its cluster, and of no other', () => {
  const n4 = create('n4', { bootstrap: [] });
  const formed = (change: Partial<Genesis>): GenesisMessage => ({
    type: 'formed',
    genesis: { ...genesis, ...change },
    taken: {},
  });
  assert.deepEqual(typesOf(tell(n4, 'n1', formed({ cluster: 'other' }))), ['OTHER_CLUSTER']);
  assert.deepEqual(typesOf(tell(n4, 'n1', formed({}))), ['persist']);
  assert.deepEqual(tell(n4, 'n1', formed({ clusterId: 'id-2' })), [], 'not while the first is on its way to the disk');
  assert.deepEqual(typesOf(step(n4, 0, { type: 'persisted' })), ['formed']);
  assert.deepEqual(typesOf(tell(n4, 'n1', formed({ clusterId: 'id-2' }))), ['OTHER_CLUSTER']);
  assert.equal(n4.genesis?.clusterId, 'id');
});

test('a node takes no genesis that gives it replicas it never offered', () => {
  const n2 = create('n2', { self: { name: 'n2', peer: 'p-n2', replicas: { kv: 'r-new' } } });
  assert.deepEqual(typesOf(tell(n2, 'n1', { type: 'formed', genesis, taken: {} })), ['REPLICA_MISMATCH']);
  assert.deepEqual([n2.phase, n2.genesis], ['empty', null]);
});

test('an empty node whose name is taken has lost its disk, and is told once; when the name is free it joins', () => {
  const n2 = create('n2', { self: { name: 'n2', peer: 'p-new', replicas: { kv: 'r-new' } } });
  const formed = (taken: Record<string, string>): GenesisMessage => ({ type: 'formed', genesis, taken });
  const lost = tell(n2, 'n1', formed({ n2: 'p-n2' }));
  assert.deepEqual(lost, [{ type: 'identity-lost', owner: 'p-n2' }]);
  assert.deepEqual(tell(n2, 'n1', formed({ n2: 'p-n2' })), []);
  open(n2, 'n1');
  const asked = step(n2, 500, { type: 'wake' });
  assert.deepEqual(
    asked.map((effect) => effect.type === 'send' && effect.message.type),
    ['ask'],
    'and never offers again',
  );
  assert.deepEqual(typesOf(tell(n2, 'n1', formed({}))), ['name-free', 'persist']);
});

test('a name that every object has is free like any other', () => {
  const odd = create('constructor', { bootstrap: [] });
  assert.deepEqual(typesOf(tell(odd, 'n1', { type: 'formed', genesis, taken: {} })), ['persist']);
});

test('what an earlier incarnation handed to the disk is taken up, not formed anew', () => {
  const n1 = create('n1', { bootstrap: ['n1'], pending: genesis });
  assert.deepEqual(step(n1, 0, { type: 'wake' }), []);
  assert.deepEqual(typesOf(tell(n1, 'n2', { type: 'ask', name: 'n2' })), []);
  assert.deepEqual(typesOf(step(n1, 0, { type: 'persisted' })), ['formed']);
  assert.equal(n1.genesis?.clusterId, 'id');
});

// ---------------------------------------------------------------- honest nodes in a bad world

type Disk = { genesis: Genesis | null };
type Run = {
  name: string;
  peer: string;
  replica: string;
  disk: Disk;
  state: GenesisState;
  starts: number;
  writing: Genesis | null;
};
type Letter = { from: string; to: string; message: GenesisMessage };

const names = ['n1', 'n2', 'n3', 'n4'];

/** Four nodes, of which the fourth is none of the founders. A wiped disk gets a new peer id and new replica ids. */
const createWorld = () => {
  const letters: Letter[] = [];
  /** Everything any disk ever held. */
  const formed: Genesis[] = [];
  let identities = 0;
  const start = (name: string, disk: Disk, identity: number, starts: number): Run => {
    const [peer, replica] = [`p${identity}`, `r${identity}`];
    const state = createGenesis({
      ...{ cluster: 'c', groups, genesis: disk.genesis, newClusterId: `${peer}.${starts}`, nowMs: 0 },
      self: { name, peer, replicas: { kv: replica } },
      bootstrap: name === 'n4' ? [] : bootstrap,
    });
    return { name, peer, replica, disk, state, starts, writing: null };
  };
  const runs = names.map((name) => start(name, { genesis: null }, identities++, 0));
  const byPeer = (peer: string): Run | undefined => runs.find((run) => run.peer === peer);

  const fulfil = (run: Run, effects: GenesisEffect[]): void => {
    for (const effect of effects) {
      if (effect.type === 'send') letters.push({ from: run.peer, to: effect.peer, message: effect.message });
      if (effect.type === 'send-formed') {
        assert.notEqual(run.disk.genesis, null, 'told-only-when-durable');
        const taken = Object.fromEntries(effect.genesis.nodes.map(({ name, peer }) => [name, peer]));
        letters.push({ from: run.peer, to: effect.peer, message: { type: 'formed', genesis: effect.genesis, taken } });
      }
      if (effect.type === 'persist') run.writing = effect.genesis;
      if (effect.type === 'formed') {
        const mine = effect.genesis.nodes.find(({ peer }) => peer === run.peer);
        assert.ok(mine === undefined || mine.replicas.kv === run.replica, 'hosts-only-what-it-offered');
      }
    }
  };
  const event = (run: Run, given: Parameters<typeof step>[2], nowMs = 0): void => fulfil(run, step(run.state, nowMs, given));
  const connectAll = (run: Run): void => {
    for (const other of runs) {
      if (other === run) continue;
      event(run, { type: 'peer-open', peer: other.peer });
      event(other, { type: 'peer-open', peer: run.peer });
    }
  };
  const closeAll = (run: Run): void => {
    for (const other of runs) if (other !== run) event(other, { type: 'peer-close', peer: run.peer });
  };
  const restart = (at: number, wiped: boolean): void => {
    const run = runs[at]!;
    closeAll(run);
    for (let n = letters.length - 1; n >= 0; n--)
      if (letters[n]!.from === run.peer || letters[n]!.to === run.peer) letters.splice(n, 1);
    const identity = wiped ? identities++ : Number(run.peer.slice(1));
    runs[at] = start(run.name, wiped ? { genesis: null } : run.disk, identity, run.starts + 1);
    connectAll(runs[at]!);
  };
  const write = (at: number): void => {
    const run = runs[at]!;
    if (run.writing === null) return;
    run.disk.genesis = run.writing;
    formed.push(run.writing);
    run.writing = null;
    event(run, { type: 'persisted' });
  };
  const deliver = (at: number, keep = false): void => {
    const letter = keep ? letters[at] : letters.splice(at, 1)[0];
    const to = letter === undefined ? undefined : byPeer(letter.to);
    if (letter !== undefined && to !== undefined) event(to, { type: 'message', peer: letter.from, message: letter.message });
  };
  for (const run of runs) connectAll(run);
  return { letters, formed, runs, event, restart, write, deliver };
};

type Step = { do: 'deliver' | 'lose' | 'repeat' | 'crash' | 'write' | 'wake' | 'wipe'; at: number };

const steps = (wipes: boolean): fc.Arbitrary<Step[]> =>
  fc.array(
    fc.oneof(
      {
        weight: 12,
        arbitrary: fc.record({ do: fc.constantFrom('deliver' as const, 'deliver', 'lose', 'repeat'), at: fc.nat(19) }),
      },
      { weight: 5, arbitrary: fc.record({ do: fc.constantFrom('write' as const, 'wake'), at: fc.nat(3) }) },
      {
        weight: 2,
        arbitrary: fc.record({
          do: wipes ? fc.constantFrom('crash' as const, 'wipe') : fc.constant('crash' as const),
          at: fc.nat(3),
        }),
      },
    ),
    { minLength: 20, maxLength: 150 },
  );

const play = (given: readonly Step[]) => {
  const world = createWorld();
  let nowMs = 0;
  let wiped = false;
  for (const { do: what, at } of given) {
    const letter = world.letters.length === 0 ? 0 : at % world.letters.length;
    if (what === 'deliver') world.deliver(letter);
    else if (what === 'repeat') world.deliver(letter, true);
    else if (what === 'lose') world.letters.splice(letter, 1);
    else if (what === 'crash' || what === 'wipe') {
      // One disk only: of three founders that lose two, nobody can tell what the third one knows.
      world.restart(at, what === 'wipe' && !wiped);
      wiped ||= what === 'wipe';
    } else if (what === 'write') world.write(at);
    else world.event(world.runs[at]!, { type: 'wake' }, (nowMs += 500));
  }
  return { ...world, nowMs };
};

test('honest nodes never hold two different geneses, whatever is lost, repeated or crashes', () => {
  fc.assert(
    fc.property(steps(false), (given) => {
      const { formed } = play(given);
      assert.ok(new Set(formed.map(({ clusterId }) => clusterId)).size <= 1, 'one-genesis');
    }),
    { numRuns: 1_500, seed: 21 },
  );
});

test('one wiped disk, at whatever moment, leads to no second genesis', () => {
  fc.assert(
    fc.property(steps(true), (given) => {
      const { runs } = play(given);
      const held = runs.flatMap(({ disk }) => disk.genesis ?? []);
      assert.ok(new Set(held.map(({ clusterId }) => clusterId)).size <= 1, 'one-genesis-alive');
    }),
    { numRuns: 1_500, seed: 22 },
  );
});

test('once the world is kind the founders form their cluster and everybody joins it', () => {
  fc.assert(
    fc.property(steps(false), (given) => {
      const world = play(given);
      let { nowMs } = world;
      for (let round = 0; round < 12; round++) {
        nowMs += 500;
        for (const [at, run] of world.runs.entries()) {
          world.event(run, { type: 'wake' }, nowMs);
          for (let n = 0; world.letters.length > 0 && n < 1_000; n++) world.deliver(0);
          world.write(at);
        }
      }
      assert.deepEqual(
        world.runs.map(({ state }) => state.phase),
        Array(4).fill('formed'),
      );
    }),
    { numRuns: 300, seed: 23 },
  );
});
