// Calls between whole nodes: executed where they belong, ended once and in time, and each failure says whether it happened.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failure } from '../../machines/errors.ts';
import { createHandCluster } from './hand-cluster.ts';
import {
  answers,
  createHandCatalog,
  createHandServices,
  type HandMethod,
  type HandServices,
  watched,
} from './hand-services.ts';

type Offers = Record<string, Record<string, Record<string, HandMethod>>>;

const cluster = (offers: Offers, settings: Parameters<typeof createHandCluster>[0] = {}) => {
  const hands = createHandCluster(settings);
  const catalog = createHandCatalog();
  const services = new Map<string, HandServices>();
  const start = (name: string, more: object = {}) => {
    const own = createHandServices(`p-${name}`, catalog, offers[name] ?? {});
    services.set(name, own);
    return hands.start(name, { services: own, ...more });
  };
  const nodes = ['n1', 'n2', 'n3'].map((name) => start(name));
  hands.until(() => nodes.every(({ api }) => api.status().state === 'ready'));
  const [n1, n2, n3] = nodes as [(typeof nodes)[0], (typeof nodes)[0], (typeof nodes)[0]];
  const call = (node: typeof n1, service: string, method: string, input: unknown = null, more: object = {}) => {
    const end = watched();
    const handle = node.api.calls.call({ service, method, input, ...more }, end);
    return Object.assign(end, { handle });
  };
  return { hands, catalog, services, start, n1, n2, n3, call };
};

const add: HandMethod = answers((input) => (input as number[]).reduce((a, b) => a + b, 0), true);
const never: HandMethod = { invoke: () => undefined };

test('a call is executed here if this node offers it, and else at one that does', () => {
  const { hands, n1, n2, n3, call, services } = cluster({ n1: { sums: { add } }, n2: { sums: { add } } });
  assert.equal(call(n1, 'sums', 'add', [1, 2]).value, 3, 'at once');
  const remote = call(n3, 'sums', 'add', [1, 2, 3]);
  assert.equal(remote.code, 'waits');
  hands.pass(5);
  assert.equal(remote.value, 6);
  const named = call(n1, 'sums', 'add', [4], { node: 'n2' });
  hands.pass(5);
  assert.equal(named.value, 4);
  assert.equal(services.get('n2')!.begun.length + services.get('n1')!.begun.length, 3);
  assert.equal(call(n2, 'sums', 'add', [1], { node: 'n3' }).code, 'SERVICE_NOT_FOUND');
});

test('who executes is told who calls, for whom, until when and through which calls', () => {
  const seen: unknown[] = [];
  const note: HandMethod = answers((_input, { caller, callerPeer, principal, deadlineMs, chain, trace, requestId }) => {
    seen.push({ caller, callerPeer, principal, deadlineMs, chain, trace, requestId });
    return null;
  });
  const { hands, n1, call } = cluster({ n2: { notes: { note } } });
  const nowMs = hands.clock.nowMs();
  const within = {
    ...{ service: 'a', version: '1.0.0', method: 'b', caller: 'n9', callerPeer: 'p-n9', principal: 'ann', requestId: 'x' },
    ...{ deadlineMs: nowMs + 400, chain: ['n1 a.b'], trace: '00-trace' },
  };
  call(n1, 'notes', 'note', null, { within, requestId: 'mine' });
  hands.pass(5);
  const [{ deadlineMs, ...facts }] = seen as [{ deadlineMs: number }];
  assert.deepEqual(facts, {
    ...{ caller: 'n1', callerPeer: 'p-n1', principal: 'ann', chain: ['n1 a.b', 'n2 notes.note'], trace: '00-trace' },
    requestId: 'mine',
  });
  assert.ok(deadlineMs <= nowMs + 400 + 5, 'not longer than the call within which it is made');
  const late = call(n1, 'notes', 'note', null, { within: { ...within, deadlineMs: hands.clock.nowMs() } });
  assert.equal(late.code, 'DEADLINE_EXCEEDED');
  const deep = call(n1, 'notes', 'note', null, { within: { ...within, deadlineMs: 1e9, chain: new Array(32).fill('n1 a.b') } });
  assert.equal(deep.code, 'LOOP_DETECTED');
});

