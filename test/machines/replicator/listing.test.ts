// Pages of objects: together they are what one sorted list would be.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { change, createObjects, pageOf, replicatedTypes } from '../../../machines/replicator/index.ts';

const changes: Record<string, unknown> = {
  'pn-counter': { type: 'add', by: 1 },
  flag: { type: 'enable' },
  'or-set': { type: 'add', element: 1 },
};

test('page by page, everything comes once and in order', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(
          fc.constantFrom('pn-counter', 'flag', 'or-set'),
          fc.string({ minLength: 1, maxLength: 3, unit: 'grapheme-ascii' }),
        ),
        {
          maxLength: 60,
        },
      ),
      fc.integer({ min: 1, max: 7 }),
      fc.option(fc.constantFrom('flag', 'or-set'), { nil: undefined }),
      fc.constantFrom('', 'a', '/'),
      (made, limit, type, prefix) => {
        const objects = createObjects('r', replicatedTypes);
        for (const [of, key] of made) change(objects, 1, of, key, changes[of]);
        const wanted = [...objects.all]
          .filter(([, object]) => (type === undefined || object.type.type === type) && object.key.startsWith(prefix))
          .map(([name]) => name)
          .toSorted();
        const found: string[] = [];
        for (let after: { type: string; key: string } | undefined; ; ) {
          const page = pageOf(objects.all, { type, prefix, after, limit }).map((object) => ({
            type: object.type.type,
            key: object.key,
          }));
          assert.ok(page.length <= limit);
          found.push(...page.map((one) => `${one.type}/${one.key}`));
          if (page.length < limit) break;
          after = page.at(-1)!;
        }
        assert.deepEqual(found, wanted);
      },
    ),
    { numRuns: 150 },
  );
});
