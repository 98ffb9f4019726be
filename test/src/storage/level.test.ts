import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { StoragePort } from '../../../actors/ports/index.ts';
import { openLevelStorage } from '../../../src/storage/level.ts';
import { storageSuite } from '../../ports/storage-suite.ts';

storageSuite('storage port over LevelDB', () => {
  const directory = mkdtempSync(join(tmpdir(), 'polity-storage-'));
  const opened: StoragePort[] = [];
  return {
    async open(place) {
      const storage = await openLevelStorage(join(directory, place));
      opened.push(storage);
      return storage;
    },
    async close() {
      for (const storage of opened) await new Promise<void>((resolve) => storage.stop(resolve));
      rmSync(directory, { recursive: true });
    },
  };
});
