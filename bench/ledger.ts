// `node bench/ledger.ts [cart]`: what one replica pays for an event of a replicated actor: the fold alone, in memory, with what it wants
// written, over 64 actors and 192 events an entry. A counter, or a cart of 40 things.
import { assign, setup } from 'xstate';
import { type ActorDefinition, restartDefault } from '../actors/actor-api.ts';
import { createReplicaCode } from '../actors/actor-replica-code.ts';
import { applyItems, createLedger, takeLedgerWrites } from '../machines/entity/ledger.ts';
import { encodeItems } from '../machines/entity/ledger-items.ts';
import { createResidents } from '../machines/entity/ledger-store.ts';
import type { LedgerItem } from '../machines/entity/ledger-types.ts';
import { pack } from '../machines/wire/envelope.ts';
import { cpuSeconds } from './cpu.ts';
import { quantile } from './figures.ts';

const [actors, eventsPerEntry, eventsPerSample, warmUps, samples] = [64, 192, 192 * 20, 20, 40];
const isCart = process.argv[2] === 'cart';

const things = Array.from({ length: isCart ? 40 : 0 }, (_, n) => ({ id: `thing-${n}`, price: n * 1.25, tags: ['a', 'b'] }));
const logic = setup({
  types: { context: {} as { count: number; things: typeof things }, events: {} as { type: 'add'; by: number } },
}).createMachine({
  context: { count: 0, things },
  initial: 'open',
  states: {
    open: {
      on: {
        add: {
          actions: assign({
            count: ({ context, event }) => context.count + event.by,
            things: ({ context }) => context.things.map((one, n) => (n === context.count % 40 ? { ...one, price: n } : one)),
          }),
        },
      },
    },
  },
});
const definition: ActorDefinition = {
  ...{ name: 'cart', version: 1, logic, durability: 'replicated', placement: 'sharded', input: () => undefined },
  ...{ replies: {}, restart: restartDefault, mailboxMax: 1_000, passivateAfterMs: null, remember: false },
  ...{ timers: 'deadline', resume: {}, migrate: {}, redact: [] },
};

const find = createReplicaCode({ definition: () => definition, formRef: (address) => address, onSent() {}, onLog() {} });
const ledger = createLedger({ find, watch: {}, residents: createResidents() });
const names = Array.from({ length: actors }, (_, n) => `cart/c${n}`);
const event = pack({ type: 'add', by: 1 }).slice();
let [index, count, bytes] = [0, 0, 0];

const apply = (items: readonly LedgerItem[]): void => {
  index++;
  const outcomes = applyItems(ledger, encodeItems(items), { index, timeMs: index, read: () => undefined });
  if (outcomes === null || outcomes.some(({ type }) => type !== 'ok')) throw new Error('an item was refused');
  for (const { value } of takeLedgerWrites(ledger)) bytes += value?.byteLength ?? 0;
};

const nextEvent = (): LedgerItem => {
  const actor = names[++count % actors]!;
  return { kind: 'event', actor, version: 1, isAsked: false, id: `a-peer-of-bench/${count.toString(36)}`, event };
};

const sample = (): number => {
  const before = cpuSeconds();
  for (let left = eventsPerSample; left > 0; left -= eventsPerEntry) apply(Array.from({ length: eventsPerEntry }, nextEvent));
  return ((cpuSeconds() - before) * 1_000_000) / eventsPerSample;
};

apply(names.map((actor) => ({ kind: 'create', actor, version: 1, input: pack(null).slice() })));
for (let n = 0; n < warmUps; n++) sample();
bytes = 0;
const took = Array.from({ length: samples }, sample);
const of = (q: number): string => quantile(took, q).toFixed(1);
const written = Math.round(bytes / (samples * eventsPerSample));
console.log(`${of(0.5)} µs of processor an event (best ${of(0)}, worst ${of(1)}), ${written} bytes written each`);
