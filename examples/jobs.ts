// Work that is done once by whoever has time: any number of workers take jobs from a queue. One that dies over a job costs a delay, for
// the job comes into sight again; one that fails is tried again, and put aside as a dead letter when it never succeeds.
//
//   node examples/jobs.ts send COUNT      puts jobs into the queue
//   node examples/jobs.ts work NAME       does jobs until there was none for a while
//
// Start two workers, send some jobs and end one worker with Ctrl-C or kill -9.
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from './cluster.ts';

type Job = { number: number };

const [what = 'work', word] = process.argv.slice(2);
const visibilityMs = 2_000;
const idleMs = 4_000;

using client = connect();
const jobs = client.queue<Job>('jobs');

const send = async (count: number): Promise<void> => {
  // Under an id of its own, each is one job even if this program is started again.
  for (let number = 1; number <= count; number++) await jobs.send({ number }, { dedup: `job-${number}` });
  console.log(`sent ${count} jobs`);
};

const work = async (name: string): Promise<void> => {
  let lastMs = performance.now();
  await using worker = jobs.consume(
    async ({ number }, { delivery }) => {
      await sleep(100);
      // Every tenth fails at first.
      if (number % 10 === 0 && delivery.deliveries === 1) throw new Error('out of luck');
      console.log(`${name} did job ${number}`);
      lastMs = performance.now();
    },
    { concurrency: 2, visibilityMs, backoffMs: { min: 200 }, onError: (error) => console.log(`${name}: ${error}`) },
  );
  const ended = new Promise<void>((resolve) => process.once('SIGINT', resolve));
  while (performance.now() - lastMs < idleMs) if ((await Promise.race([ended.then(() => 'end'), sleep(100)])) === 'end') break;
  await worker.stop();
  console.log(`${name} ends`);
};

if (what === 'send') await send(Number(word ?? '20'));
else await work(word ?? `worker-${process.pid}`);
