import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createExpiries, earliest, schedule, unschedule } from '../../../machines/register/expiry.ts';

describe('expiries', () => {
  it('fall in the order of a sorted list, however they were scheduled, moved and taken back', () => {
    const step = fc.record({
      kind: fc.constantFrom<('key' | 'lease')[]>('key', 'lease'),
      name: fc.nat(30).map((n) => `n${n}`),
      atMs: fc.option(fc.nat(20), { nil: null, freq: 2 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150, size: 'max' }), (steps) => {
        const expiries = createExpiries('key', 'lease');
        const twin = new Map<string, { atMs: number; kind: 'key' | 'lease'; name: string }>();
        for (const { kind, name, atMs } of steps) {
          if (atMs === null) {
            unschedule(expiries, kind, name);
            twin.delete(kind + name);
          } else {
            schedule(expiries, kind, name, atMs);
            twin.set(kind + name, { atMs, kind, name });
          }
        }
        const order = [...twin.values()].sort((a, b) => a.atMs - b.atMs || (a.kind + a.name < b.kind + b.name ? -1 : 1));
        const fallen: typeof order = [];
        for (let due = earliest(expiries); due !== undefined; due = earliest(expiries)) {
          fallen.push({ atMs: due.atMs, kind: due.kind, name: due.name });
          unschedule(expiries, due.kind, due.name);
        }
        assert.deepEqual(fallen, order);
        assert.equal(expiries.of.key.size + expiries.of.lease.size, 0);
      }),
      { numRuns: 200, seed: 9 },
    );
  });
});
