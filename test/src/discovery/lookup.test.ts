// The lookup port over real guards: the suite, and every way in which a source may misbehave.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { Finding, LookupEvent, LookupPort } from '../../../actors/ports/index.ts';
import { createLookup, LookupFault, type LookupLimits, type SourcePlan, sourceLimits } from '../../../src/discovery/index.ts';
import type { Answer, Source } from '../../../src/discovery/source.ts';
import { findingOf, lookupSuite, peers, sourceNames } from '../../ports/lookup-suite.ts';
import { until } from '../transport/world.ts';
import { type CountingSink, contextFor, Registry } from './scripted.ts';

/** Short enough for a test; the shapes are those of the defaults. */
const brief: Partial<LookupLimits> = {
  ...{ pauseMsMin: 4, pauseMsMax: 64, followEveryMs: 5, failedEveryMs: 1, openMs: 200, withdrawMs: 50, stopMs: 150 },
};

lookupSuite('lookup port over sources', async () => {
  const registries = new Map<string, Registry>(sourceNames.map((name) => [name, new Registry()]));
  return {
    create: (self) => {
      const plans = [...registries].map(([name, registry]) => registry.plan(name, name === 'followed'));
      return createLookup({ plans, context: contextFor(self), limits: brief });
    },
    set: (source, findings) => registries.get(source)!.set(findings),
    mood: (source, mood) => {
      registries.get(source)!.mood = mood;
    },
    until,
    close: async () => {},
  };
});

/** What a test that fails leaves running. */
const running = new Set<() => Promise<void>>();
after(async () => {
  await Promise.all([...running].map((end) => end()));
});

type Held = { port: LookupPort; events: LookupEvent[]; sink: CountingSink; end: () => Promise<void> };

const planOf = (name: string, source: Partial<Source>, open?: SourcePlan['open']): SourcePlan => ({
  name,
  open: open ?? (async () => ({ query: async () => ({ findings: [], emptyTtlMs: 1_000 }), ...source })),
});

const hold = (plans: readonly SourcePlan[], limits: Partial<LookupLimits> = {}, random = () => 0.5): Held => {
  const context = contextFor(peers[0]);
  const port = createLookup({ plans, context, limits: { ...brief, ...limits }, random });
  const events: LookupEvent[] = [];
  port.start((event) => events.push(event));
  const end = (): Promise<void> => {
    running.delete(end);
    return new Promise((resolve) => port.stop(resolve));
  };
  running.add(end);
  return { port, events, sink: context.sink, end };
};

const answerOf = (...findings: unknown[]): Answer => ({ findings: findings as Finding[], emptyTtlMs: 5_000 });
const others = (events: readonly LookupEvent[]): string[] =>
  events.map((event) => `${event.source} ${event.type === 'failed' ? event.code : event.findings.length}`);

test('nothing is opened before it is needed, and then once', async () => {
  let opened = 0;
  const plan = planOf('a', {}, async () => {
    opened++;
    return { query: async () => answerOf() };
  });
  const port = createLookup({ plans: [plan], context: contextFor(peers[0]) });
  port.query('a', 100);
  assert.equal(opened, 0);
  const events: LookupEvent[] = [];
  port.start((event) => events.push(event));
  port.query('a', 1_000);
  await until(() => events.length === 1, 'it answers');
  assert.equal(opened, 1);
  await new Promise<void>((resolve) => port.stop(resolve));
});

test('a source that cannot be opened fails, and is opened anew by the next question', async () => {
  let opened = 0;
  const plan = planOf('a', {}, async () => {
    if (++opened < 3) throw new LookupFault('SOURCE_UNAVAILABLE', 'the library is not there');
    return { query: async () => answerOf(findingOf('b', peers[1])) };
  });
  const { port, events, end, sink } = hold([plan], { pauseMsMin: 60_000, pauseMsMax: 60_000 });
  await until(() => events.length === 1, 'the first failure, of following');
  port.query('a', 1_000);
  await until(() => events.length === 2, 'the second');
  port.query('a', 1_000);
  await until(() => events.length === 3, 'and then it answers');
  assert.deepEqual(others(events), ['a SOURCE_UNAVAILABLE', 'a SOURCE_UNAVAILABLE', 'a 1']);
  assert.equal(sink.counts.get('discovery_failures_total a SOURCE_UNAVAILABLE'), 2);
  await end();
});

