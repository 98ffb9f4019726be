// Counters, incremented by compare-and-set: in the end they show what was acknowledged, and of the unknown ones some.
import type { Client } from './client.ts';
import { countIsWrong, inTurn, type Job, untilTold } from './job.ts';

type Counter = { acknowledged: number; unknown: number; found: number };

export const counter = (): Job => {
  const counters = new Map<string, Counter>();
  const counterAt = (key: string): Counter => {
    const known = counters.get(key) ?? { acknowledged: 0, unknown: 0, found: 0 };
    counters.set(key, known);
    return known;
  };
  const increment = (client: Client, key: string, value: string | null, done: () => void): void => {
    const count = counterAt(key);
    client.cas(key, value, String(Number(value ?? 0) + 1), null, client.chance.happens(0.5), ({ type }) => {
      if (type === 'ok') count.acknowledged++;
      if (type === 'info') count.unknown++;
      done();
    });
  };
  return {
    run(client, done) {
      const key = client.keyOf('counter');
      client.get(key, 'lease', (found) => (found === null ? done() : increment(client, key, found.value, done)));
    },
    audit(auditor, done) {
      const each = (key: string, next: () => void): void =>
        untilTold<{ value: string | null }>(
          (answer) => auditor.get(key, 'linearizable', answer),
          ({ value }) => {
            counterAt(key).found = Number(value ?? 0);
            next();
          },
        );
      inTurn([...counters.keys()], each, done);
    },
    verdict() {
      for (const [key, { found, acknowledged, unknown }] of counters) {
        const wrong = countIsWrong(`increments of ${key}`, found, acknowledged, unknown);
        if (wrong !== null) return wrong;
      }
      return null;
    },
  };
};