test('a call that nobody answers ends at its deadline, as one of which nobody knows, with its chain', () => {
  const { hands, n1, call, services } = cluster({ n2: { slow: { never } } });
  const end = call(n1, 'slow', 'never', null, { timeoutMs: 500 });
  hands.pass(490);
  assert.equal(end.code, 'waits');
  hands.pass(70);
  assert.equal(end.code, 'OUTCOME_UNKNOWN');
  assert.equal(end.details.chain, 'n2 slow.never');
  assert.equal(end.details.node, 'n2');
  assert.equal(end.details.attempts, 1);
  hands.pass(100);
  assert.equal(services.get('n2')!.running.size, 0, 'the handler was told');
});

test('what makes no sense is refused with words, and what no message carries with its path', () => {
  const { n1, call } = cluster({ n2: { sums: { add } } });
  for (const [more, word] of [
    [{ timeoutMs: 0 }, /timeoutMs/],
    [{ timeoutMs: 60_001 }, /timeoutMs/],
    [{ strategy: 'best' }, /strategy/],
    [{ requestId: '' }, /requestId/],
    [{ version: 'newest' }, /range/],
    [{ strategy: 'sticky' }, /key/],
  ] as const) {
    const end = call(n1, 'sums', 'add', [1], more);
    assert.equal(end.code, 'INVALID_REQUEST', JSON.stringify(more));
    assert.match((end.ends[0] as { failure: { message: string } }).failure.message, word);
  }
  const unfit = call(n1, 'sums', 'add', { a: [1, { b: new Map() }] });
  assert.equal(unfit.code, 'INVALID_REQUEST');
  assert.equal(unfit.details.path, '.a[1].b');
  assert.equal(call(n1, 'sums', 'add', 'x'.repeat(1_048_577)).code, 'TOO_LARGE');
  assert.equal(call(n1, 'sums', 'sub').code, 'METHOD_NOT_FOUND');
  assert.equal(call(n1, 'nobody', 'offers').code, 'SERVICE_NOT_FOUND');
});

test('a dead node costs nobody more than the calls that it had', () => {
  const { hands, n1, n2, call, services } = cluster({ n2: { sums: { add, never } }, n3: { sums: { add, never } } });
  const under = [1, 2, 3, 4].map(() => call(n1, 'sums', 'never', null, { strategy: 'round-robin', timeoutMs: 20_000 }));
  hands.pass(5);
  const there = services.get('n2')!.running.size;
  assert.equal(there, 2);
  hands.kill(n2);
  const next = [1, 2, 3, 4].map(() => call(n1, 'sums', 'add', [1], { strategy: 'round-robin' }));
  hands.pass(20);
  assert.deepEqual(
    next.map(({ code }) => code),
    ['ok', 'ok', 'ok', 'ok'],
  );
  hands.pass(6_000);
  const codes = under.map(({ code }) => code).sort();
  assert.deepEqual(codes, ['OUTCOME_UNKNOWN', 'OUTCOME_UNKNOWN', 'waits', 'waits']);
});

test('a refusal that nothing was executed for goes to another node, and ends as what it is if all refuse', () => {
  const { hands, n1, call, services } = cluster({ n2: { sums: { add } }, n3: { sums: { add } } });
  services.get('n2')!.refusing = failure('OVERLOADED', 'no room');
  const calls = [1, 2, 3, 4].map(() => call(n1, 'sums', 'add', [1]));
  hands.pass(10);
  assert.deepEqual(
    calls.map(({ code }) => code),
    ['ok', 'ok', 'ok', 'ok'],
  );
  for (const name of ['n2', 'n3']) services.get(name)!.refusing = failure('OVERLOADED', 'no room', { retryAfterMs: 100 });
  const none = call(n1, 'sums', 'add', [1]);
  hands.pass(2_000);
  assert.equal(none.code, 'OVERLOADED');
  assert.equal(none.details.retryAfterMs, 100);
  services.get('n3')!.refusing = failure('STOPPING', 'n3 stops');
  services.get('n2')!.refusing = null;
  const moved = call(n1, 'sums', 'add', [1]);
  hands.pass(100);
  assert.equal(moved.code, 'ok');
});