test('whatever a source throws, however and whenever, is one failure of that source, and no secret is in it', async () => {
  const sync = (error: unknown) => () => {
    throw error;
  };
  class Odd extends Error {
    override name = 'Odd thing: hunter2';
    get code(): string {
      throw new Error('hunter2');
    }
  }
  const refused = Object.assign(new Error('connect to http://user:hunter2@db'), { code: 'ECONNREFUSED' });
  const said = new LookupFault('SOURCE_MALFORMED', `line one\nline two\u001b[0m ${'x'.repeat(5_000)}`);
  const thrown: [unknown, string, RegExp][] = [
    [refused, 'SOURCE_UNREACHABLE', /as nobody foresaw \(Error, ECONNREFUSED\)$/],
    [new TypeError('hunter2'), 'SOURCE_UNAVAILABLE', /\(TypeError\)$/],
    [new DOMException('hunter2', 'TimeoutError'), 'SOURCE_TIMED_OUT', /\(TimeoutError\)$/],
    [new Odd(), 'SOURCE_UNAVAILABLE', /\(object\)$/],
    ['hunter2', 'SOURCE_UNAVAILABLE', /\(string\)$/],
    [undefined, 'SOURCE_UNAVAILABLE', /\(undefined\)$/],
    [null, 'SOURCE_UNAVAILABLE', /\(object\)$/],
    [said, 'SOURCE_MALFORMED', /^line one line two \[0m x+…$/],
  ];
  const plans = thrown.flatMap(([error], at) => [
    planOf(`sync ${at}`, { query: sync(error) }),
    planOf(`async ${at}`, { query: async () => Promise.reject(error) }),
    planOf(`open ${at}`, {}, sync(error)),
  ]);
  const half = Math.ceil(plans.length / 2);
  for (const part of [plans.slice(0, half), plans.slice(half)]) {
    const { port, events, end } = hold([...part, planOf('good', {})], { pauseMsMin: 60_000, pauseMsMax: 60_000 });
    for (const source of port.sources) port.query(source, 5_000);
    const answered = (source: string): boolean => events.some((event) => event.source === source);
    await until(() => port.sources.every(answered), 'every source answers');
    for (const event of events) {
      if (event.source === 'good') assert.equal(event.type, 'answered');
      else {
        const [, code, message] = thrown[Number(event.source.split(' ')[1])]!;
        assert.ok(event.type === 'failed' && event.code === code, `${event.source}: ${JSON.stringify(event)}`);
        assert.match(event.message, message);
        assert.ok(event.message.length < 500 && !event.message.includes('hunter2'));
      }
    }
    await end();
  }
});

test('what hangs at the opening, in a question or after its signal holds up nobody, and not for ever the source itself', async () => {
  const never = (): Promise<never> => new Promise(() => {});
  let asked = 0;
  const deaf = planOf('deaf', {
    query: () => {
      asked++;
      return never();
    },
  });
  const { port, events, end } = hold([planOf('shut', {}, never), deaf, planOf('good', {})], { overdueMax: 3 });
  const beganMs = performance.now();
  for (const source of port.sources) port.query(source, 60);
  await until(() => events.some(({ source }) => source === 'good'), 'the good one answers');
  assert.ok(performance.now() - beganMs < 50 || events[0]!.source === 'good', 'nobody waits for the others');
  for (let round = 1; round <= 6; round++) {
    await until(() => events.filter(({ source }) => source === 'deaf').length === round, `round ${round}`);
    port.query('deaf', 20);
  }
  await until(() => events.filter(({ source }) => source === 'deaf').length === 7, 'the last round');
  assert.equal(asked, 3, 'a source with calls that do not end is not called any more');
  const codes = new Set(events.filter(({ source }) => source !== 'good').map((event) => event.type === 'failed' && event.code));
  assert.deepEqual([...codes], ['SOURCE_TIMED_OUT']);
  // Nothing of it wants to end; stop ends all the same, in its own time.
  const stopMs = performance.now();
  await end();
  assert.ok(performance.now() - stopMs >= 100);
});

test('a source that gathers answers may give them when its time is nearly over', async () => {
  const gathers: SourcePlan = planOf('gathers', {
    query: (signal) =>
      new Promise((resolve) => signal.addEventListener('abort', () => resolve(answerOf(findingOf('b', peers[1]))))),
  });
  const { port, events, end } = hold([gathers]);
  port.query('gathers', 300);
  await until(() => events.length === 1, 'it answers');
  assert.deepEqual(others(events), ['gathers 1']);
  await end();
});

test('following begins anew after pauses that grow, and a failure is told once in a while', async () => {
  const beganMs: number[] = [];
  const plan = planOf('a', {
    follow: async (on) => {
      beganMs.push(performance.now());
      on(answerOf(findingOf(`n${beganMs.length}`, peers[1])));
      throw new LookupFault('SOURCE_UNREACHABLE', 'the connection is gone');
    },
  });
  const { events, end, sink } = hold([plan], { pauseMsMin: 8, pauseMsMax: 64, failedEveryMs: 100_000, followEveryMs: 0 });
  await until(() => beganMs.length >= 6, 'it is begun six times');
  await end();
  const pauses = beganMs.slice(1).map((atMs, at) => atMs - beganMs[at]!);
  // With chance in the middle a pause is three quarters of 8, 16, 32, 64 and 64; a busy machine makes it longer, never shorter.
  for (const [at, leastMs] of [6, 12, 24, 48, 48].entries())
    assert.ok(pauses[at]! >= leastMs - 1.5, `${pauses[at]} at ${at}, at least ${leastMs}`);
  assert.equal(events.filter(({ type }) => type === 'failed').length, 1);
  assert.ok(sink.counts.get('discovery_failures_total a SOURCE_UNREACHABLE')! >= 5);
  assert.equal(
    events.some((event) => event.type === 'answered' && event.findings[0]!.name === 'n1'),
    true,
  );
});

test('what held for long begins with the shortest pause again', async () => {
  let times = 0;
  const plan = planOf('a', {
    follow: async () => {
      times++;
      await new Promise((resolve) => setTimeout(resolve, 25));
      throw new LookupFault('SOURCE_UNREACHABLE', 'gone');
    },
  });
  const { end } = hold([plan], { pauseMsMin: 5, pauseMsMax: 100_000, steadyMs: 20 });
  await until(() => times >= 12, 'twelve times: with pauses that grow it would take a minute', 20_000);
  await end();
});

test('who follows and ends by itself, or calls back after its end, changes nothing', async () => {
  let late: (answer: Answer) => void = () => {};
  let times = 0;
  const plan = planOf('a', {
    follow: async (on) => {
      times++;
      if (times === 1) late = on;
      else on(answerOf(findingOf('b', peers[1])));
    },
  });
  const { events, end } = hold([plan]);
  await until(() => times >= 3, 'it is begun anew');
  late(answerOf(findingOf('late', peers[2])));
  await until(() => times >= 5, 'and again');
  await end();
  late(answerOf(findingOf('later', peers[2])));
  assert.ok(others(events).includes('a SOURCE_UNREACHABLE'));
  assert.ok(events.every((event) => event.type === 'failed' || event.findings[0]!.name === 'b'));
});

test('a flood of changes is few events, the newest last', async () => {
  let tell: (answer: Answer) => void = () => {};
  const plan = planOf('a', {
    follow: (on, signal) => {
      tell = on;
      return new Promise((resolve) => signal.addEventListener('abort', () => resolve()));
    },
  });
  const { events, end } = hold([plan], { followEveryMs: 20 });
  await until(() => tell.length === 1, 'it follows');
  for (let n = 0; n < 10_000; n++) tell(answerOf(findingOf(`n${n}`, peers[1])));
  await until(() => events.some((event) => event.type === 'answered' && event.findings[0]?.name === 'n9999'), 'the newest');
  assert.ok(events.length < 20, `${events.length} events`);
  await end();
});

test('a change that is told during a question is its answer: it is newer', async () => {
  let tell: (answer: Answer) => void = () => {};
  let answer: (answer: Answer) => void = () => {};
  const plan = planOf('a', {
    query: () =>
      new Promise((resolve) => {
        answer = resolve;
      }),
    follow: (on, signal) => {
      tell = on;
      return new Promise((resolve) => signal.addEventListener('abort', () => resolve()));
    },
  });
  const { port, events, end } = hold([plan], { followEveryMs: 1 });
  port.query('a', 10_000);
  await until(() => answer.length === 1 && tell.length === 1, 'both are under way');
  tell(answerOf(findingOf('new', peers[1])));
  await until(() => events.length === 1, 'the change is told');
  answer(answerOf(findingOf('old', peers[1])));
  await until(() => events.length === 2, 'the question is answered');
  assert.ok(events.every((event) => event.type === 'answered' && event.findings[0]!.name === 'new'));
  await end();
});

test('announcing: begun anew when it breaks, one at a time, and the latest wins', async () => {
  const told: string[] = [];
  let active = 0;
  let activeMax = 0;
  let failures = 3;
  const plan = planOf('a', {
    announce: async (self, signal) => {
      if (failures-- > 0) throw new LookupFault('SOURCE_REFUSED', 'not yet');
      activeMax = Math.max(activeMax, ++active);
      told.push(self.addresses.join());
      await new Promise<void>((resolve) => {
        if (signal.aborted) resolve();
        else signal.addEventListener('abort', () => setTimeout(resolve, 5));
      });
      active--;
    },
  });
  const { port, end, sink } = hold([plan]);
  const self = { name: 'n1', peer: peers[0], cluster: 'suite', version: '1' };
  const address = (n: number): string => `/ip4/10.0.0.${n}/tcp/7400/p2p/${peers[0]}`;
  port.announce({ ...self, addresses: [address(1)] });
  await until(() => told.length === 1, 'told at last');
  assert.equal(sink.counts.get('discovery_failures_total a SOURCE_REFUSED'), 3);
  port.announce({ ...self, addresses: [address(1)] });
  for (let n = 2; n <= 9; n++) port.announce({ ...self, addresses: [address(n)] });
  await until(() => told.at(-1) === address(9), 'the latest is told');
  assert.equal(activeMax, 1);
  assert.ok(told.length <= 3, `what nobody waited for was not told: ${told.length}`);
  // On loopback only if there is nothing better: it means another machine everywhere.
  port.announce({ ...self, addresses: [`/ip4/127.0.0.1/tcp/1/p2p/${peers[0]}`, address(1)] });
  await until(() => told.at(-1) === address(1), 'the far address');
  port.announce({ ...self, addresses: [`/ip6/::1/tcp/1/p2p/${peers[0]}`] });
  await until(() => told.at(-1)!.startsWith('/ip6'), 'loopback alone');
  port.announce({ ...self, addresses: [] });
  await until(() => active === 0, 'nothing is told of a node that nobody can dial');
  await end();
  assert.equal(active, 0);
});

test('an announcement that does not end holds up the next one only so long', async () => {
  const told: string[] = [];
  const plan = planOf('a', {
    announce: (self) => {
      told.push(self.name);
      return new Promise(() => {});
    },
  });
  const { port, end } = hold([plan], { withdrawMs: 20 });
  const self = { peer: peers[0], cluster: 'suite', version: '1', addresses: [`/ip4/10.0.0.1/tcp/1/p2p/${peers[0]}`] };
  port.announce({ ...self, name: 'one' });
  await until(() => told.length === 1, 'the first');
  port.announce({ ...self, name: 'two' });
  await until(() => told.length === 2, 'the second');
  await end();
});

test('who cannot take back what it told is counted, and is no source that failed', async () => {
  let told = 0;
  const plan = planOf('a', {
    announce: (_self, signal) => {
      told++;
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(new LookupFault('SOURCE_REFUSED', 'no, it stays')));
      });
    },
  });
  const { port, events, end, sink } = hold([plan]);
  for (let n = 1; n <= 2; n++) {
    port.announce({ ...{ name: `n${n}`, peer: peers[0], cluster: 'c', version: '1' }, addresses: [`/ip4/10.0.0.1/tcp/1`] });
    await until(() => told === n, `announcement ${n}`);
  }
  await end();
  assert.deepEqual([events, sink.counts.get('discovery_failures_total a SOURCE_REFUSED')], [[], 2]);
});

