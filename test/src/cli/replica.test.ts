// `polity replica …` against a gateway over a fake node, as processes; what words mean, without them.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { UsageError } from '../../../src/cli/exit.ts';
import { changeOfWords, type Verb } from '../../../src/cli/replica-words.ts';
import type { ReplicaType } from '../../../src/client/index.ts';
import type { Gateway } from '../../../src/gateway/index.ts';
import { FakeNode } from '../gateway/fake-node.ts';
import { openTestGateway } from '../gateway/open.ts';
import { launch, many, polity, type Ran, written } from './polity.ts';

let node: FakeNode;
let gateway: Gateway;
before(async () => {
  node = new FakeNode();
  gateway = await openTestGateway(node);
});
after(() => gateway.close());

/** One after the other. */
const all = (lines: readonly string[]): Promise<Ran[]> =>
  many(
    lines.map((line) => ['replica', ...line.split(' ')]),
    { POLITY_NODE: gateway.url },
  );
const told = async (lines: Readonly<Record<string, string>>): Promise<void> => {
  const words = Object.keys(lines);
  for (const [n, { code, stdout, stderr }] of (await all(words)).entries())
    assert.deepEqual([code, stdout, stderr], [0, lines[words[n]!], ''], words[n]);
};
const change = (type: string, key: string, given: unknown): void =>
  node.replica.change(type, key, given, (outcome) => assert.ok(outcome.ok));

test('words are the changes of a type', () => {
  const cases: [Verb, ReplicaType, string[], unknown][] = [
    ['set', 'register', ['a b'], { type: 'set', value: 'a b' }],
    ['set', 'latest', ['x'], { type: 'set', value: 'x' }],
    ['set', 'flag', ['on'], { type: 'enable' }],
    ['set', 'off-flag', ['off'], { type: 'disable' }],
    ['set', 'map', ['k', 'v'], { type: 'put', key: 'k', value: 'v' }],
    ['add', 'set', ['3'], { type: 'add', element: '3' }],
    ['add', 'counter', [], { type: 'add', by: 1 }],
    ['add', 'counter', ['-3'], { type: 'add', by: -3 }],
    ['add', 'list', ['v'], { type: 'insert', content: ['v'] }],
    ['add', 'text', ['v'], { type: 'insert', content: 'v' }],
    ['remove', 'set', ['v'], { type: 'remove', element: 'v' }],
    ['remove', 'map', ['k'], { type: 'remove', key: 'k' }],
    ['remove', 'list', ['0'], { type: 'remove', at: 0, count: 1 }],
    ['remove', 'text', ['2', '5'], { type: 'remove', at: 2, count: 5 }],
    ['remove', 'register', [], { type: 'clear' }],
  ];
  for (const [verb, type, words, wanted] of cases)
    assert.deepEqual(changeOfWords(verb, type, words, { as: 'text', index: undefined }), wanted, `${verb} ${type}`);
  const json = { as: 'json', index: 2 };
  assert.deepEqual(changeOfWords('add', 'list', ['{"a":[1]}'], json), { type: 'insert', content: [{ a: [1] }], at: 2 });
  assert.deepEqual(changeOfWords('set', 'register', ['AP8='], { as: 'base64', index: undefined }), {
    ...{ type: 'set', value: Uint8Array.of(0, 255) },
  });
  const refused: [Verb, ReplicaType, string[], RegExp, string?][] = [
    ['set', 'flag', ['yes'], /set on or off, not 'yes'/],
    ['set', 'counter', ['5'], /a counter takes add, not set/],
    ['add', 'register', ['5'], /a register takes set and remove, not add/],
    ['add', 'tree', ['5'], /a tree is changed by what is in it/],
    ['add', 'counter', ['a'], /N must be a whole number, not 'a'/],
    ['add', 'counter', ['9007199254740993'], /whole number/],
    ['add', 'set', [], /comes ELEMENT/],
    ['set', 'map', ['k'], /comes ENTRY VALUE/],
    ['remove', 'list', [], /comes INDEX \[COUNT\]/],
    ['remove', 'list', ['-1'], /not be negative/],
    ['remove', 'register', ['x'], /nothing comes after the key/],
    ['set', 'register', ['{'], /the value is not JSON/, 'json'],
    ['set', 'register', ['12345678901234567890'], /cannot be kept/, 'json'],
    ['set', 'register', ['?'], /base64/, 'base64'],
    ['set', 'register', ['a'], /--as must be text, json or base64/, 'yaml'],
  ];
  for (const [verb, type, words, why, as = 'text'] of refused)
    assert.throws(
      () => changeOfWords(verb, type, words, { as, index: undefined }),
      (error) => error instanceof UsageError && why.test(error.message),
      `${verb} ${type} ${words}`,
    );
  assert.throws(() => changeOfWords('add', 'set', ['a'], { as: 'text', index: 1 }), /--index is for/);
});

