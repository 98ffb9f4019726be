// What a developer hands to the simulator and what he gets back: his application as a few functions, the world that they are given, and
// the result of one seed.
import type { ActorDefinition } from '../../actors/actor-api.ts';
import type { NodeStatus } from '../../actors/api.ts';
import type { NodeSettings } from '../../actors/settings.ts';
import type { RaftOptions } from '../../machines/raft/types.ts';
import type { HistoryEvent } from '../checkers/index.ts';
import type { Knobs } from '../knobs.ts';
import type { Fault, FaultDone } from '../nemesis/index.ts';
import type { Verdict } from '../phases.ts';
import type { Listen } from '../record.ts';
import type { SimulatedClient } from './client.ts';
import type { Signal } from './signal.ts';

/** What a program of the application is given instead of the real world. */
export type Context = {
  /** 1, 2, … for those who run the workload; 0 for `prepare` and `check`. */
  readonly id: number;
  readonly name: string;
  /** The cluster, in the words of `polity/client`. */
  readonly client: SimulatedClient;
  /** Milliseconds since 1970 by this world's clock, which begins in 2030. */
  now(): number;
  sleep(delayMs: number): Promise<void>;
  /** A fraction in [0, 1). */
  random(): number;
  /** A line for the trace and for whoever reads a failure. */
  note(text: string): void;
  /** The time under fire is over: a workload that repeats itself ends now. */
  isOver(): boolean;
  /** Aborted at that moment, for whatever waits: a watch, a lock. */
  readonly signal: Signal;
};

/** What an outside eye sees of the cluster at one instant. */
export type View = {
  nowMs: number;
  /** Null while a node is down or starts. */
  nodes: () => readonly { name: string; status: NodeStatus | null }[];
};

/** One seed's application. Whatever it throws breaks the seed: an AssertionError, or anything in `always` and `check`, as incorrect. */
export type Application = {
  /**
   * What `defineActor` gives: hosted by every process of every node. Their code may await only what this world gives (`context.sleep`, a call
   * of a client); what it has begun goes on after the death of its process and is heard by nobody.
   */
  actors?: readonly ActorDefinition[];
  /** Once, before anything goes wrong. */
  prepare?(context: Context): Promise<void>;
  /** Once for each client, side by side, while the faults go on. */
  workload(context: Context): Promise<void>;
  /** After every event of the world: throws if something is wrong that may never be. */
  always?(view: View): void;
  /** Once, when all is mended and every workload has ended. */
  check?(context: Context): Promise<void> | void;
};

/** What a developer sets of his nodes; names, addresses and cluster are the simulator's. */
export type SimulatedSettings = Partial<
  Pick<NodeSettings, 'groups' | 'snapshotEntries' | 'snapshotBytes' | 'watchEventsMax'> & { raft: Partial<RaftOptions> }
>;

export type RunOptions = {
  /** Drawn when absent: 1, 3 or 5. */
  nodes?: number;
  /** How many programs run the workload; default 3. */
  clients?: number;
  /** Virtual milliseconds under fire, at most: it ends when the workload has. Default 20 000. */
  timeMs?: number;
  /** A named mixture of faults (`polity sim --list`); without one, and without `faults`, the seed draws its own. */
  scenario?: string;
  /** Which faults may happen; [] for none. */
  faults?: readonly Fault[];
  /** Numbers of faults that are left out; all others are what they were. */
  without?: readonly number[];
  settings?: SimulatedSettings;
  /** False: what the clients saw is not judged for linearizability. Default true. */
  linearizable?: boolean;
  /** Lines of the trace to keep. */
  linesMax?: number;
  /** Hears all that happens; it changes nothing. */
  listen?: Listen;
};

export type SeedResult = {
  seed: number;
  verdict: Verdict | 'unrepeatable';
  /** What broke, in words; empty if all held. */
  reason: string;
  /** What makes a failure as small as this, beside the options that were given (`shrink`). */
  smaller: Pick<RunOptions, 'clients' | 'nodes' | 'timeMs' | 'without'>;
  /** Of everything that happened: the same seed, the same hash. */
  hash: string;
  steps: number;
  virtualMs: number;
  /** Calls of the application's clients that were judged. */
  calls: number;
  /** How often each fault was done. */
  done: Record<string, number>;
  /** What was really done, in order of time. */
  faults: readonly FaultDone[];
  knobs: Knobs;
  history: readonly HistoryEvent[];
  /** The last things that the programs did and were told, a line each. */
  story: readonly string[];
  /** The failure as one HTML file that loads nothing, if the options ask for it (`report`). */
  report: string | null;
  lines: readonly string[];
};
