// Automerge as its documentation advises.
import * as Automerge from '@automerge/automerge';
import { byKey, type Edit, type Read, type Step } from './replica-edits.ts';
import type { Library, Replicated } from './replica-library.ts';

type Content = {
  text: string;
  map: Record<string, string>;
  set: Record<string, number>;
  counters: Record<string, Automerge.Counter>;
};

/** Everybody begins with the same document, counters included: two that are made at the same time would be two. */
const blank = (counters: readonly string[]): Uint8Array => {
  const none: Content = {
    ...{ text: '', map: {}, set: {} },
    counters: Object.fromEntries(counters.map((key) => [key, new Automerge.Counter()])),
  };
  // Of one author and time, so that it is the same document wherever it is made.
  const actor = '0'.repeat(32);
  const made = Automerge.change(Automerge.init<Content>(actor), { time: 0 }, (draft) => Object.assign(draft, none));
  return Automerge.save(made);
};

class AutomergeReplica implements Replicated {
  doc: Automerge.Doc<Content>;

  constructor(given: Automerge.Doc<Content>) {
    this.doc = given;
  }

  edit(step: Step): Uint8Array[] {
    this.doc = Automerge.change(this.doc, (draft) => {
      for (const edit of step) this.#make(draft, edit);
    });
    const told = Automerge.getLastLocalChange(this.doc);
    return told === undefined ? [] : [told];
  }

  #make(draft: Content, edit: Edit): void {
    switch (edit.type) {
      case 'insert':
        return Automerge.splice(draft, ['text'], edit.at, 0, edit.content);
      case 'remove':
        return Automerge.splice(draft, ['text'], edit.at, edit.count);
      case 'put':
        draft.map[edit.key] = edit.value;
        return;
      case 'add':
        draft.set[edit.element] = 1;
        return;
      case 'discard':
        delete draft.set[edit.element];
        return;
      case 'count':
        draft.counters[edit.key]!.increment(edit.by);
        return;
    }
  }

  hear(updates: readonly Uint8Array[]): void {
    [this.doc] = Automerge.applyChanges(this.doc, [...updates]);
  }

  state(): Uint8Array {
    return Automerge.save(this.doc);
  }

  read(): Read {
    const { text, map, set, counters } = this.doc;
    const sums = Object.entries(counters).map(([key, counter]) => [key, counter.value] as const);
    const entries = [...Object.entries(map), ...Object.entries(set), ...sums];
    return { text, entries: byKey<string | number>(entries) };
  }

  close(): void {
    Automerge.free(this.doc);
  }
}

/** Its own protocol, until neither has anything to say. */
const syncDocuments = (docs: [AutomergeReplica, AutomergeReplica]): number => {
  const states = [Automerge.initSyncState(), Automerge.initSyncState()];
  let bytes = 0;
  for (let silent = 0, at = 0; silent < 2; at = 1 - at) {
    const [state, message] = Automerge.generateSyncMessage(docs[at]!.doc, states[at]!);
    states[at] = state;
    silent = message === null ? silent + 1 : 0;
    if (message === null) continue;
    bytes += message.byteLength;
    const peer = docs[1 - at]!;
    [peer.doc, states[1 - at]] = Automerge.receiveSyncMessage(peer.doc, states[1 - at]!, message);
  }
  return bytes;
};

export const automerge: Library = {
  sync: (one, other) => syncDocuments([one as AutomergeReplica, other as AutomergeReplica]),
  open: (replica, counters) => new AutomergeReplica(Automerge.load<Content>(blank(counters), `${replica + 1}`.repeat(32))),
  load: (state) => new AutomergeReplica(Automerge.load<Content>(state)),
};
