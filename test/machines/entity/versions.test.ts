import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import {
  canRead,
  migrate,
  migrationPath,
  migrationsFault,
  oldestReadable,
  type Versioned,
} from '../../../machines/entity/versions.ts';

const push =
  (step: number) =>
  (snapshot: unknown): unknown => [...(snapshot as number[]), step];
const of = (version: number, steps: readonly number[]): Versioned => ({
  ...{ name: 'cart', version },
  migrate: Object.fromEntries(steps.map((step) => [step, push(step)])),
});

test('a snapshot goes through each version once, in order, or is refused: every path there is', () => {
  const steps = fc.uniqueArray(fc.integer({ min: 1, max: 5 }));
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 6 }), steps, fc.integer({ min: 1, max: 7 }), (version, has, persisted) => {
      const definition = of(version, has);
      const wanted = Array.from({ length: Math.max(0, version - persisted) }, (_, at) => persisted + at);
      const isPossible = persisted <= version && wanted.every((step) => has.includes(step));
      assert.equal(canRead(definition, persisted), isPossible);
      const migrated = migrate(definition, persisted, []);
      assert.equal(migrated.ok, isPossible);
      if (migrated.ok) assert.deepEqual(migrated.snapshot, wanted);
      else {
        assert.equal(migrated.failure.code, 'ACTOR_VERSION');
        assert.ok(
          migrated.failure.message.includes(`version ${persisted}`) && migrated.failure.message.includes(`version ${version}`),
        );
      }
      assert.equal(isPossible, persisted >= oldestReadable(definition) && persisted <= version);
    }),
    { numRuns: 300 },
  );
});

test('a refusal names both versions and the gap', () => {
  const path = migrationPath(of(4, [1, 3]), 1);
  assert.ok(!path.ok);
  assert.match(path.failure.message, /of version 1, this node hosts version 4: no migration from 2 to 3: add migrate\[2\]/);
  assert.deepEqual(path.failure.details, { type: 'cart', persisted: 1, version: 4, gap: 2 });
});

test('what a migration throws refuses the snapshot', () => {
  const definition: Versioned = {
    ...{ name: 'cart', version: 2 },
    migrate: {
      1: () => {
        throw new Error('no items');
      },
    },
  };
  const migrated = migrate(definition, 1, {});
  assert.ok(!migrated.ok && /from 1 to 2 failed, and the state stays as it is: no items/.test(migrated.failure.message));
});

test('what is no version, and migrations that lead nowhere, are named', () => {
  for (const persisted of [0, 1.5, Number.NaN, '1' as unknown as number]) assert.equal(canRead(of(2, [1]), persisted), false);
  assert.equal(migrationsFault(of(3, [1, 2])), null);
  assert.equal(migrationsFault(of(3, [])), null);
  assert.match(migrationsFault(of(3, [1]))!, /leads nowhere: there is none from 2 to 3/);
  assert.match(migrationsFault(of(2, [1, 2]))!, /beyond its version 2/);
  assert.match(migrationsFault(of(0, []))!, /whole number/);
  assert.match(migrationsFault({ ...of(2, []), migrate: { one: push(1) } as never })!, /no function/);
});