test('what a service refuses or breaks is told as it is, and not tried again', () => {
  const refuses: HandMethod = {
    invoke(_input, _context, on) {
      on.end({ ok: false, failure: failure('SERVICE_REFUSED', 'too small', { reason: 'SMALL' }) });
      return undefined;
    },
  };
  const { hands, n1, call, services } = cluster({ n2: { images: { refuses } } });
  const end = call(n1, 'images', 'refuses');
  hands.pass(5);
  assert.equal(end.code, 'SERVICE_REFUSED');
  assert.deepEqual(end.details, {
    ...{ address: 'images.refuses', node: 'n2', state: 'alive', breaker: 'closed', chain: 'n2 images.refuses', attempts: 1 },
    reason: 'SMALL',
  });
  assert.equal(services.get('n2')!.begun.length, 1);
});

// ---------------------------------------------------------------- once, and what is remembered

/** Ends when it is told to; counts how often it ran. */
const gate = () => {
  const open: (() => void)[] = [];
  let cancelled = 0;
  const method: HandMethod = {
    invoke(input, _context, on) {
      open.push(() => on.end({ ok: true, value: input }));
      return {
        cancel() {
          cancelled++;
        },
      };
    },
  };
  return {
    method,
    release: () => open.splice(0).map((run) => run()).length,
    get waiting() {
      return open.length;
    },
    get cancelled() {
      return cancelled;
    },
  };
};

const cut = ({ hands }: ReturnType<typeof cluster>, a: string, b: string) => hands.network.disconnect(a, b);
const join = ({ hands, n1, n2 }: ReturnType<typeof cluster>) => hands.connect(n1, n2);

test('who lost the connection asks the same process again, and is told what became of the one execution', () => {
  const { method, release, ...gated } = gate();
  void gated;
  const world = cluster({ n2: { jobs: { do: method } } });
  const { hands, n1, n2, call, services } = world;
  const running = call(n1, 'jobs', 'do', 'a');
  hands.pass(5);
  cut(world, n1.peer, n2.peer);
  hands.pass(50);
  assert.equal(running.code, 'waits');
  join(world);
  hands.pass(10);
  release();
  hands.pass(10);
  assert.equal(running.value, 'a');
  // The answer is lost with the connection: it is given again, and nothing is executed again.
  const answered = call(n1, 'jobs', 'do', 'b');
  hands.pass(5);
  hands.lose((_letter, { type }) => type === 'answered');
  release();
  hands.pass(5);
  hands.lose(() => false);
  cut(world, n1.peer, n2.peer);
  join(world);
  hands.pass(10);
  assert.equal(answered.value, 'b');
  assert.equal(services.get('n2')!.begun.length, 2);
  assert.equal(n2.counts.get('calls_repeated_total'), 2);
});

test('a process that began anew knows nothing: what was not idempotent is not executed again', () => {
  const { method } = gate();
  const world = cluster({ n2: { jobs: { do: method, redo: { ...method, idempotent: true } } }, n3: {} });
  const { hands, n1, n2, call, start, services, catalog } = world;
  const once = call(n1, 'jobs', 'do');
  hands.pass(5);
  const contents = hands.kill(n2);
  catalog.withdraw(n2.peer);
  hands.pass(20);
  start('n2', { contents });
  hands.pass(200);
  assert.equal(once.code, 'OUTCOME_UNKNOWN');
  assert.equal(services.get('n2')!.begun.length, 0);
});

