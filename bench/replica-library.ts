// The seam under which libraries of replicated data are compared.
import type { Read, Step } from './replica-edits.ts';

export interface Replicated {
  /** Does it here; answers what others must be told, one update or several. */
  edit(step: Step): Uint8Array[];
  hear(updates: readonly Uint8Array[]): void;
  /** Everything, as it would be stored. */
  state(): Uint8Array;
  read(): Read;
  close(): void;
}

export interface Library {
  /** Two that know nothing of what the other did lately tell each other; answers the bytes of all messages. */
  sync(one: Replicated, other: Replicated): number;
  /** `counters`: those that there will be. */
  open(replica: number, counters: readonly string[]): Replicated;
  load(state: Uint8Array): Replicated;
}
