// A process that opens a data directory and writes durable batches through the writer until it is killed; says the number of each
// on stdout once it is acknowledged. Started by crash.test.ts with the directory as its argument.
import { writeSync } from 'node:fs';
import { createWriter } from '../../../actors/writer.ts';
import { realClock } from '../../../src/clock.ts';
import { openLevelStorage } from '../../../src/storage/level.ts';

const storage = await openLevelStorage(process.argv[2]!);
const writer = createWriter({ storage, clock: realClock, sink: { log: () => {}, count: () => {} } });
const value = new Uint8Array(300);
writeSync(1, 'open\n');

const writeOne = (n: number): void => {
  const key = Buffer.from(`batch/${String(n).padStart(9, '0')}`);
  // Each durable batch has a companion that need not be: a crash may lose it, but never keeps a later one without it.
  writer.write([{ key: Buffer.from('companion'), value: Buffer.from(String(n)) }], { durable: false }, () => {});
  writer.write([{ key, value }], { durable: true }, (why) => {
    if (why !== null) throw new Error(why.message);
    writeSync(1, `${n}\n`);
    writeOne(n + 8);
  });
};
// Eight at once, so that a kill meets batches waiting, under way and acknowledged.
for (let n = 0; n < 8; n++) writeOne(n);
