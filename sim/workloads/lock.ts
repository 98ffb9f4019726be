// Locks with fencing tokens: who holds one reads a number and writes the next, guarded by nothing but his token, dawdles, loses his
// lease, forgets to let go. If two ever got through at once an increment would be lost (Kleppmann 2016 on why tokens are needed).
import type { FencingToken } from '../../machines/register/types.ts';
import type { Client, Found } from './client.ts';
import { countIsWrong, inTurn, type Job, untilTold } from './job.ts';

const leaseMs = [300, 2_000, 10_000] as const;

type Guarded = { written: Map<string, number>; unknown: number; found: number };

const isAfter = (a: FencingToken, b: FencingToken): boolean => a.term > b.term || (a.term === b.term && a.index > b.index);
const shown = ({ term, index }: FencingToken): string => `(${term}, ${index})`;

export const lock = (): Job => {
  const guarded = new Map<string, Guarded>();
  /** The greatest token that somebody was told of, by lock. */
  const tokens = new Map<string, FencingToken>();
  let wrong: string | null = null;

  const guardedAt = (key: string): Guarded => {
    const known = guarded.get(key) ?? { written: new Map<string, number>(), unknown: 0, found: 0 };
    guarded.set(key, known);
    return known;
  };

  const acquire = (client: Client, name: string, lease: string, done: (token: FencingToken | null) => void): void => {
    const before = tokens.get(name);
    const owner = `client ${client.number}`;
    client.write({ op: 'lock-acquire', lock: name, lease, owner }, client.chance.happens(0.5), (ending) => {
      if (ending.type !== 'ok' || ending.result.op !== 'lock-acquire') return done(null);
      const { token } = ending.result;
      if (before !== undefined && !isAfter(token, before))
        wrong ??= `${name}: token ${shown(token)} was given out after ${shown(before)} was known`;
      const greatest = tokens.get(name);
      if (greatest === undefined || isAfter(token, greatest)) tokens.set(name, token);
      done(token);
    });
  };

  /** Reads the number and writes the next one, under the token alone. */
  const increment = (client: Client, key: string, name: string, token: FencingToken, done: () => void): void =>
    client.get(key, 'linearizable', (found) => {
      if (found === null) return done();
      const next = Number(found.value ?? 0) + 1;
      const dawdleMs = client.chance.happens(0.3) ? client.chance.between(0, 3_000) : 0;
      const words = { fence: { lock: name, token }, insists: client.chance.happens(0.5) };
      client.after(dawdleMs, () =>
        client.put(key, String(next), words, ({ type }) => {
          const { written } = guardedAt(key);
          if (type === 'info') guardedAt(key).unknown++;
          if (type === 'ok') {
            if (written.has(String(next))) wrong ??= `${key}: two holders of ${name} were told that they wrote ${next}`;
            written.set(String(next), client.number);
          }
          done();
        }),
      );
    });

  return {
    run(client, done) {
      const name = client.keyOf('lock');
      const key = name.replace('lock', 'guarded');
      const lease = `lease-${client.number}-${client.calls}`;
      const forgets = client.chance.happens(0.3);
      const ttlMs = client.chance.pick(leaseMs);
      client.write({ op: 'lease-grant', lease, ttlMs }, true, ({ type }) => {
        if (type !== 'ok') return done();
        acquire(client, name, lease, (token) => {
          if (token === null) return done();
          increment(client, key, name, token, () => {
            if (forgets) return done();
            client.write({ op: 'lock-release', lock: name, token }, true, () => done());
          });
        });
      });
    },
    audit(auditor, done) {
      const each = (key: string, next: () => void): void =>
        untilTold<Found>(
          (answer) => auditor.get(key, 'linearizable', answer),
          ({ value }) => {
            guardedAt(key).found = Number(value ?? 0);
            next();
          },
        );
      inTurn([...guarded.keys()], each, done);
    },
    verdict() {
      for (const [key, { found, written, unknown }] of guarded)
        wrong ??= countIsWrong(`guarded increments of ${key}`, found, written.size, unknown);
      return wrong;
    },
  };
};
