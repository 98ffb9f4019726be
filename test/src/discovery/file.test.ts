// Members from a file that changes in every way in which files change.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { file, fileSource } from '../../../src/discovery/file.ts';
import { type Answer, LookupFault, type LookupFaultCode } from '../../../src/discovery/source.ts';
import { askSource } from './source-context.ts';

let folder = '';
let count = 0;
const fresh = (): string => join(folder, `members-${(count += 1)}.json`);
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'polity-file-'));
});
after(() => rm(folder, { recursive: true, force: true }));

const text = (...ports: number[]): string =>
  JSON.stringify({ members: ports.map((port) => ({ addresses: [`/ip4/10.0.0.1/tcp/${port}`] })) }, null, 1);
const portsOf = ({ findings }: Answer): number[] => findings.map(({ addresses }) => Number(addresses[0]?.split('/')[4]));

const fault = (code: LookupFaultCode, words: RegExp) => (error: unknown) => {
  assert.ok(error instanceof LookupFault, String(error));
  assert.equal(error.code, code);
  assert.match(error.message, words);
  return true;
};

describe('asked once', () => {
  test('members', async () => {
    const path = fresh();
    await writeFile(path, text(1, 2));
    assert.deepEqual(portsOf(await askSource(file, path)), [1, 2]);
  });

  test('what is not there, no file or not to be read', async () => {
    await assert.rejects(
      askSource(file, fresh()),
      fault('SOURCE_UNAVAILABLE', /^the file .*members-\d+\.json does not exist$/),
    );
    await assert.rejects(askSource(file, folder), fault('SOURCE_UNAVAILABLE', / is no file$/));
    await assert.rejects(askSource(file, '/dev/zero'), fault('SOURCE_UNAVAILABLE', /^\/dev\/zero is no file$/));
    const circle = fresh();
    await symlink(circle, circle);
    await assert.rejects(askSource(file, circle), fault('SOURCE_UNAVAILABLE', /is a link that leads round in a circle$/));
    const pipe = fresh();
    if (spawnSync('mkfifo', [pipe]).status === 0)
      await assert.rejects(askSource(file, pipe), fault('SOURCE_UNAVAILABLE', / is no file$/), 'nobody waits for a writer');
  });

  test('a broken one says where, one that is too large says so', async () => {
    const path = fresh();
    await writeFile(path, '{\n  "members": [\n}\n');
    await assert.rejects(askSource(file, path), fault('SOURCE_MALFORMED', /^the file .* is not JSON: look at line 3$/));
    await truncate(path, 300_000);
    await assert.rejects(askSource(file, path), fault('SOURCE_MALFORMED', / has more than 262144 bytes$/));
  });

  test('the text of a configuration', () => {
    assert.deepEqual(file.parse(''), { problem: 'has no path' });
    assert.deepEqual(file.parse('a\0b'), { problem: 'has a path with a zero byte' });
    assert.equal((file.parse('/etc/polity/members.json') as { name: string }).name, 'file:/etc/polity/members.json');
  });
});

/** Follows a file with a look each 10 ms; `until` waits for the newest answer. */
const following = (path: string, everyMs = 10) => {
  const ending = new AbortController();
  const heard: number[][] = [];
  const ended = fileSource(path, 'c1', everyMs).follow!((answer) => void heard.push(portsOf(answer)), ending.signal).then(
    () => null,
    (error: unknown) => error,
  );
  const until = async (...ports: number[]): Promise<void> => {
    for (let tries = 0; tries < 2_000; tries += 1) {
      if (JSON.stringify(heard.at(-1)) === JSON.stringify(ports)) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.fail(`heard ${JSON.stringify(heard)}, not ${ports}`);
  };
  const stop = (): Promise<unknown> => {
    ending.abort();
    return ended;
  };
  return { heard, ended, until, stop };
};

describe('followed', () => {
  test('written anew, put over it, and where links lead elsewhere (as in a ConfigMap)', async () => {
    const data = await mkdtemp(join(folder, 'map-'));
    for (const [name, port] of Object.entries({ one: 3, two: 4 })) {
      await mkdir(join(data, name));
      await writeFile(join(data, name, 'members.json'), text(port));
    }
    const path = join(data, 'members.json');
    await writeFile(path, text(1));
    const { heard, until, stop } = following(path);
    await until(1);
    await writeFile(path, text(1, 2));
    await until(1, 2);
    const other = fresh();
    await writeFile(other, text(9));
    await rename(other, path);
    await until(9);
    await symlink('one', join(data, '..data'));
    await symlink(join('..data', 'members.json'), join(data, 'link'));
    await rename(join(data, 'link'), path);
    await until(3);
    await symlink('two', join(data, '..next'));
    await rename(join(data, '..next'), join(data, '..data'));
    await until(4);
    const told = heard.map((ports) => ports.join());
    assert.deepEqual(
      told.filter((one, index) => one !== told[index - 1]),
      ['1', '1,2', '9', '3', '4'],
    );
    assert.equal(told.filter((one) => one === '9').length, 1, 'what was put over it whole is told once');
    assert.equal(await stop(), null);
  });

  test('who writes in place may be in the middle of it', async () => {
    const path = fresh();
    await writeFile(path, text(1, 2).slice(0, 40));
    const { until, stop } = following(path, 700);
    // It is seen broken, and the rest arrives before the next look.
    await new Promise((resolve) => setTimeout(resolve, 50));
    await writeFile(path, text(1, 2));
    await until(1, 2);
    assert.equal(await stop(), null);
  });

  test('broken or gone ends it with a fault; begun anew it goes on', async () => {
    const path = fresh();
    await writeFile(path, text(1));
    const broken = following(path);
    await broken.until(1);
    await writeFile(path, '{"members":');
    fault('SOURCE_MALFORMED', /not JSON: look at line 1/)(await broken.ended);
    await writeFile(path, text(2));
    const gone = following(path);
    await gone.until(2);
    await rm(path);
    fault('SOURCE_UNAVAILABLE', /does not exist/)(await gone.ended);
  });

  test('ends when it is told to, whatever state the file is in', async () => {
    const path = fresh();
    await writeFile(path, '{');
    const { stop } = following(path, 3_600_000);
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(await stop(), null);
  });
});
