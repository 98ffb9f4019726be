// One seed of a mesh: it draws how many nodes there are, what the network is like and what happens to them for some minutes; judges
// watch for whoever is wronged; in the end everything is mended, and all must agree on who is there. A seed is a bug report.
import { type Change, type MembershipOptions, membershipDefaults } from '../../machines/membership/index.ts';
import type { Verdict } from '../phases.ts';
import { Trace } from '../trace.ts';
import { type Chance, World } from '../world.ts';
import { Figures, type Spread } from './figures.ts';
import { excusedMs, Fire, type MeshFault } from './fire.ts';
import { Mesh } from './mesh.ts';

/** What a seed draws. */
export type MeshKnobs = {
  nodes: number;
  lossRatio: number;
  /** One way. */
  latencyMs: readonly [number, number];
  beatMs: number;
  bulkMs: number;
  /** Between two strikes, on average. */
  strikeMs: number;
  acquainted: boolean;
};

/** For `--trace`: what happened to whom. */
export type MeshEvent =
  | { type: 'fault'; atMs: number; number: number; fault: string; node: string }
  | { type: 'received'; atMs: number; node: string; message: string }
  | { type: 'changed'; atMs: number; node: string; about: string; before: string | null; after: string | null; why: string };

export type MeshRunOptions = {
  /** Drawn when absent. */
  nodes?: number;
  /** Of those that are drawn. */
  nodesMax?: number;
  /** Virtual milliseconds under fire. */
  timeMs?: number;
  /** Numbers of faults that are left out; all others are what they were. */
  without?: readonly number[];
  linesMax?: number;
  /** For tests and first looks: members that give up on others far too soon. */
  planted?: 'hasty';
  /** Hears all that happens; it changes nothing. */
  listen?: (event: MeshEvent) => void;
};

export type MeshResult = {
  seed: number;
  verdict: Verdict;
  /** What went wrong, in words; empty if all held. */
  reason: string;
  hash: string;
  steps: number;
  virtualMs: number;
  knobs: MeshKnobs;
  faults: readonly MeshFault[];
  /** How often each fault was done. */
  done: Record<string, number>;
  crashes: number;
  /** From a crash until the first member, and until every member, knew of it; partitions and pauses count in full. */
  noticedMs: Spread;
  knownMs: Spread;
  suspicions: number;
  /** Times that somebody was held for failed who was up, with an excuse: cut off, or stopped for long. */
  excused: number;
  /** From when everything was mended until all agreed; null if they did not. */
  agreedMs: number | null;
  messagesPerNodeSecond: number;
  bytesPerNodeSecond: number;
  lines: readonly string[];
};

export const meshTimeMsDefault = 120_000;
const nodesMaxDefault = 24;
/** How long all may take to agree when everything is mended. */
const calmMs = 60_000;
/** So many more begin as old acquaintances: that thousands of introductions work is shown elsewhere, and they take most of the time. */
const strangersMax = 100;
/** The costly invariants of so many nodes are checked after each of their steps. */
const checkedMax = 32;

const hasty: MembershipOptions = {
  ...{ ...membershipDefaults, probeMs: 300, probeTimeoutMs: 150, heardMs: 0, suspicionFloorMs: 50, suspicionMaxFactor: 1 },
};

const draw = (chance: Chance, { nodes: wanted, nodesMax = nodesMaxDefault }: MeshRunOptions): MeshKnobs => {
  const drawn = chance.between(2, nodesMax + 1);
  const nodes = wanted ?? drawn;
  return {
    nodes,
    lossRatio: chance.pick([0, 0.01, 0.05, 0.1]),
    latencyMs: chance.pick([[0.5, 3] as const, [1, 30] as const, [20, 80] as const]),
    beatMs: chance.pick([0, 100, 1_000]) * (nodes > strangersMax ? 0 : 1),
    bulkMs: chance.pick([0, 0, 500, 3_000]),
    strikeMs: Math.max(chance.pick([300, 1_500, 5_000]), nodes > strangersMax ? 1_500 : 0),
    acquainted: chance.happens(0.5) || nodes > strangersMax,
  };
};

