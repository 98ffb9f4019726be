// Prices that are published and booked: a subscription with a name that goes on where it was, whoever handles it.
//
//   node examples/prices.ts publish SYMBOL CENTS
//   node examples/prices.ts book [COUNT]
//
// Start `book` in two terminals: one books, the other stands by. Kill the first: the second goes on, and no price is passed over.
import { connect } from './cluster.ts';

type Price = { symbol: string; cents: number };

const [what = 'book', ...words] = process.argv.slice(2);
using client = connect();
const prices = client.topic('prices');

if (what === 'publish') {
  const [symbol = 'ACME', cents = '100'] = words;
  const price: Price = { symbol, cents: Number(cents) };
  const { sequence } = await prices.publish(price);
  console.log(`published ${symbol} at ${cents} as message ${sequence}`);
} else {
  let left = Number(words[0] ?? Number.POSITIVE_INFINITY);
  const booking = prices.subscribe(
    ({ value, sequence }) => {
      const { symbol, cents } = value as Price;
      // The number is the same each time that a message comes: a real book keeps it and books each once.
      console.log(`booked ${sequence}: ${symbol} at ${cents}`);
      left--;
      if (left === 0) void booking.stop();
    },
    {
      subscription: 'book',
      from: 'oldest',
      onActive: (isActive) => console.log(isActive ? 'booking' : 'standing by'),
    },
  );
  await booking.ended;
}