test('changed and read', async () => {
  await told({
    'set motd hello': 'changed register motd\n',
    'add visits 3 --type counter': 'counter visits is 3\n',
    'add visits -1 --type counter': 'counter visits is 2\n',
    'add fruits apple': 'changed set fruits\n',
    'set open on --type flag': 'flag open is on\n',
    'set stock apples 3 --type map --as json': 'changed map stock\n',
    'add users 2 --type counter --at anna/visits': 'counter users/anna/visits is 2\n',
    'set raw AP8= --as base64 --json': '{"type":"register","key":"raw"}\n',
    'get motd': 'hello\n',
    'get visits': '2\n',
    'get fruits': 'apple\n',
    'get open': 'on\n',
    'get stock': 'KEY     VALUE\napples  3\n',
    'get stock --entry apples': '3\n',
    'get stock --entry apples --json': '{"type":"map","key":"stock","entry":"apples","value":3}\n',
    'get stock --json': '{"type":"map","key":"stock","value":{"apples":3}}\n',
    'get users --type counter --at anna/visits': '2\n',
    'get users --json': '{"type":"tree","key":"users","value":{"tree":{"anna":{"counter":{"visits":2}}}}}\n',
    'get raw --json': '{"type":"register","key":"raw","value":{"$base64":"AP8="}}\n',
    'list --type map': 'TYPE  KEY\nmap   stock\n',
    'remove fruits apple': 'changed set fruits\n',
    'get fruits --json': '{"type":"set","key":"fruits","value":[]}\n',
    'add fruits pear': 'changed set fruits\n',
    'remove fruits --all': 'changed set fruits\n',
    'get fruits --type set': '',
    'remove users --type counter --at anna/visits': 'changed counter users/anna/visits\n',
    'get users': '{}\n',
    'remove motd --type register': 'changed register motd\n',
  });
  const env = { POLITY_NODE: gateway.url };
  const note = await polity(['replica', 'add', 'note', '-', '--type', 'text'], { input: 'from\ninput', env });
  assert.deepEqual([note.code, note.stdout], [0, 'changed text note\n']);
  const [text, summary] = await all(['get note', 'summary --json']);
  assert.equal(text!.stdout, 'from\ninput\n');
  assert.equal((JSON.parse(summary!.stdout) as Record<string, unknown>).replica, 'replica-b');
});

test('a change never guesses, and a mistake is said in words', async () => {
  change('pn-counter', 'known', { type: 'add', by: 1 });
  for (const type of ['or-set', 'register'])
    change(type, 'twice', { type: type === 'or-set' ? 'add' : 'set', element: 1, value: 1 });
  const cases: [string, number, RegExp][] = [
    ['add known 3', 2, /'known' is a counter here: say --type counter, or --type set for a set of this name/],
    ['get twice', 2, /'twice' is a register and a set: say which by --type/],
    ['get absent', 1, /KEY_NOT_FOUND: this node knows no 'absent'/],
    ['get absent --type set', 1, /KEY_NOT_FOUND: this node knows no set 'absent'/],
    ['get known --type or-set', 2, /there is no type 'or-set'; there is register, /],
    ['get known --conflicts mine --type register', 2, /--conflicts must be last-writer/],
    ['get known --at a/b', 2, /--at needs --type/],
    ['get known --type map --at a', 2, /a map cannot be inside of a tree/],
    ['remove known --all --type counter', 2, /--all is for sets and trees/],
    ['add known 0.5 --type counter', 2, /whole number/],
    ['add known -1 --type tally', 1, /INVALID_REQUEST/],
    ['sett known', 2, /unknown command/],
  ];
  const ran = await all(cases.map(([words]) => words));
  for (const [n, [words, code, why]] of cases.entries()) {
    assert.equal(ran[n]!.code, code, `${words}: ${ran[n]!.stderr}`);
    assert.match(ran[n]!.stderr, why, words);
    assert.equal(ran[n]!.stdout, '', words);
  }
});

test('a conflict is noted beside the value', async () => {
  change('register', 'both', { type: 'set', value: 'mine' });
  node.replicated.hears('replica-a', 'register', 'both', { type: 'set', value: 'theirs' });
  const [one, each] = await all(['get both', 'get both --conflicts keep-all --json']);
  assert.equal(one!.stdout, 'theirs\n');
  assert.match(one!.stderr, /2 nodes set it, not knowing of each other; shown is last-writer/);
  const { value, siblings } = JSON.parse(each!.stdout) as { value: unknown; siblings: { replica: string }[] };
  assert.deepEqual([value, siblings[0]?.replica], [['theirs', 'mine'], 'replica-a']);
});

test('watched until it is interrupted', async () => {
  change('pn-counter', 'watched', { type: 'add', by: 1 });
  const running = launch(['replica', 'watch', 'watched'], { env: { POLITY_NODE: gateway.url } });
  await written(running, /Z {2}1\n/);
  change('pn-counter', 'watched', { type: 'add', by: 1 });
  await written(running, /Z {2}2\n/);
  running.child.kill('SIGINT');
  assert.equal((await running.ended).code, 0);
});
