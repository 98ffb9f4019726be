// Ten thousand traffic lights, a hundred streets of a hundred: each is an actor with timers of its own, that tells the next one of its street
// when it turns green, so that a green wave goes through the town. What is printed is every fourth light of every sixth street.
//
//   node examples/lights.ts
import { setTimeout as sleep } from 'node:timers/promises';
import { defineActor, type Ref } from 'polity';
import { setup } from 'xstate';
import { startNodes } from './nodes.ts';

const streets = 100;
const crossings = 100;
const greenMs = 600;
const yellowMs = 200;
/** From one crossing to the next. */
const driveMs = 20;

type Light = { next: Ref | null };

const machine = setup({
  types: { context: {} as Light, events: {} as { type: 'go' }, input: {} as Light },
  actions: { tellNext: ({ context }) => context.next?.send({ type: 'go' }) },
  delays: { greenMs, yellowMs, driveMs },
}).createMachine({
  context: ({ input }) => input,
  initial: 'red',
  states: {
    red: { on: { go: 'green' } },
    green: {
      initial: 'turning',
      states: { turning: { after: { driveMs: { target: 'on', actions: 'tellNext' } } }, on: {} },
      after: { greenMs: 'yellow' },
    },
    yellow: { after: { yellowMs: 'red' } },
  },
});

const TrafficLight = defineActor('light', { logic: machine, input: () => ({ next: null }) });

const { nodes, stop } = await startNodes(['town'], [TrafficLight]);
const town = nodes[0]!;

const startMs = performance.now();
const grid: Ref<typeof TrafficLight>[][] = [];
for (let street = 0; street < streets; street++) {
  const row: Ref<typeof TrafficLight>[] = [];
  // From the end on, for each is given the one after it.
  for (let crossing = crossings - 1; crossing >= 0; crossing--)
    row.unshift(town.spawn(TrafficLight, { key: `${street}-${crossing}`, input: { next: row[0] ?? null } }));
  grid.push(row);
  // Others have their turn meanwhile.
  await sleep(0);
}
const last = grid[streets - 1]![0]!;
await last.snapshot();
console.log(`${streets * crossings} lights are on after ${Math.round(performance.now() - startMs)} ms`);

const colours = { red: ['\u001b[31m', 'r'], yellow: ['\u001b[33m', 'y'], green: ['\u001b[32m', 'G'] } as const;
const drawn = (light: Ref<typeof TrafficLight>): string => {
  const { value } = light.getSnapshot() as unknown as { value: keyof typeof colours | { green: string } };
  const [paint, letter] = colours[typeof value === 'string' ? value : 'green'];
  return process.stdout.isTTY ? `${paint}●\u001b[0m` : letter;
};
const draw = (): string =>
  grid
    .filter((_row, street) => street % 6 === 0)
    .map((row) =>
      row
        .filter((_light, crossing) => crossing % 4 === 0)
        .map(drawn)
        .join(''),
    )
    .join('\n');

let turned = 0;
const subscription = grid[0]!.map((light) => light.subscribe('value', () => void turned++));
for (const [street, row] of grid.entries()) setTimeout(() => row[0]!.send({ type: 'go' }), street * 10);
for (let frame = 1; frame <= 4; frame++) {
  await sleep(600);
  console.log(`\nafter ${frame * 600} ms\n${draw()}`);
}
for (const { unsubscribe } of subscription) unsubscribe();
console.log(`\nthe first street told of ${turned} turns`);
await stop();
