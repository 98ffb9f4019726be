// Transfers between accounts that lie in one value, by compare-and-set: whoever reads finds the same total, and nobody in debt.
import type { Client, Found, Value } from './client.ts';
import { type Job, untilTold } from './job.ts';

const accounts = 5;
const startingBalance = 20;
const total = accounts * startingBalance;
const key = 'bank';
const opened = JSON.stringify(Array.from({ length: accounts }, () => startingBalance));

/** What is wrong with these balances, in words, or null. */
export const wrongBalances = (value: Value): string | null => {
  if (value === null) return null;
  const balances = JSON.parse(value) as number[];
  const sum = balances.reduce((all, balance) => all + balance, 0);
  if (sum !== total) return `${value} is ${sum} in all, not ${total}`;
  return balances.some((balance) => balance < 0) ? `${value} has somebody in debt` : null;
};

export const bank = (): Job => {
  let wrong: string | null = null;
  const read = (client: Client, done: (found: Found | null) => void): void =>
    client.get(key, client.chance.happens(0.5) ? 'lease' : 'linearizable', (found) => {
      wrong ??= wrongBalances(found?.value ?? null);
      done(found);
    });
  const transferred = (client: Client, value: string): string => {
    const balances = JSON.parse(value) as number[];
    const [from, to] = client.chance.shuffled(balances.map((_, at) => at));
    const amount = Math.min(balances[from!]!, client.chance.between(1, 10));
    balances[from!]! -= amount;
    balances[to!]! += amount;
    return JSON.stringify(balances);
  };
  return {
    run(client, done) {
      read(client, (found) => {
        if (found === null) return done();
        const next = found.value === null ? opened : transferred(client, found.value);
        client.cas(key, found.value, next, null, client.chance.happens(0.3), () => done());
      });
    },
    audit: (auditor, done) =>
      untilTold<Found>(
        (answer) => read(auditor, answer),
        () => done(),
      ),
    verdict: () => wrong,
  };
};