test('what is idempotent goes to another node at once when the connection is lost', () => {
  const { method } = gate();
  const world = cluster({
    n2: { jobs: { do: { ...method, idempotent: true } } },
    n3: { jobs: { do: answers(() => 'n3', true) } },
  });
  const { hands, n1, n2, call, services } = world;
  const calls = [1, 2, 3, 4].map(() => call(n1, 'jobs', 'do', null, { strategy: 'round-robin' }));
  hands.pass(5);
  assert.equal(services.get('n2')!.running.size, 2);
  cut(world, n1.peer, n2.peer);
  hands.pass(10);
  assert.deepEqual(
    calls.map(({ value }) => value),
    ['n3', 'n3', 'n3', 'n3'],
  );
});

test('the same id twice is one execution: it is joined while it runs, and told when it has ended', () => {
  const { method, release } = gate();
  const { hands, n1, n2, n3, call, services } = cluster({ n2: { jobs: { do: method } } });
  const calls = [1, 2].map(() => call(n1, 'jobs', 'do', 'x', { requestId: 'r1' }));
  const here = [1, 2].map(() => call(n2, 'jobs', 'do', 'y', { requestId: 'r1' }));
  const other = call(n3, 'jobs', 'do', 'z', { requestId: 'r1' });
  hands.pass(5);
  assert.equal(services.get('n2')!.begun.length, 3, 'ids are of their callers');
  calls[0]!.handle.cancel();
  hands.pass(5);
  assert.equal(services.get('n2')!.running.size, 3, 'another one waits for it');
  release();
  hands.pass(5);
  assert.deepEqual(
    [calls[0]!.code, calls[1]!.value, here[0]!.value, here[1]!.value, other.value],
    ['CANCELLED', 'x', 'y', 'y', 'z'],
  );
  const later = call(n1, 'jobs', 'do', 'x', { requestId: 'r1' });
  hands.pass(5);
  assert.equal(later.value, 'x');
  const wrong = call(n1, 'jobs', 'do', 'other', { requestId: 'r1' });
  hands.pass(5);
  assert.equal(wrong.code, 'IDEMPOTENCY_CONFLICT');
  assert.equal(services.get('n2')!.begun.length, 3);
  hands.pass(121_000);
  call(n1, 'jobs', 'do', 'x', { requestId: 'r2' });
  const anew = call(n1, 'jobs', 'do', 'x', { requestId: 'r1' });
  hands.pass(5);
  assert.equal(anew.code, 'waits', 'after its time it is forgotten');
});

test('a caller that cancels, or whose process dies, ends what runs for it', () => {
  const doing = gate();
  const world = cluster({ n2: { jobs: { do: doing.method } } });
  const { hands, n1, n2, call, services } = world;
  const cancelled = call(n1, 'jobs', 'do');
  hands.pass(5);
  cancelled.handle.cancel();
  assert.equal(cancelled.code, 'CANCELLED');
  hands.pass(5);
  assert.equal(doing.cancelled, 1);
  call(n1, 'jobs', 'do');
  hands.pass(5);
  hands.kill(n1);
  hands.pass(10);
  assert.equal(services.get('n2')!.running.size, 1, 'it may come back');
  hands.pass(6_000);
  assert.equal(services.get('n2')!.running.size, 0);
  assert.equal(n2.api.status().state, 'ready');
});

test('an idempotent call is put to a second node if the first is slow, and the first answer is heard', () => {
  const { method } = gate();
  const slow = { ...method, idempotent: true };
  const world = cluster({ n2: { jobs: { do: slow } }, n3: { jobs: { do: slow } } });
  const { hands, n1, call, services } = world;
  const end = call(n1, 'jobs', 'do', 7, { hedgeAfterMs: 30 });
  hands.pass(20);
  const begun = () => services.get('n2')!.begun.length + services.get('n3')!.begun.length;
  assert.equal(begun(), 1);
  hands.pass(30);
  assert.equal(begun(), 2);
  assert.equal(end.code, 'waits');
  end.handle.cancel();
  hands.pass(5);
  assert.equal(services.get('n2')!.running.size + services.get('n3')!.running.size, 0);
  const never = cluster({ n2: { jobs: { do: method } } });
  assert.equal(never.call(never.n1, 'jobs', 'do', 7, { hedgeAfterMs: 30 }).code, 'INVALID_REQUEST');
});

