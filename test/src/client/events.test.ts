// Server-sent events, however they are cut on their way.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readEvents, type ServerEvent } from '../../../src/client/events.ts';

async function* cut(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let at = 0, n = 0; at < bytes.byteLength; n++) yield bytes.subarray(at, (at += sizes[n % sizes.length]!));
}

const eventsOf = async (bytes: Uint8Array, sizes: readonly number[]): Promise<ServerEvent[]> => {
  const events: ServerEvent[] = [];
  for await (const event of readEvents(cut(bytes, sizes))) events.push(event);
  return events;
};

test('the same events, wherever the stream is cut', async () => {
  const end = fc.constantFrom('\n', '\r\n', '\r');
  const line = fc.constantFrom('data: ä', 'data: {"value":"€"}', 'data', 'event: value', 'id: 7', ': alive', '', '');
  const stream = fc.array(fc.tuple(line, end), { maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(stream, fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 6 }), async (lines, sizes) => {
      // What ends in a carriage return waits for what may follow it.
      const bytes = new TextEncoder().encode(`${lines.flat().join('')}:`);
      assert.deepEqual(await eventsOf(bytes, sizes), await eventsOf(bytes, [bytes.byteLength]));
    }),
    { numRuns: 200 },
  );
});

test('a long event in many pieces takes no longer than it is long', async () => {
  const bytes = new TextEncoder().encode(`data: ${'x'.repeat(6 << 20)}\n\n`);
  const startMs = performance.now();
  const [event] = await eventsOf(bytes, [2_048]);
  assert.equal(event?.data.length, 6 << 20);
  const tookMs = performance.now() - startMs;
  assert.ok(tookMs < 3_000, `${tookMs} ms`);
});