test('a source whose opening never ends is opened only so often, and used when it ends at last', async () => {
  const opened: ((source: Source) => void)[] = [];
  const plan = planOf('a', {}, () => new Promise((resolve) => opened.push(resolve)));
  const { port, events, end } = hold([plan], { openMs: 10, overdueMax: 3, pauseMsMin: 60_000, pauseMsMax: 60_000 });
  for (let round = 1; round <= 6; round++) {
    await until(() => events.length === round, `round ${round}`);
    port.query('a', 1_000);
  }
  assert.equal(opened.length, 3);
  opened[1]!({ query: async () => answerOf(findingOf('b', peers[1])) });
  await until(() => events.length === 7, 'the last failure');
  port.query('a', 1_000);
  await until(() => events.length === 8, 'it answers');
  assert.deepEqual(others(events.slice(-2)), ['a SOURCE_TIMED_OUT', 'a 1']);
  await end();
});

test('what is announced is taken back before stop is done', async () => {
  let isBack = false;
  const plan = planOf('a', {
    announce: (_self, signal) =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () =>
          setTimeout(() => {
            isBack = true;
            resolve();
          }, 30),
        );
      }),
  });
  const { port, end } = hold([plan], { stopMs: 10_000 });
  port.announce({ ...{ name: 'n1', peer: peers[0], cluster: 'c', version: '1' }, addresses: [`/ip4/10.0.0.1/tcp/1`] });
  await new Promise((resolve) => setImmediate(resolve));
  await end();
  assert.equal(isBack, true);
});

