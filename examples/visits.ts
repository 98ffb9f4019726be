// A counter as an actor: it lives at one node, and is sent to, asked and looked at from another. Its events and replies have types, and
// nothing was generated.
//
//   node examples/visits.ts
import { PolityError } from 'polity';
import { Visits } from './actors.ts';
import { startNodes } from './nodes.ts';

const { nodes, stop } = await startNodes(['home', 'away'], [Visits]);
const [home, away] = nodes;
const here = home!.ref(Visits, 'front-page');
const there = away!.ref(Visits, 'front-page', { node: 'home' });

const ended = there.ended();
const looking = (async () => {
  for await (const count of there.values('context.count')) console.log(`away sees ${count}`);
})();
here.send({ type: 'visit', pages: 1 });
for (let visitor = 1; visitor <= 3; visitor++) {
  const count = await there.ask({ type: 'visit', pages: visitor });
  console.log(`visitor ${visitor} makes it ${count}`);
}
// The same id is the same event, however often it is delivered.
for (const _again of [1, 2]) await there.deliver({ type: 'visit', pages: 10 }, { id: 'once' });
try {
  await there.deliver({ type: 'visit', pages: -1 });
} catch (error) {
  if (!(error instanceof PolityError)) throw error;
  console.log(`${error.code}, and it ${error.definite ? 'surely' : 'perhaps'} did not happen`);
}
await there.deliver({ type: 'close' });
const end = await ended;
await looking;
console.log(`it is ${end.reason}: ${end.output} visits`);
await stop();
