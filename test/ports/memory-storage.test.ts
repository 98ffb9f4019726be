import { createMemoryStorage, type MemoryStorage } from './memory-storage.ts';
import { storageSuite } from './storage-suite.ts';

storageSuite('storage port in memory', () => {
  const places = new Map<string, MemoryStorage>();
  return {
    async open(place) {
      const storage = createMemoryStorage(places.get(place)?.contents());
      places.set(place, storage);
      return storage;
    },
    close: async () => {},
  };
});
