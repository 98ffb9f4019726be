// Configuration: who wins, and what is said about every mistake.
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { breakerDefaults, checkBreakerOptions } from '../../../machines/breaker/index.ts';
import { maskedConfig, type Resolution, resolveConfig, type Sources, settingsOf } from '../../../src/config/index.ts';
import { options } from '../../../src/config/options.ts';
import { editDistance } from '../../../src/config/suggest.ts';

const directory = mkdtempSync(join(tmpdir(), 'polity-config-'));
after(() => rmSync(directory, { recursive: true }));

const secret = 'sixteen bytes or more';
const good = { name: 'n1', data: './data', secret, bootstrap: ['n1'] };

const fileOf = (name: string, text: string | Uint8Array, mode = 0o600): string => {
  const path = join(directory, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
};

const configOf = (resolution: Resolution) => {
  assert.ok(resolution.ok, resolution.ok ? '' : resolution.problems.join('\n'));
  return resolution.config;
};

const problemsOf = (sources: Sources): string[] => {
  const resolution = resolveConfig(sources);
  return resolution.ok ? [] : resolution.problems;
};

test('defaults make a node of a name, a directory and a secret', () => {
  const config = configOf(resolveConfig({ code: good }));
  assert.deepEqual(
    [config.cluster, config.listen, config.http, config.groups, config.messaging],
    ['polity', ['/ip4/127.0.0.1/tcp/7400'], null, ['kv'], 'auto'],
  );
  assert.deepEqual(config.raft, { preset: 'lan', electionTimeoutMs: [150, 300], heartbeatMs: 50, quietAfterMs: 1_000 });
  assert.deepEqual(config.secret, new TextEncoder().encode(secret));
});

test('flags win over the environment, that over the file, that over defaults; lists are replaced', () => {
  const file = {
    path: 'p.json',
    text: JSON.stringify({ name: 'file', cluster: 'file', data: 'file', bootstrap: ['a', 'b'], raft: { preset: 'wan' } }),
  };
  const env = { POLITY_NAME: 'env', POLITY_CLUSTER: 'env', POLITY_SECRET: secret, POLITY_RAFT_HEARTBEAT_MS: '200' };
  const flags = { name: 'flag', bootstrap: ['flag'], listen: ['/ip4/127.0.0.1/tcp/0', '/ip6/::1/tcp/0,/dns4/x/tcp/1'] };
  const config = configOf(resolveConfig({ file, env, flags }));
  assert.deepEqual([config.name, config.cluster, config.data, config.bootstrap], ['flag', 'env', 'file', ['flag']]);
  assert.deepEqual(config.listen, ['/ip4/127.0.0.1/tcp/0', '/ip6/::1/tcp/0', '/dns4/x/tcp/1']);
  assert.deepEqual(config.raft, { preset: 'wan', electionTimeoutMs: [1_000, 2_000], heartbeatMs: 200, quietAfterMs: 1_000 });
});

test('every option is reached from the environment and from a flag', () => {
  for (const option of options) {
    const bad = { POLITY_X: 'y', [option.env]: option.kind === 'count' ? 'many' : '\u0001' };
    const text = problemsOf({ code: {}, env: bad }).join('\n');
    const silent = ['data', 'secret', 'secretFile', 'token', 'tokenFile'].includes(option.path);
    if (!silent) assert.match(text, new RegExp(`${option.env}: `), option.path);
  }
});

test('what others are told of a node comes from a file, a variable, a flag or code', () => {
  const wanted = { capabilities: ['kv', 'gpu'], resources: { cpus: 8, disk: 'ssd', load: 0.5 }, capacity: 100 };
  const file = { path: 'p.json', text: JSON.stringify({ ...good, ...wanted }) };
  const env = { POLITY_CAPABILITIES: 'kv,gpu', POLITY_RESOURCES: 'cpus=8, disk=ssd,load=0.5', POLITY_CAPACITY: '100' };
  const flags = { capabilities: ['kv', 'gpu'], resources: ['cpus=8,disk=ssd', 'load=0.5'], capacity: '100' };
  for (const sources of [{ file }, { code: good, env }, { code: good, flags }, { code: { ...good, ...wanted } }]) {
    const config = configOf(resolveConfig(sources));
    const { capabilities, resources, capacity } = settingsOf(config, '0', null);
    assert.deepEqual({ capabilities, resources: { ...resources }, capacity }, wanted);
  }
  // As lists are, they are replaced.
  assert.deepEqual(configOf(resolveConfig({ file, env: { POLITY_RESOURCES: '__proto__=x' } })).resources, {
    ['__proto__']: 'x',
  });
});

test('a profile that others would not take in is refused, with what takes how much', () => {
  const tags = Array.from({ length: 32 }, (_, at) => `${at}-${'t'.repeat(60)}`);
  const resources = Object.fromEntries(tags.slice(0, 20).map((tag) => [tag, 'ssd']));
  assert.ok(resolveConfig({ code: { ...good, tags } }).ok);
  const [problem, ...more] = problemsOf({
    code: { ...good, tags },
    flags: { resources: Object.entries(resources).map((pair) => pair.join('=')) },
  });
  assert.match(
    problem!,
    /^config\.tags: PROFILE_TOO_LARGE: .* takes \d+ of at most 3072 bytes: tags 2\d+, resources 1\d+, name/,
  );
  assert.deepEqual(more, []);
});

test('an empty variable is none', () => {
  const config = configOf(resolveConfig({ code: good, env: { POLITY_HTTP: '', POLITY_JOIN: ' ' } }));
  assert.deepEqual([config.http, config.join], [null, []]);
});

test('each mistake is said in words, with who made it', () => {
  const cases: [Sources, RegExp][] = [
    [{ env: { POLITY_LISTEN: 'localhost:7400' } }, /^POLITY_LISTEN: 'localhost:7400' is not a multiaddr \(for example/],
    [{ code: { listen: ['/ip4/1.2.3.4/udp/1/quic-v1'] } }, /^config\.listen: '.*' must go on with \/tcp/],
    [{ code: { listen: ['/ip4/1.2.3.4/tcp/1/ws'] } }, /^config\.listen: '.*' holds \/ws/],
    [{ code: { listen: '/ip4/1.2.3.4/tcp/1' } }, /^config\.listen: '.*' is not a list of multiaddrs/],
    [{ env: { POLITY_RESOURCES: 'cpus' } }, /^POLITY_RESOURCES: 'cpus' is not names, each once, with numbers or words/],
    [{ flags: { resources: ['cpus=1', 'cpus=2'] } }, /^--resources: 'cpus=1,cpus=2' is not names, each once/],
    [{ code: { resources: ['cpus'] } }, /^config\.resources: \["cpus"\] is not names/],
    [{ code: { resources: { cpus: -1 } } }, /^config\.resources: cpus is -1: neither a number from 0 on nor/],
    [{ code: { resources: { cpus: [8] } } }, /^config\.resources: cpus is \[8\]: neither/],
    [{ code: { resources: { '': 8 } } }, /^config\.resources: '' is not a resource's name/],
    [{ code: { resources: { disk: 'a\u0007' } } }, /^config\.resources: disk is .*: neither/],
    [
      { code: { resources: Object.fromEntries(Array.from({ length: 33 }, (_, at) => [`r${at}`, at])) } },
      /^config\.resources: names more than 32 resources/,
    ],
    [{ flags: { capacity: '-1' } }, /^--capacity: '-1' is not a whole number from 0 to/],
    [{ code: { capabilities: Array(65).fill('x') } }, /^config\.capabilities: names more than 64 capabilities/],
    [{ code: { capabilities: 'kv' } }, /^config\.capabilities: 'kv' is not a list of capabilities/],
    [{ flags: { name: 'Node_1' } }, /^--name: 'Node_1' is not a node's name: 1 to 63 of a-z/],
    [{ flags: { http: '7501' } }, /^--http: '7501' is not HOST:PORT/],
    [{ flags: { http: '127.0.0.1:70000' } }, /^--http: .* is not HOST:PORT/],
    [{ env: { POLITY_SNAPSHOT_ENTRIES: 'many' } }, /^POLITY_SNAPSHOT_ENTRIES: 'many' is not a whole number from 100 to/],
    [{ env: { POLITY_RAFT_ELECTION_TIMEOUT_MS: '300,150' } }, /^POLITY_RAFT_ELECTION_TIMEOUT_MS: \[300,150\] does not grow/],
    [{ env: { POLITY_RAFT_ELECTION_TIMEOUT_MS: '300' } }, /^POLITY_RAFT_ELECTION_TIMEOUT_MS: .* is not two times/],
    [{ flags: { raftHeartbeatMs: '100' } }, /^--raft-heartbeat-ms: a heartbeat of 100 ms needs .* at least 200 ms, not 150/],
    [{ flags: { messaging: 'carrier-pigeon' } }, /^--messaging: 'carrier-pigeon' is not auto or gossipsub/],
    [{ env: { POLITY_INSPECT: 'on' } }, /^POLITY_INSPECT: 'on' is not one of off, loopback, token/],
    [{ flags: { inspect: 'token' } }, /^--inspect: is token, so a token is needed/],
    [{ flags: { bootstrap: ['n2,n3'] } }, /^--bootstrap: does not name this node \(n1\)/],
    [{ flags: { bootstrap: ['n1,n1'] } }, /^--bootstrap: names a node 'n1' twice/],
    [{ flags: { groups: [''] } }, /^--groups: names no group/],
    [{ env: { POLITY_SECRET: 'short' } }, /^POLITY_SECRET: has 5 bytes; the cluster secret needs at least 16/],
    [{ code: { secret: '   ' } }, /^config\.secret: is empty/],
    [{ code: { data: ' ' } }, /^config\.data: is empty/],
    [{ code: { raft: 5 } }, /^config\.raft: 5 is not an object/],
    [{ flags: { http: '0.0.0.0:7501' } }, /^--http: '0\.0\.0\.0:7501' is open to other machines, so a token is needed/],
    [{ flags: { http: '10.0.0.1:7501' } }, /^--http: .* token is needed/],
    [{ flags: { token: 'tiny' } }, /^--token: has 4 characters; a token needs at least 16/],
    [{ flags: { token: 'sixteen characters, with spaces' } }, /^--token: holds characters/],
  ];
  for (const [sources, expected] of cases) {
    const problems = problemsOf({ ...sources, defaults: good });
    assert.equal(problems.length, 1, `${JSON.stringify(sources)}: ${problems.join(' | ')}`);
    assert.match(problems[0]!, expected);
  }
});

test('what nobody knows is refused, with what was probably meant', () => {
  const file = { path: 'p.json', text: '{"bootstap":["n1"],"raft":{"heartbeatsMs":50},"colour":"red"}' };
  const problems = problemsOf({ file, code: good, env: { POLITY_LISTENS: 'x' } });
  assert.deepEqual(problems.slice(0, 4), [
    "p.json: bootstap: there is no such option; did you mean 'bootstrap'?",
    "p.json: raft.heartbeatsMs: there is no such option; did you mean 'raft.heartbeatMs'?",
    'p.json: colour: there is no such option',
    "POLITY_LISTENS: there is no such variable; did you mean 'POLITY_LISTEN'?",
  ]);
});

test("variables of others are left alone: an orchestrator's without a word, the rest with a warning", () => {
  const env = { POLITY_SERVICE_HOST: '10.0.0.1', POLITY_PORT_7501_TCP: 'x', POLITY_ZZZZZZ: '1', POLITY_NODE: 'http://x' };
  const resolution = resolveConfig({ code: good, env });
  assert.ok(resolution.ok);
  assert.deepEqual(resolution.warnings, ["POLITY_ZZZZZZ: is no variable of Polity's and is ignored"]);
});

test('several problems are told at once', () => {
  const problems = problemsOf({ code: { name: '', http: 'x' } });
  assert.deepEqual(
    problems.map((problem) => problem.split(':')[0]),
    ['config.name', 'data', 'config.http', 'secret'],
  );
});

test('a file that is no JSON object', () => {
  assert.match(problemsOf({ file: { path: 'p.json', text: '{' }, code: good })[0]!, /^p\.json: is not JSON/);
  assert.match(problemsOf({ file: { path: 'p.json', text: '[]' }, code: good })[0]!, /^p\.json: must hold one JSON object/);
});

test('a secret file: white space at its ends does not count, anything else does', () => {
  const { secret: _secret, ...rest } = good;
  const read = (name: string, text: string | Uint8Array, mode?: number) =>
    resolveConfig({ code: { ...rest, secretFile: fileOf(name, text, mode) } });
  assert.deepEqual(configOf(read('good', `${secret}\n`)).secret, new TextEncoder().encode(secret));
  assert.deepEqual(configOf(read('bytes', new Uint8Array(16).fill(0xff))).secret, new Uint8Array(16).fill(0xff));
  const problemOf = (resolution: Resolution): string => (resolution.ok ? '' : resolution.problems.join());
  assert.match(
    problemOf(read('open', secret, 0o644)),
    /^config\.secretFile: '.*open' is open to every user of this machine \(mode 644\)/,
  );
  assert.match(problemOf(read('blank', ' \n')), /is empty/);
  assert.match(problemOf(read('short', 'short')), /has 5 bytes/);
  assert.match(problemOf(read('large', 'x'.repeat(5_000))), /more than 4096 bytes/);
  assert.match(problemOf(resolveConfig({ code: { ...rest, secretFile: join(directory, 'none') } })), /there is no such file/);
  assert.match(problemOf(resolveConfig({ code: { ...rest, secretFile: directory } })), /is not a file|is open to every user/);
});

test('a secret and its file: the stronger source wins, in one source both are a mistake', () => {
  const path = fileOf('both', 'a secret from a file');
  const { secret: _secret, ...rest } = good;
  const config = configOf(resolveConfig({ code: rest, env: { POLITY_SECRET: secret }, flags: { secretFile: path } }));
  assert.equal(new TextDecoder().decode(config.secret), 'a secret from a file');
  assert.match(
    problemsOf({ code: { ...rest, secret, secretFile: path } })[0]!,
    /^config\.secretFile: give this or config\.secret, not both/,
  );
});

test('HTTP for other machines works with a token, and says what Host it will refuse', () => {
  const tokenFile = fileOf('token', 'a-token-of-enough-length\n');
  const resolution = resolveConfig({ code: { ...good, http: '0.0.0.0:7501', tokenFile } });
  assert.ok(resolution.ok);
  assert.equal(resolution.config.token, 'a-token-of-enough-length');
  assert.match(resolution.warnings.join(), /httpHosts/);
});

test('off is no HTTP, port 0 any free one', () => {
  assert.equal(
    configOf(resolveConfig({ code: good, defaults: { http: '127.0.0.1:7501' }, flags: { http: 'off' } })).http,
    null,
  );
  assert.equal(configOf(resolveConfig({ code: good, flags: { http: '127.0.0.1:0' } })).http, '127.0.0.1:0');
});

test('what is printed holds no secret', () => {
  const discover = [`static:${dns}`];
  const config = configOf(resolveConfig({ code: { ...good, token: 'a-token-of-enough-length', discover } }));
  assert.deepEqual(maskedConfig(config).discover, discover);
  const text = JSON.stringify(maskedConfig(config));
  assert.ok(!text.includes(secret) && !text.includes('a-token-of'));
  assert.match(text, /21 bytes, hidden/);
});

const dns = '/ip4/192.0.2.1/tcp/7400';

test('sources of discovery: from everywhere, each parsed, in their order', () => {
  const names = (sources: Sources): string[] =>
    configOf(resolveConfig({ code: good, ...sources })).discover.map(({ name }) => name);
  const [a, b] = [`static:${dns}`, 'static:/dns4/b.example/tcp/1,/dns4/c.example/tcp/1'];
  assert.deepEqual(names({}), []);
  assert.deepEqual(names({ env: { POLITY_DISCOVER: `${a},${b}` } }), [a, b]);
  assert.deepEqual(names({ env: { POLITY_DISCOVER: ` ${a}\n${b}, ` } }), [a, b]);
  assert.deepEqual(names({ flags: { discover: [a, b] }, env: { POLITY_DISCOVER: 'nonsense' } }), [a, b]);
  assert.deepEqual(names({ file: { path: 'p.json', text: JSON.stringify({ discover: [b] }) } }), [b]);
  assert.deepEqual(names({ code: { ...good, discover: [a] } }), [a]);
});

test('mistakes about sources and announced addresses are said in words, and no password in them is repeated', () => {
  const cases: [Sources, RegExp][] = [
    [{ flags: { discover: ['static:'] } }, /^--discover: 'static:' names no address \(static:MULTIADDR/],
    [{ flags: { discover: ['static:/udp/1'] } }, /^--discover: 'static:\/udp\/1' has an address, '\/udp\/1', that /],
    [{ env: { POLITY_DISCOVER: 'dsn:x' } }, /^POLITY_DISCOVER: 'dsn:x' is no source of discovery; these are: .*static:/],
    [{ env: { POLITY_DISCOVER: 'x:http://u:hunter2@h/?a' } }, /^POLITY_DISCOVER: 'x:…@h\/\?…' is no source/],
    [{ code: { discover: [`static:${dns}`, `static:${dns}`] } }, /^config\.discover: names 'static:.*' twice/],
    [{ code: { discover: 'x:hunter2' } }, /^config\.discover: is not a list of sources$/],
    [{ code: { discover: [5] } }, /^config\.discover: holds something that is no text$/],
    [
      { code: { discover: Array.from({ length: 17 }, (_, n) => `static:/ip4/192.0.2.${n}/tcp/1`) } },
      /^config\.discover: names more than 16 sources$/,
    ],
    [{ flags: { announce: ['/ip4/0.0.0.0/tcp/7400'] } }, /^--announce: '.*' is nothing that others could dial/],
    [{ flags: { announce: ['/ip6/::/tcp/7400'] } }, /^--announce: '.*' is nothing that others could dial/],
    [{ flags: { announce: ['/ip4/192.0.2.1/tcp/0'] } }, /^--announce: '.*' is nothing that others could dial/],
    [{ env: { POLITY_ANNOUNCE: 'here:7400' } }, /^POLITY_ANNOUNCE: 'here:7400' is not a multiaddr/],
    [
      { flags: { announce: ['/ip4/192.0.2.1/tcp/1/p2p/12D3KooWM5Dmns3UNokVFc3vpFwwgd8nMmMtQN379oqghs1wHCKo'] } },
      /^--announce: '.*' names a peer; it is added/,
    ],
  ];
  for (const [sources, expected] of cases) {
    const problems = problemsOf({ ...sources, defaults: good });
    assert.equal(problems.length, 1, `${JSON.stringify(sources)}: ${problems.join(' | ')}`);
    assert.match(problems[0]!, expected);
    assert.ok(!problems[0]!.includes('hunter2'));
  }
});

test('a node that looks for members is told what stands against it', () => {
  const warningsOf = (code: Record<string, unknown>): string => {
    const resolution = resolveConfig({ code: { ...good, ...code } });
    return resolution.ok ? resolution.warnings.join('\n') : resolution.problems.join('\n');
  };
  const discover = [`static:${dns}`];
  assert.match(warningsOf({ bootstrap: [] }), /^none of bootstrap, join and discover is given/);
  const far = { discover, listen: ['/ip4/0.0.0.0/tcp/7400'] };
  assert.equal(warningsOf({ bootstrap: [], ...far }), '');
  assert.match(warningsOf({ discover }), /listens for this machine only/);
  assert.equal(warningsOf({ discover, announce: [dns] }), '');
  const three = { bootstrap: ['n1', 'n2', 'n3'], listen: [] };
  assert.match(warningsOf(three), /join is empty|config\.join|is empty, and so are discover and listen/);
  assert.ok(!/nobody/.test(warningsOf({ ...three, discover, announce: [dns] })));
});

test('a configuration becomes the settings of a tree', () => {
  const settings = settingsOf(configOf(resolveConfig({ code: { ...good, raft: { preset: 'wan' } } })), '1.2.3', '127.0.0.1:1');
  assert.deepEqual(
    [settings.version, settings.http, settings.raft.electionTimeoutMinMs, settings.raft.heartbeatMs, settings.snapshotEntries],
    ['1.2.3', '127.0.0.1:1', 1_000, 300, 10_000],
  );
});

test('edits between words', () => {
  for (const [a, b, edits] of [
    ['', 'abc', 3],
    ['listen', 'listen', 0],
    ['lsiten', 'listen', 1],
    ['bootstap', 'bootstrap', 1],
    ['kitten', 'sitting', 3],
  ] as const)
    assert.equal(editDistance(a, b), edits, `${a} ${b}`);
});

test('breakers: what is given becomes the options of the machine, what cannot be is said where it stands', () => {
  const config = configOf(
    resolveConfig({
      code: { ...good, breaker: { failuresMax: 3, count: 'consecutive', windowCalls: 50 } },
      env: { POLITY_BREAKER_SLOW_MS: '200', POLITY_BREAKER_FAILURE_PERCENT_MIN: '25' },
      flags: { breakerOpenMs: '1000', breakerOpenMsMax: '5000', breakerProbes: '2' },
    }),
  );
  const { breaker } = settingsOf(config, '0', null);
  assert.deepEqual(breaker, {
    ...{ failuresMax: 3, window: { by: 'calls', calls: 50 }, consecutive: true, failureShareMin: 0.25, probes: 2 },
    ...{ slow: { ms: 200, shareMin: 0.5, callsMin: 20 }, probeMs: 35_000, openMs: 1_000, openMsMax: 5_000, jitter: 0.1 },
  });
  checkBreakerOptions(breaker);
  assert.deepEqual(settingsOf(configOf(resolveConfig({ code: good })), '0', null).breaker, breakerDefaults);
  assert.deepEqual(problemsOf({ code: good, flags: { breakerOpenMs: '700000' } }), [
    '--breaker-open-ms: 700000 ms is longer than breaker.openMsMax, 600000 ms',
  ]);
  assert.deepEqual(problemsOf({ code: { ...good, breaker: { windowCalls: 4, slowMs: 10 } } }), [
    'the default of breaker.failuresMax: 5 is more than the window has calls (breaker.windowCalls is 4)',
    'the default of breaker.slowCallsMin: 20 is more than the window has calls (breaker.windowCalls is 4)',
  ]);
  for (const [breaker, what] of [
    [{ failuresMax: 0 }, /config.breaker.failuresMax: 0 is not a whole number from 1 to 1000/],
    [{ count: 'some' }, /config.breaker.count: 'some' is not all or consecutive/],
    [{ windowMs: 1.5 }, /config.breaker.windowMs: 1.5 is not a whole number/],
    [{ failureMax: 3 }, /config.breaker.failureMax: there is no such option.*failuresMax/],
    [7, /config.breaker: 7 is not an object/],
  ] as const)
    assert.match(problemsOf({ code: { ...good, breaker } }).join('; '), what);
});
