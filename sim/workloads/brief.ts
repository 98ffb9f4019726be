// Keys that live for a while: one that was seen and then was gone does not come back, and its end does not move. When exactly it ends
// is for the log's time to say, which is that of leaders whose clocks may jump.
import type { KeyValue, RegisterResult } from '../../machines/register/types.ts';
import { putOf } from '../../machines/register/words.ts';
import type { Job } from './job.ts';

const ttlsMs = [50, 500, 5_000] as const;

type Life = { expiresAtMs: number | null; seenAtMs: number; overAtMs: number };

export const brief = (): Job => {
  /** By value, each of which is written once. */
  const lives = new Map<string, Life>();
  /** Of each key, the values that were seen and are not known to be over. */
  const current = new Map<string, Set<string>>();
  let wrong: string | null = null;

  const saw = (key: string, value: string, { expiresAtMs }: KeyValue, askedAtMs: number, nowMs: number): void => {
    const life = lives.get(value) ?? { expiresAtMs, seenAtMs: nowMs, overAtMs: Number.POSITIVE_INFINITY };
    lives.set(value, life);
    if (life.overAtMs < askedAtMs)
      wrong ??= `${key}: ${value} was over at ${life.overAtMs} ms and is read again at ${nowMs} ms`;
    if (life.expiresAtMs !== expiresAtMs) wrong ??= `${key}: ${value} ends at ${life.expiresAtMs} and at ${expiresAtMs}`;
    current.set(key, (current.get(key) ?? new Set()).add(value));
  };

  const read = (key: string, result: RegisterResult | null, value: string | null, askedAtMs: number, nowMs: number): void => {
    if (result?.op !== 'get') return;
    // Whatever was seen before this was asked, and is not what it found, is over.
    for (const other of current.get(key) ?? []) {
      const life = lives.get(other)!;
      if (other === value || life.seenAtMs >= askedAtMs) continue;
      life.overAtMs = Math.min(life.overAtMs, nowMs);
      current.get(key)!.delete(other);
    }
    if (value !== null && result.found !== null) saw(key, value, result.found, askedAtMs, nowMs);
  };

  return {
    run(client, done) {
      const key = client.keyOf('brief');
      if (client.chance.happens(0.3))
        return client.write(putOf(key, client.unique, { ttlMs: client.chance.pick(ttlsMs) }), true, () => done());
      const askedAtMs = client.nowMs;
      const consistency = client.chance.happens(0.5) ? 'lease' : 'linearizable';
      client.read({ op: 'get', key }, consistency, (result) => {
        const value = result?.op === 'get' ? client.valueOf(result.found) : null;
        read(key, result, value, askedAtMs, client.nowMs);
        done();
      });
    },
    audit: (_auditor, done) => done(),
    verdict: () => wrong,
  };
};
