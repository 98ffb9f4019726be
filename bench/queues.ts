// Work queues on three members, embedded at the leader: messages of a hundred bytes that are sent, and such as are received one at a time
// and acknowledged, beside puts of a hundred bytes in the same run. A send is one entry of the log, a message that is worked on two.

import { median, type Row, round } from './figures.ts';
import type { Load } from './load.ts';
import type { MemberLoad } from './member.ts';
import { Members } from './members.ts';

type Sample = Load & { kind: MemberLoad; round: number };

/** In this order: what is worked on was sent in the same round. */
const kinds = ['put', 'send', 'work'] as const;
const names = { put: 'put a key', send: 'send', work: 'receive and ack' } as const;

export const measureQueues = async (quick: boolean): Promise<{ rows: Row[]; samples: Sample[] }> => {
  const members = await Members.start(3);
  const [rounds, forMs] = quick ? [1, 2_000] : [3, 3_000];
  const sizes = quick ? [1, 256] : [1, 16, 256];
  const samples: Sample[] = [];
  try {
    for (const kind of kinds) await members.embedded(64, forMs, kind);
    for (let at = 0; at < rounds; at++)
      for (const clients of sizes)
        for (const kind of kinds) samples.push({ ...(await members.embedded(clients, forMs, kind)), kind, round: at });
  } finally {
    await members.stop();
  }
  const rows = sizes.flatMap((clients) =>
    kinds.map((kind): Row => {
      const of = (wanted: MemberLoad): Sample[] => samples.filter((one) => one.kind === wanted && one.clients === clients);
      const mine = of(kind);
      const puts = of('put');
      return {
        ...{ clients, what: names[kind], 'per second': median(mine.map((one) => one.perSecond)) },
        ...{ 'p50 ms': round(median(mine.map((one) => one.p50Ms))), 'p99 ms': round(median(mine.map((one) => one.p99Ms))) },
        '× puts': round(median(mine.map((one, nth) => one.perSecond / puts[nth]!.perSecond))),
        errors: mine.reduce((sum, one) => sum + one.errors, 0),
      };
    }),
  );
  return { rows, samples };
};