test('what a source keeps is let go once, after everything else has ended, and whatever comes of it', async () => {
  const log: string[] = [];
  const plan = planOf('a', {
    query: async () => answerOf(),
    announce: async (_self, signal) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      await new Promise((resolve) => setTimeout(resolve, 20));
      log.push('taken back');
    },
    close: () => {
      log.push('let go');
      throw new Error('half of it');
    },
  });
  const { port, events, end } = hold([plan, planOf('never opened', {})], { stopMs: 10_000 });
  port.announce({ ...{ name: 'n1', peer: peers[0], cluster: 'c', version: '1' }, addresses: [`/ip4/10.0.0.1/tcp/1`] });
  port.query('a', 1_000);
  await until(() => events.length === 1, 'it answers');
  await end();
  assert.deepEqual(log, ['taken back', 'let go']);
});

test('findings are checked, merged and cut', async () => {
  const ip = (n: number): string => `/ip4/10.0.0.${n}/tcp/7400`;
  const given: unknown[] = [
    ...[null, 5, 'x', {}, { addresses: 'x' }, { addresses: [] }, { addresses: [5, 'x', '/ip4/1.1.1.1/udp/1'] }],
    { peer: 'no peer id!', addresses: [ip(1)] },
    // Itself, by its peer id and by its address.
    findingOf('self', peers[0]),
    { peer: null, addresses: [ip(99)] },
    // One peer twice, and a peer that only its address names.
    { ...findingOf('b', peers[1]), addresses: [ip(1)], name: 'Not A Name', priority: 9, ttlMs: 1, healthy: false },
    { ...findingOf('b', peers[1]), addresses: [ip(2), ip(1), `${ip(3)}/p2p/${peers[2]}`], priority: 4, weight: 2.4 },
    { peer: null, addresses: [`${ip(4)}/p2p/${peers[2]}`, ip(5)], priority: -1, weight: 1e9, ttlMs: Number.POSITIVE_INFINITY },
    { peer: null, name: 'c', addresses: [ip(6), ip(7)], priority: Number.NaN, ttlMs: Number.NaN },
    { peer: null, addresses: [ip(7), ip(6)] },
  ];
  const plan = planOf('a', { query: async () => ({ findings: given as Finding[], emptyTtlMs: Number.NaN }) });
  const { port, events, end, sink } = hold([plan]);
  port.announce({ ...{ name: 'n', peer: peers[0], cluster: 'c', version: '1' }, addresses: [`${ip(99)}/p2p/${peers[0]}`] });
  port.query('a', 1_000);
  await until(() => events.length === 1, 'it answers');
  const [event] = events;
  assert.ok(event?.type === 'answered');
  assert.equal(event.emptyTtlMs, sourceLimits.emptyTtlDefaultMs);
  const common = { name: null, priority: 0, weight: 0, healthy: true };
  assert.deepEqual(event.findings, [
    {
      ...{ peer: peers[1], name: 'b', priority: 4, weight: 2, healthy: true, ttlMs: sourceLimits.ttlMinMs },
      addresses: [`${ip(1)}/p2p/${peers[1]}`, `${ip(2)}/p2p/${peers[1]}`],
    },
    {
      ...{ ...common, peer: peers[2], weight: 65_535, ttlMs: sourceLimits.ttlMaxMs },
      addresses: [`${ip(4)}/p2p/${peers[2]}`, `${ip(5)}/p2p/${peers[2]}`],
    },
    { ...common, peer: null, name: 'c', addresses: [ip(6), ip(7)], ttlMs: sourceLimits.ttlDefaultMs },
  ]);
  port.query('a', 1_000);
  await until(() => events.length === 2, 'it answers again');
  assert.equal(sink.lines.filter((line) => line.startsWith('warn FINDINGS_INVALID')).length, 1, 'warned once');
  await end();
});

