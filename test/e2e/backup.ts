// A backup holds everything that was acknowledged before it was asked for, whichever node is asked.
import assert from 'node:assert/strict';
import { createClient } from '../../src/client/index.ts';
import type { Cluster } from './cluster.ts';

const rounds = 60;

export const backupHasWhatWasAcknowledged = async (cluster: Cluster): Promise<void> => {
  const leader = createClient({ urls: [(await cluster.settled()).url] });
  const follower = createClient({ urls: [(await cluster.follower()).url] });
  try {
    for (let round = 0; round < rounds; round++) {
      const { index } = await leader.put('last', String(round));
      const parts: Uint8Array[] = [];
      for await (const part of follower.groups.backup('kv')) parts.push(part);
      const lines = Buffer.concat(parts).toString().trimEnd().split('\n');
      const begin = JSON.parse(lines[0]!) as { index: number };
      assert.ok(begin.index >= index, `round ${round}: the backup is of ${begin.index}, the write of ${index}`);
      assert.equal((JSON.parse(lines.at(-1)!) as { end?: boolean }).end, true);
    }
  } finally {
    leader.close();
    follower.close();
  }
};
