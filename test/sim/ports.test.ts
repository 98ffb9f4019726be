// The simulator's ports keep the promises of the real ones: the same suites, on virtual time.
import { Disk } from '../../sim/disk.ts';
import { Sources } from '../../sim/lookup.ts';
import { calmNetwork, Network } from '../../sim/network.ts';
import { Process } from '../../sim/process.ts';
import { calmSource, healthySource } from '../../sim/source.ts';
import { Trace } from '../../sim/trace.ts';
import { World } from '../../sim/world.ts';
import { type LookupWorld, lookupSuite, sourceNames } from '../ports/lookup-suite.ts';
import { type NetworkWorld, networkSuite } from '../ports/network-suite.ts';
import { storageSuite } from '../ports/storage-suite.ts';

const stepsAtOnce = 500;
const patienceMs = 600_000;

/** A world that goes on while a test waits for it. */
const runningWorld = () => {
  const world = new World(1, new Trace());
  let isOver = false;
  const pump = (): void => {
    if (isOver) return;
    for (let step = 0; step < stepsAtOnce && world.step(); step++);
    setImmediate(pump);
  };
  setImmediate(pump);
  const end = (): void => {
    isOver = true;
  };
  return { world, end };
};

let processes = 0;
const processIn = (world: World): Process =>
  new Process(world, {
    label: `p${++processes}`,
    turnMs: [0.001, 0.01],
    onCrash(error) {
      throw error;
    },
  });

const untilIn =
  (world: World) =>
  async (condition: () => boolean, what: string): Promise<void> => {
    const untilMs = world.nowMs + patienceMs;
    while (!condition()) {
      if (world.nowMs > untilMs) throw new Error(`${what}: not within ${patienceMs} virtual ms`);
      // A world in which nothing will happen stands still.
      world.after(1, () => {});
      await new Promise((resolve) => setImmediate(resolve));
    }
  };

networkSuite('network port of the simulator', async (): Promise<NetworkWorld> => {
  const { world, end } = runningWorld();
  const network = new Network(world, calmNetwork);
  return {
    create: async (name) => network.create(name, `peer-${name}`, processIn(world)),
    until: untilIn(world),
    close: async () => end(),
  };
});

lookupSuite('lookup port of the simulator', async (): Promise<LookupWorld> => {
  const { world, end } = runningWorld();
  const sources = new Sources(
    world,
    sourceNames.map((name) => ({ ...calmSource, name, isFollowed: name === 'followed' })),
  );
  return {
    create: (self) => sources.create(self, self, processIn(world)),
    set: (name, findings) => sources.get(name).set(findings),
    mood(name, mood) {
      const ills = { answers: {}, fails: { fails: 1 }, hangs: { hangs: 1 } }[mood];
      sources.get(name).ills = { ...healthySource, ...ills };
    },
    until: untilIn(world),
    close: async () => end(),
  };
});

storageSuite('storage port of the simulator', () => {
  const { world, end } = runningWorld();
  const disks = new Map<string, Disk>();
  return {
    async open(place) {
      const disk = disks.get(place) ?? new Disk(world, place, { syncMs: [0.1, 2] });
      disks.set(place, disk);
      return disk.open(processIn(world));
    },
    close: async () => end(),
  };
});
