// One library on one workload, in a process of its own so that nothing of the others is in its memory or its compiled code. Prints JSON:
// `node --expose-gc bench/replica-peer.ts edit LIBRARY WORKLOAD EDITS SEED FILE` does the edits and keeps the state in FILE, `load` reads it.
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { automerge } from './replica-automerge.ts';
import { agreedPart, type Read, replicas, type Step, type WorkloadName, workloadOf } from './replica-edits.ts';
import type { Library, Replicated } from './replica-library.ts';
import { polity } from './replica-polity.ts';
import { yjs } from './replica-yjs.ts';

const libraries = { polity, yjs, automerge } satisfies Record<string, Library>;

export type LibraryName = keyof typeof libraries;

export type Edited = {
  edits: number;
  /** Microseconds an edit: where it is made, updates for others included; and at each other replica. */
  editUs: number;
  hearUs: number;
  /** Of updates, an edit. */
  updateBytes: number;
  stateBytes: number;
  encodeMs: number;
  /** What it takes two replicas to agree that have both made a round of edits which the other has not heard. */
  syncBytes: number;
  syncMs: number;
  /** Of what all libraries must agree on. */
  digest: string;
};

export type Loaded = { loadMs: number; memoryBytes: number };

const repeatMs = 200;

/** Processor time of this thread: what else the machine does disturbs it least. */
const timed = <Value>(run: () => Value): [value: Value, tookMs: number] => {
  const before = process.threadCpuUsage();
  const value = run();
  const { user, system } = process.threadCpuUsage(before);
  return [value, (user + system) / 1_000];
};

/** Of what takes little: so often that the grain of the clock does not matter. */
const eachMs = (run: () => void): number => {
  let runs = 0;
  const untilMs = performance.now() + repeatMs;
  const [, tookMs] = timed(() => {
    for (; runs < 3 || performance.now() < untilMs; runs++) run();
  });
  return tookMs / runs;
};

const isSame = (replicas: readonly Replicated[]): boolean =>
  new Set(replicas.map((replica) => JSON.stringify(replica.read()))).size === 1;

const digestOf = (read: Read): string =>
  createHash('sha256')
    .update(JSON.stringify(agreedPart(read)))
    .digest('hex');

class Editing {
  readonly all: readonly Replicated[];
  editMs = 0;
  hearMs = 0;
  updateBytes = 0;

  constructor(all: readonly Replicated[]) {
    this.all = all;
  }

  edit(round: readonly (readonly Step[])[]): Uint8Array[][] {
    return this.all.map((replica, at) => {
      const [told, tookMs] = timed(() => (round[at] ?? []).flatMap((step) => replica.edit(step)));
      this.editMs += tookMs;
      this.updateBytes += told.reduce((sum, update) => sum + update.byteLength, 0);
      return told;
    });
  }

  /** Everybody hears everybody else. */
  hear(told: readonly (readonly Uint8Array[])[]): void {
    for (const [at, replica] of this.all.entries())
      this.hearMs += timed(() => replica.hear(told.flatMap((updates, other) => (other === at ? [] : updates))))[1];
  }
}

const edit = (library: LibraryName, name: WorkloadName, edits: number, seed: number, file: string): Edited => {
  const workload = workloadOf(name, edits, seed);
  const editing = new Editing(Array.from({ length: replicas }, (_, at) => libraries[library].open(at, workload.counters)));
  editing.hear(editing.edit([[workload.first]]));
  Object.assign(editing, { editMs: 0, hearMs: 0, updateBytes: 0 });
  const last = workload.rounds.at(-1)!;
  for (const round of workload.rounds.slice(0, -1)) editing.hear(editing.edit(round));
  editing.edit(last);
  const [one, second, third] = editing.all as [Replicated, Replicated, Replicated];
  const { sync } = libraries[library];
  const startMs = performance.now();
  const syncBytes = sync(one, second);
  const syncMs = performance.now() - startMs;
  for (const [from, to] of [
    [second, third],
    [third, one],
    [one, second],
  ] as const)
    if (!isSame([from, to])) sync(from, to);
  if (!isSame(editing.all)) throw new Error(`${library}: replicas that have heard the same are not the same`);
  const encodeMs = eachMs(() => one.state());
  const state = one.state();
  writeFileSync(file, state);
  const heard = (workload.edits - last.flat(2).length) * (replicas - 1);
  return {
    ...{ edits: workload.edits, editUs: (editing.editMs * 1_000) / workload.edits, hearUs: (editing.hearMs * 1_000) / heard },
    ...{ updateBytes: editing.updateBytes / workload.edits, stateBytes: state.byteLength, encodeMs },
    ...{ syncBytes, syncMs, digest: digestOf(one.read()) },
  };
};

const memoryBytes = (): number => {
  for (let pass = 0; pass < 3; pass++) globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};

const load = (library: LibraryName, file: string): Loaded => {
  const state = new Uint8Array(readFileSync(file));
  // An empty one first: what the library itself takes is no part of what a document takes.
  libraries[library].open(0, []).close();
  const before = memoryBytes();
  const kept = libraries[library].load(state);
  const after = memoryBytes();
  const loadMs = eachMs(() => libraries[library].load(state).close());
  kept.close();
  return { loadMs, memoryBytes: after - before };
};

const [what, library, name, edits, seed, file] = process.argv.slice(2) as [string, LibraryName, WorkloadName, ...string[]];
const answer = what === 'load' ? load(library, file!) : edit(library, name, Number(edits), Number(seed), file!);
process.stdout.write(JSON.stringify(answer));