test('too many findings: the best are kept, and one warning is given', async () => {
  const many = Array.from({ length: 5_000 }, (_, n) => ({
    ...{ peer: null, name: null, addresses: [`/ip4/10.1.${n >> 8}.${n & 255}/tcp/1`], weight: 0, ttlMs: 5_000 },
    ...{ priority: n < 900 ? 10 : 1, healthy: n % 2 === 0 },
  }));
  const plan = planOf('a', { query: async () => answerOf(...many) });
  const { port, events, end, sink } = hold([plan]);
  for (let round = 1; round <= 2; round++) {
    port.query('a', 5_000);
    await until(() => events.length === round, 'it answers');
  }
  const [event] = events;
  assert.ok(event?.type === 'answered' && event.findings.length === sourceLimits.findingsMax);
  assert.ok(event.findings.every(({ healthy }) => healthy));
  assert.equal(event.findings.filter(({ priority }) => priority === 1).length, 50);
  assert.equal(sink.lines.filter((line) => line.startsWith('warn FINDINGS_CUT')).length, 1);
  await end();
});

test('what is no answer is a failure, asked for or not', async () => {
  const plans = [undefined, null, 5, {}, { findings: 'x' }].map((answer, at) =>
    planOf(`a${at}`, {
      query: async () => answer as unknown as Answer,
      follow: async (on, signal) => {
        on(answer as unknown as Answer);
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      },
    }),
  );
  const { port, events, end } = hold(plans);
  await until(() => events.length === plans.length, 'each is told');
  for (const source of port.sources) port.query(source, 1_000);
  await until(() => events.length === 2 * plans.length, 'each is answered');
  assert.ok(events.every((event) => event.type === 'failed' && event.code === 'SOURCE_MALFORMED'));
  await end();
});

test('one name twice and too many sources are refused', () => {
  const make = (plans: SourcePlan[]) => () => createLookup({ plans, context: contextFor(peers[0]) });
  assert.throws(make([planOf('a', {}), planOf('a', {})]), /SOURCE_TWICE/);
  assert.throws(make(Array.from({ length: 17 }, (_, n) => planOf(`s${n}`, {}))), /TOO_MANY_SOURCES: 17, at most 16/);
});

test('keys of one purpose, cluster and secret are one, any other is another', () => {
  const { deriveKey } = contextFor(peers[0]);
  assert.equal(deriveKey('dht').byteLength, 32);
  assert.deepEqual(deriveKey('dht'), contextFor(peers[1]).deriveKey('dht'));
  assert.notDeepEqual(deriveKey('dht'), deriveKey('mdns'));
});