// ---------------------------------------------------------------- streams

/** Gives numbers as they are asked for, up to `count`. */
const counting = (count: number, told: { asked: number } = { asked: 0 }): HandMethod => ({
  ...{ isStream: true, idempotent: true },
  invoke(_input, _context, on) {
    let next = 0;
    return {
      more(items) {
        told.asked += items;
        for (let item = 0; item < items && next < count; item++) on.item(next++);
        if (next === count) {
          next++;
          on.end({ ok: true, value: null });
        }
      },
    };
  },
});

test('a stream sends what was asked for, in its order, and then its end', () => {
  const told = { asked: 0 };
  const { hands, n1, call } = cluster({ n2: { numbers: { count: counting(100, told) } } });
  const end = call(n1, 'numbers', 'count');
  hands.pass(5);
  assert.deepEqual([end.items.length, told.asked], [0, 0]);
  end.handle.more(3);
  hands.pass(5);
  assert.deepEqual([end.items, told.asked], [[0, 1, 2], 3]);
  end.handle.more(1_000);
  hands.pass(50);
  assert.equal(end.code, 'ok');
  assert.deepEqual(
    end.items,
    Array.from({ length: 100 }, (_, at) => at),
  );
});

test('a lane that takes no more stops the handler, not the memory; what it takes later goes on', () => {
  const told = { asked: 0 };
  const { hands, n1, n2, call } = cluster({ n2: { numbers: { count: counting(10_000, told) } } });
  const end = call(n1, 'numbers', 'count');
  hands.pass(5);
  hands.network.full = ({ from, lane }) => from === n2.peer && lane === 'calls';
  end.handle.more(10_000);
  hands.pass(50);
  assert.ok(told.asked <= 32, `${told.asked} were asked of the handler`);
  hands.network.full = () => false;
  for (let round = 0; round < 3; round++) {
    hands.network.tell(n2.peer, { type: 'drain', peer: n1.peer, lane: 'calls' });
    hands.pass(20);
  }
  assert.deepEqual([end.code, end.items.length], ['ok', 10_000]);
});

test('a stream ends with the connection: who has a part of it is told so, and its handler is cancelled', () => {
  const world = cluster({ n2: { numbers: { count: counting(1_000) } }, n3: { numbers: { count: counting(1_000) } } });
  const { hands, n1, call, services, n2, n3 } = world;
  const begun = call(n1, 'numbers', 'count');
  begun.handle.more(5);
  const fresh = call(n1, 'numbers', 'count');
  hands.pass(5);
  for (const node of [n2, n3]) cut(world, n1.peer, node.peer);
  hands.pass(5);
  assert.equal(begun.code, 'OUTCOME_UNKNOWN');
  assert.equal(begun.items.length, 5);
  assert.equal(fresh.items.length, 0);
  hands.pass(60_000);
  assert.ok(fresh.code !== 'waits' && fresh.code !== 'ok');
  assert.equal(services.get('n2')!.running.size + services.get('n3')!.running.size, 0);
});

test('with serialize, a call of this node goes the way of all others', () => {
  const give = answers(() => ({ at: new Date(0) }));
  const { hands, n1, call } = cluster(
    { n1: { sums: { add, give, count: counting(5) } } },
    {
      calls: {
        limits: { node: null, principal: null, nodesMax: 1, principalsMax: 1 },
        serialize: true,
        sharesLimits: false,
        graceMs: 1,
      },
    },
  );
  const sum = call(n1, 'sums', 'add', [1, 2]);
  const unfit = call(n1, 'sums', 'add', [() => {}]);
  const given = call(n1, 'sums', 'give');
  const items = call(n1, 'sums', 'count');
  items.handle.more(10);
  hands.pass(5);
  assert.deepEqual(
    [sum.value, unfit.code, given.code, items.items.length, items.code],
    [3, 'INVALID_REQUEST', 'SERVICE_FAILED', 5, 'ok'],
  );
});

