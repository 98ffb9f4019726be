// Run by kill.test.ts: counts on the disk at its first argument, and says each number once it was acknowledged.
import { fromTransition } from 'xstate';
import { createJournal } from '../../../actors/actor-journal.ts';
import { createWriter } from '../../../actors/writer.ts';
import { realClock } from '../../../src/clock.ts';
import { realRandom } from '../../../src/random.ts';
import { openLevelStorage } from '../../../src/storage/level.ts';
import { addressOf, define, nobody } from './world.ts';

const sink = { log() {}, count() {} };
const counter = define(fromTransition((n: number) => n + 1, 0));

/** The actor over LevelDB; `stop` ends all of it in order. */
export const openCounter = async (directory: string) => {
  const storage = await openLevelStorage(directory);
  const writer = createWriter({ storage, clock: realClock, sink });
  const journal = createJournal({
    ...{ clock: realClock, random: realRandom, sink, writer, node: 'n1', formRef: undefined },
    ...{ deliver: () => () => {}, events: { onGone() {}, onGivenUp() {}, onDeadLetter() {} } },
  });
  const outcome = await new Promise<Parameters<Parameters<typeof journal.open>[3]>[0]>((resolve) =>
    journal.open(counter, addressOf(), null, resolve),
  );
  if (!outcome.ok) throw new Error(outcome.failure.message);
  const stop = async (): Promise<void> => {
    await new Promise<void>((resolve) => journal.stop(resolve));
    await new Promise<void>((resolve) => writer.stop(resolve));
    await new Promise<void>((resolve) => storage.stop(resolve));
  };
  return { live: outcome.value, stop };
};

if (process.argv[1] === import.meta.filename) {
  const { live } = await openCounter(process.argv[2]!);
  const next = (n: number): void => {
    live.deliver({ type: 'add' }, { id: null, wantsReply: false, leftMs: 60_000, trail: nobody }, (done) => {
      if (done.ok) process.stdout.write(`${n}\n`);
      next(n + 8);
    });
  };
  for (let n = 1; n <= 8; n++) next(n);
}
