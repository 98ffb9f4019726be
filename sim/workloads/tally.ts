// Writes that always insist, each under an idempotency key of its own: the version of a key counts them, so that one which had two
// effects, however often it was sent, is found (one effect, row C7).
import type { Found } from './client.ts';
import { countIsWrong, inTurn, type Job, untilTold } from './job.ts';

type Tally = { acknowledged: number; unknown: number; version: number };

export const tally = (): Job => {
  const tallies = new Map<string, Tally>();
  /** Where each acknowledged write is in the log. */
  const indices = new Map<number, string>();
  let twice: string | null = null;
  const tallyAt = (key: string): Tally => {
    const known = tallies.get(key) ?? { acknowledged: 0, unknown: 0, version: 0 };
    tallies.set(key, known);
    return known;
  };
  return {
    run(client, done) {
      const key = client.keyOf('tally');
      const value = client.unique;
      const count = tallyAt(key);
      client.put(key, value, { insists: true }, (ending) => {
        if (ending.type === 'info') count.unknown++;
        if (ending.type === 'ok') {
          count.acknowledged++;
          const { index } = ending.result;
          if (indices.has(index)) twice ??= `${indices.get(index)} and ${value} were both told that they are at index ${index}`;
          indices.set(index, value);
        }
        done();
      });
    },
    audit(auditor, done) {
      const each = (key: string, next: () => void): void =>
        untilTold<Found>(
          (answer) => auditor.get(key, 'linearizable', answer),
          ({ record }) => {
            tallyAt(key).version = record?.version ?? 0;
            next();
          },
        );
      inTurn([...tallies.keys()], each, done);
    },
    verdict() {
      for (const [key, { version, acknowledged, unknown }] of tallies)
        twice ??= countIsWrong(`writes of ${key} under idempotency keys`, version, acknowledged, unknown);
      return twice;
    },
  };
};