test('what was surely not executed is not remembered: the same call may be asked again', () => {
  const { hands, n1, call, services } = cluster({ n2: { sums: { add: answers(() => 'done') } } });
  const n2 = services.get('n2')!;
  n2.refusing = failure('OVERLOADED', 'no room');
  const waits = call(n1, 'sums', 'add');
  const named = call(n1, 'sums', 'add', null, { requestId: 'r' });
  hands.pass(10);
  n2.refusing = null;
  hands.pass(200);
  assert.deepEqual([waits.value, named.value], ['done', 'done'], 'there is room again');
  n2.refusing = failure('RATE_LIMITED', 'too often');
  const limited = call(n1, 'sums', 'add', null, { requestId: 's' });
  hands.pass(10);
  n2.refusing = null;
  const later = call(n1, 'sums', 'add', null, { requestId: 's' });
  hands.pass(10);
  assert.deepEqual([limited.code, later.code], ['RATE_LIMITED', 'ok']);
});

// ---------------------------------------------------------------- what fails

test('an actor of calls that fails ends what it had, begins anew, and executes nothing a second time', () => {
  const { method } = gate();
  const breaks: HandMethod = {
    invoke() {
      throw new Error('a host that throws');
    },
  };
  const world = cluster({ n2: { jobs: { do: method, breaks } } });
  const { hands, n1, n2, call, services } = world;
  const before = call(n1, 'jobs', 'do', 1);
  const here = call(n2, 'jobs', 'do', 2);
  hands.pass(5);
  const broken = call(n1, 'jobs', 'breaks');
  hands.pass(20);
  assert.deepEqual([before.code, here.code, broken.code], ['OUTCOME_UNKNOWN', 'OUTCOME_UNKNOWN', 'OUTCOME_UNKNOWN']);
  assert.equal(n2.lines.filter(({ code }) => code === 'ACTOR_FAILED').length, 1);
  hands.pass(5_000);
  const after = call(n1, 'jobs', 'do', 3);
  hands.pass(5);
  assert.equal(after.code, 'waits');
  assert.equal(services.get('n2')!.begun.length, 4);
  cut(world, n1.peer, n2.peer);
  join(world);
  hands.pass(5);
  assert.equal(services.get('n2')!.begun.length, 4, 'what it remembers outlives the actor');
  assert.equal(call(n2, 'jobs', 'breaks').code, 'INTERNAL');
});

test('a service that fails five times is left alone, and its callers are told for how long', () => {
  const fails: HandMethod = {
    invoke(_input, _context, on) {
      on.end({ ok: false, failure: failure('SERVICE_FAILED', 'it broke') });
      return undefined;
    },
  };
  const { hands, n1, call, services } = cluster({ n2: { jobs: { fails } } });
  for (let time = 0; time < 5; time++) {
    assert.equal(call(n1, 'jobs', 'fails').code, 'waits');
    hands.pass(5);
  }
  const refused = call(n1, 'jobs', 'fails');
  assert.equal(refused.code, 'BREAKER_OPEN');
  assert.ok((refused.details.retryAfterMs as number) > 50_000);
  assert.equal(services.get('n2')!.begun.length, 5);
});

test('a service that is too busy is not stormed by those that it refuses', () => {
  const { hands, n1, n2, call, services } = cluster({ n2: { sums: { add } }, n3: { sums: { add } } });
  for (const name of ['n2', 'n3']) services.get(name)!.refusing = failure('OVERLOADED', 'no room');
  const calls = Array.from({ length: 1_000 }, () => call(n1, 'sums', 'add', [1]));
  hands.pass(5_000);
  assert.deepEqual(new Set(calls.map(({ code }) => code)), new Set(['OVERLOADED']));
  assert.equal(n1.counts.get('breaker_changes_total open'), undefined, 'who says so is alive');
  const asked = n1.counts.get('calls_retried_total OVERLOADED') ?? 0;
  assert.ok(asked > 0 && asked <= 250 + 50, `${asked} retries of 1000 calls`);
  assert.equal(n2.api.status().state, 'ready');
});
