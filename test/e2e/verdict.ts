// What must hold after everything that was done to a cluster: every acknowledged write is there, on every node; what was answered
// with a definite error is not; all replicas hold the same; and what clients saw of the registers is linearizable.
import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { judgeHistory, kvModel } from '../../sim/checkers/index.ts';
import { createClient, type Entry } from '../../src/client/index.ts';
import type { Cluster } from './cluster.ts';
import { type LedgerEntry, Workload, type WorkloadOptions } from './workload.ts';

const namedMax = 10;
const judgeMsMax = 60_000;

/** Everything one node holds; `local` asks its own replica alone. */
export const contentOf = async (
  url: string,
  group: string,
  consistency: 'local' | 'linearizable',
): Promise<Map<string, Entry>> => {
  const client = createClient({ urls: [url], timeoutMs: 15_000, group });
  try {
    const found = new Map<string, Entry>();
    for await (const entry of client.list('', { consistency })) found.set(entry.key, entry);
    return found;
  } finally {
    client.close();
  }
};

const some = (keys: readonly string[]): string => `${keys.length}: ${keys.slice(0, namedMax).join(' ')}`;

const assertLedger = (ledger: readonly LedgerEntry[], held: ReadonlyMap<string, Entry>, where: string): void => {
  const lost: string[] = [];
  const risen: string[] = [];
  for (const { key, value, outcome } of ledger) {
    const text = held.get(key)?.text();
    if (outcome.type === 'ok' && text !== value) lost.push(`${key}=${text}`);
    if (outcome.type === 'fail' && text !== undefined) risen.push(`${key} (${outcome.code})`);
  }
  assert.ok(lost.length === 0, `acknowledged, but not on ${where}: ${some(lost)}`);
  assert.ok(risen.length === 0, `answered as surely not happened, but on ${where}: ${some(risen)}`);
  const known = new Set(ledger.map(({ key }) => key));
  const foreign = [...held.keys()].filter((key) => !known.has(key));
  assert.ok(foreign.length === 0, `nobody wrote what is on ${where}: ${some(foreign)}`);
};

const saveHistory = ({ history }: Workload): string => {
  const file = join(mkdtempSync(join(tmpdir(), 'polity-history-')), 'history.jsonl');
  history.save(file);
  return file;
};

const assertLinearizable = (workload: Workload): void => {
  const untilMs = performance.now() + judgeMsMax;
  const verdict = judgeHistory(kvModel, workload.history.events, { expired: () => performance.now() > untilMs });
  if (verdict.type === 'linearizable') return;
  assert.fail(
    `${verdict.type}: ${verdict.explanation}\nThe whole history is in ${saveHistory(workload)} (polity check --model kv)`,
  );
};

/** Stops the work, waits until all running members hold the same, and checks everything; answers what was done, in words. */
export const assertKept = async (cluster: Cluster, workload: Workload): Promise<string> => {
  const { group } = workload;
  await workload.stop();
  workload.assertExplained();
  const leader = await cluster.settled(undefined, group);
  const members = await cluster.members(leader, group);
  await cluster.converged(members, group);
  const authoritative = await contentOf(leader.url, group, 'linearizable');
  const ledger = new Map([...authoritative].filter(([key]) => key.startsWith(workload.ledgerPrefix)));
  assertLedger(workload.ledger, ledger, leader.name);
  const plain = (content: ReadonlyMap<string, Entry>): string[] =>
    [...content.values()].map((entry) => `${entry.key}=${entry.text()} @${entry.index}`);
  for (const node of members.filter((one) => one !== leader))
    assert.deepEqual(
      plain(await contentOf(node.url, group, 'local')),
      plain(authoritative),
      `${node.name} holds what ${leader.name} holds`,
    );
  assertLinearizable(workload);
  const counts = [...workload.errors].map(([code, count]) => `${count} ${code}`).join(', ');
  return `${workload.writesAcknowledged} acknowledged writes, ${workload.history.events.length / 2} register operations; ${counts || 'no errors'}`;
};

/** Lends a cluster under load to `body`, then judges; the clients stop whatever becomes of it. Answers what was done, in words. */
export const underLoad = async (
  cluster: Cluster,
  options: Omit<WorkloadOptions, 'urls'>,
  body: (workload: Workload) => Promise<void>,
): Promise<string> => {
  const workload = new Workload({ urls: cluster.nodes.map((node) => node.url), ...options });
  workload.start();
  try {
    await workload.progress();
    await body(workload);
    await workload.progress();
    return await assertKept(cluster, workload);
  } catch (error) {
    console.error(cluster.tails());
    throw error;
  } finally {
    await workload.stop();
  }
};
