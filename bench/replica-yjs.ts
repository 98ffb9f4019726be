// Yjs as its documentation advises.
import * as Y from 'yjs';
import { byKey, type Edit, type Read, type Step } from './replica-edits.ts';
import type { Library, Replicated } from './replica-library.ts';

/** Shared types of a document's top level, an update for each transaction. It has no counters: each replica has a key for its sum. */
class YjsReplica implements Replicated {
  readonly doc: Y.Doc;
  #told: Uint8Array[] = [];

  constructor(given: Y.Doc) {
    this.doc = given;
    given.on('update', (update: Uint8Array, origin: unknown) => {
      if (origin !== 'heard') this.#told.push(update);
    });
  }

  edit(step: Step): Uint8Array[] {
    this.doc.transact(() => {
      for (const edit of step) this.#make(edit);
    });
    const told = this.#told;
    this.#told = [];
    return told;
  }

  #make(edit: Edit): void {
    switch (edit.type) {
      case 'insert':
        return this.doc.getText('text').insert(edit.at, edit.content);
      case 'remove':
        return this.doc.getText('text').delete(edit.at, edit.count);
      case 'put':
        return void this.doc.getMap('map').set(edit.key, edit.value);
      case 'add':
        return void this.doc.getMap('set').set(edit.element, true);
      case 'discard':
        return this.doc.getMap('set').delete(edit.element);
      case 'count': {
        const counters = this.doc.getMap<number>('counters');
        const own = `${edit.key}/${this.doc.clientID}`;
        return void counters.set(own, (counters.get(own) ?? 0) + edit.by);
      }
    }
  }

  hear(updates: readonly Uint8Array[]): void {
    this.doc.transact(() => {
      for (const update of updates) Y.applyUpdate(this.doc, update, 'heard');
    }, 'heard');
  }

  state(): Uint8Array {
    return Y.encodeStateAsUpdate(this.doc);
  }

  read(): Read {
    const sums = new Map<string, number>();
    for (const [key, sum] of this.doc.getMap<number>('counters')) {
      const counter = key.slice(0, key.indexOf('/'));
      sums.set(counter, (sums.get(counter) ?? 0) + sum);
    }
    const elements = [...this.doc.getMap('set').keys()].map((element) => [element, 1] as const);
    const entries = [...this.doc.getMap<string>('map'), ...elements, ...sums];
    return { text: this.doc.getText('text').toString(), entries: byKey<string | number>(entries) };
  }

  close(): void {
    this.doc.destroy();
  }
}

export const yjs: Library = {
  sync: (one, other) => {
    const docs = [(one as YjsReplica).doc, (other as YjsReplica).doc] as const;
    const seen = docs.map((each) => Y.encodeStateVector(each));
    const missing = docs.map((each, at) => Y.encodeStateAsUpdate(each, seen[1 - at]!));
    for (const [at, each] of docs.entries()) Y.applyUpdate(each, missing[1 - at]!, 'heard');
    return [...seen, ...missing].reduce((sum, { byteLength }) => sum + byteLength, 0);
  },
  open: () => new YjsReplica(new Y.Doc()),
  load(state) {
    const loaded = new Y.Doc();
    Y.applyUpdate(loaded, state, 'heard');
    return new YjsReplica(loaded);
  },
};
