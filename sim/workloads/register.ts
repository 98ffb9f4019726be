// Reads, writes, deletes and compare-and-sets of a few keys; the judge of linearizability says whether they can be true.
import type { Client, Ending, Value } from './client.ts';
import type { Job } from './job.ts';

export const register = (): Job => {
  /** What each client last saw in each key. */
  const seen = new Map<string, string>();

  const read = (client: Client, key: string, done: () => void): void => {
    const consistency = client.chance.happens(0.3) ? 'lease' : 'linearizable';
    client.get(key, consistency, (found) => {
      if (typeof found?.value === 'string') seen.set(`${client.number} ${key}`, found.value);
      done();
    });
  };

  return {
    run(client, done) {
      const { chance } = client;
      const key = client.keyOf('k');
      const name = `${client.number} ${key}`;
      const draw = chance.between(0, 100);
      if (draw < 40) return read(client, key, done);
      const insists = chance.happens(0.3);
      const end = (_: Ending): void => {
        seen.delete(name);
        done();
      };
      if (draw < 70) return client.put(key, client.unique, { insists }, end);
      if (draw < 75) return client.put(key, null, { insists }, end);
      const old: Value = draw < 82 ? null : (seen.get(name) ?? null);
      client.cas(key, old, client.unique, null, insists, end);
    },
    audit: (_auditor, done) => done(),
    verdict: () => null,
  };
};