const listenTo = (mesh: Mesh, fire: Fire, listen: NonNullable<MeshRunOptions['listen']>): void => {
  mesh.trace.tap = (atMs, node, what) => {
    const fault = fire.done.at(-1);
    if (!what.startsWith('fault ')) return listen({ type: 'received', atMs, node, message: what });
    if (fault !== undefined) listen({ type: 'fault', ...fault });
  };
};

const changedEvent = (mesh: Mesh, node: string, { peer, before, after, why }: Change): MeshEvent => ({
  ...{ type: 'changed', atMs: mesh.nowMs, node, about: mesh.nodeOf(peer).name, before, after, why },
});

const verdictOf = (fire: Fire, late: string | null): [Verdict, string] => {
  if (fire.violation !== null) return ['correctness', fire.violation];
  return late === null ? ['held', ''] : ['liveness', late];
};

/** Fire, then calm; says how long it took to agree and why it took too long. */
const live = (
  mesh: Mesh,
  fire: Fire,
  { strikeMs }: MeshKnobs,
  timeMs: number,
): { agreedMs: number | null; late: string | null } => {
  const moments = mesh.world.chance('moments');
  while (mesh.nowMs < timeMs && fire.violation === null) {
    mesh.pass(Math.min(moments.between(1, 2 * strikeMs), Math.max(1, timeMs - mesh.nowMs)));
    if (mesh.nowMs < timeMs) fire.strike();
  }
  if (fire.violation !== null) return { agreedMs: null, late: null };
  fire.mend();
  const isOver = (): boolean => fire.violation !== null || mesh.hasConverged();
  const agreedMs = mesh.passUntil(isOver, calmMs);
  if (agreedMs === null) return { agreedMs, late: `no agreement: ${mesh.whyNotConverged()}` };
  // And it stays so, but for suspicions that a lossy network raises and that are refuted.
  mesh.pass(excusedMs);
  const again = mesh.passUntil(isOver, excusedMs);
  return { agreedMs, late: again === null ? `no lasting agreement: ${mesh.whyNotConverged()}` : null };
};

export const runMeshSeed = (seed: number, options: MeshRunOptions = {}): MeshResult => {
  const { timeMs = meshTimeMsDefault, without = [], linesMax = 0, listen } = options;
  const knobs = draw(new World(seed, new Trace()).chance('draw'), options);
  const { nodes, lossRatio, latencyMs, beatMs, bulkMs, acquainted } = knobs;
  const network = { lossRatio, latencyMs, beatMs, bulkMs };
  const membership = options.planted === 'hasty' ? hasty : membershipDefaults;
  const mesh = new Mesh({ seed, nodes, ...network, membership, checkAll: true, checkedMax, linesMax });
  const figures = new Figures(mesh);
  const fire = new Fire(mesh, figures, without);
  mesh.listen = (node, change) => {
    figures.changed(change);
    listen?.(changedEvent(mesh, node.name, change));
  };
  if (listen !== undefined) listenTo(mesh, fire, listen);
  let [verdict, reason]: [Verdict, string] = ['held', ''];
  let agreedMs: number | null = null;
  try {
    fire.begin(acquainted);
    const lived = live(mesh, fire, knobs, timeMs);
    agreedMs = lived.agreedMs;
    [verdict, reason] = verdictOf(fire, lived.late);
  } catch (error) {
    [verdict, reason] = ['crash', error instanceof Error ? `${error.name}: ${error.message}` : String(error)];
  }
  const done: Record<string, number> = {};
  for (const { fault } of fire.done) done[fault] = (done[fault] ?? 0) + 1;
  const { messages, bytes } = mesh.takeCost();
  const nodeSeconds = Math.max(1, (nodes * mesh.nowMs) / 1_000);
  return {
    ...{ seed, verdict, reason, hash: mesh.trace.hash, steps: mesh.world.steps, virtualMs: Math.round(mesh.nowMs), knobs },
    ...{ faults: fire.done, done, crashes: figures.crashes, noticedMs: figures.noticedMs, knownMs: figures.knownMs },
    ...{ suspicions: figures.suspicions, excused: mesh.falsePositives.length, agreedMs },
    messagesPerNodeSecond: Math.round((10 * messages) / nodeSeconds) / 10,
    bytesPerNodeSecond: Math.round(bytes / nodeSeconds),
    lines: mesh.trace.lines,
  };
};
