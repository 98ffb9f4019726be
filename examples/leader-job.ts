// A job that exactly one of many programs does: whoever holds the lock leads, the others wait. When the leader dies, its lease runs
// out and another goes on. A leader that was only slow cannot do harm afterwards: each of its writes names the lock's fencing token,
// and the cluster refuses a token that is not the current one.
//
//   node examples/leader-job.ts NAME [STEPS]
//
// Start it in two terminals under two names and end the one that leads, with Ctrl-C or with kill -9.
import { setTimeout as sleep } from 'node:timers/promises';
import { type Lock, PolityError } from 'polity/client';
import { connect } from './cluster.ts';

const [name = `worker-${process.pid}`, steps = '10'] = process.argv.slice(2);
const ttlMs = 2_000;
const stepMs = 200;

using client = connect();
const end = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => end.abort());

/** Goes on where the last leader stopped; returns when all is done or the lock is lost. */
const lead = async (lock: Lock): Promise<void> => {
  console.log(`${name} leads under ${lock.token.term}.${lock.token.index}`);
  while (!lock.signal.aborted && !end.signal.aborted) {
    const before = await client.get('job/done');
    const done = before === null ? 0 : Number(before.text());
    if (done >= Number(steps)) return;
    await client.put('job/done', String(done + 1), { fence: lock.fence });
    console.log(`${name} did step ${done + 1}`);
    await sleep(stepMs, null, { signal: end.signal }).catch(() => {});
  }
};

const isDone = async (): Promise<boolean> => Number((await client.get('job/done'))?.text() ?? 0) >= Number(steps);

while (!end.signal.aborted && !(await isDone())) {
  try {
    await using lock = await client.lock('job', { owner: name, ttlMs, waitMs: 1_000, signal: end.signal });
    await lead(lock);
  } catch (error) {
    if (end.signal.aborted) break;
    // Somebody else leads, or leads since: that is no failure, but a reason to wait for the lock again.
    const isOthers = error instanceof PolityError && (error.code === 'LOCK_HELD' || error.code === 'FENCED');
    if (!isOthers) throw error;
  }
}
console.log(`${name} ends`);
