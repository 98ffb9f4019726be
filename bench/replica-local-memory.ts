// What a replicated object weighs in memory, its key and value included: made here, or heard from another. Given the type, how it
// came and how many, writes bytes for each. To be run with --expose-gc.
import {
  addOwn,
  bytesOfBatch,
  change,
  createObjects,
  createRecordBatch,
  hear,
  nextRecord,
  type Objects,
  replicatedTypes,
} from '../machines/replicator/index.ts';
import { cursorOf } from '../machines/wire/octets.ts';
import { sleep } from './figures.ts';

const [type = 'register', how = 'made', countText = '100000'] = process.argv.slice(2);
const count = Number(countText);

const changes: Record<string, (n: number) => unknown> = {
  register: (n) => ({ type: 'set', value: `value ${String(n).padStart(14, '0')}` }),
  'lww-register': (n) => ({ type: 'set', value: `value ${String(n).padStart(14, '0')}` }),
  'pn-counter': () => ({ type: 'add', by: 1 }),
  flag: () => ({ type: 'enable' }),
  'or-set': (n) => ({ type: 'add', element: `value ${String(n).padStart(14, '0')}` }),
};

const makeOne = (objects: Objects, n: number) => {
  const changed = change(objects, Date.now(), type, `key-${String(n).padStart(12, '0')}`, changes[type]!(n));
  if (!changed.ok || changed.record === null) throw new Error('this is no change');
  return { object: changed.object, record: changed.record };
};

const fill = (objects: Objects, upTo: number): void => {
  if (how === 'made') {
    for (let n = 0; n < upTo; n++) makeOne(objects, n);
    return;
  }
  const author = createObjects('b'.repeat(16), replicatedTypes);
  for (let n = 0; n < upTo; n++) {
    const { object, record } = makeOne(author, n);
    const batch = createRecordBatch();
    const bytes = addOwn(batch, object, record);
    hear(objects, Date.now(), nextRecord(cursorOf(bytesOfBatch(batch))), bytes);
  }
};

const used = async (): Promise<number> => {
  for (let turn = 0; turn < 4; turn++) {
    globalThis.gc!();
    await sleep(20);
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};

fill(createObjects('c'.repeat(16), replicatedTypes), 2_000);
const before = await used();
const objects = createObjects('a'.repeat(16), replicatedTypes);
fill(objects, count);
// As after a checkpoint.
objects.unsaved = [];
const after = await used();
if (objects.all.size !== count) throw new Error(`${objects.all.size} objects`);
process.stdout.write(JSON.stringify((after - before) / count));
