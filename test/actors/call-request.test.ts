// What is asked of a call: each word that is not what it must be is named, whatever else is said.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { whyInvalid } from '../../actors/call-request.ts';
import type { ServiceCall } from '../../actors/service-api.ts';

type Word = Exclude<keyof ServiceCall, 'service' | 'method' | 'input' | 'within'>;

/** By each word, what fits and what does not; the compiler misses none. */
const words: Record<Word, { fits: unknown; wrong: unknown }> = {
  version: { fits: '^1', wrong: 1 },
  timeoutMs: { fits: 5, wrong: 0 },
  strategy: { fits: 'random', wrong: 'best' },
  key: { fits: 'k', wrong: '' },
  principal: { fits: 'ada', wrong: null },
  takesItems: { fits: true, wrong: 1 },
  node: { fits: 'n1', wrong: 1 },
  requestId: { fits: 'r', wrong: '' },
  hedgeAfterMs: { fits: 5, wrong: -1 },
  importance: { fits: 'critical', wrong: 'high' },
  resources: { fits: { gpus: 1 }, wrong: [] },
  capabilities: { fits: ['a'], wrong: 'a' },
  trace: { fits: '', wrong: 5 },
};

const call = { service: 's', method: 'm', input: null };

test('each word that is wrong is named', () => {
  assert.equal(whyInvalid(call), null);
  const all = Object.fromEntries(Object.entries(words).map(([word, { fits }]) => [word, fits]));
  assert.equal(whyInvalid({ ...call, ...all }), null);
  for (const [word, { wrong }] of Object.entries(words)) {
    assert.match(whyInvalid({ ...call, [word]: wrong } as ServiceCall)?.message ?? '', new RegExp(`^${word} must be `));
    assert.match(whyInvalid({ ...call, ...all, [word]: wrong } as ServiceCall)?.message ?? '', new RegExp(`^${word} must be `));
  }
  assert.match(whyInvalid({ ...call, service: '' })?.message ?? '', /^service is/);
  assert.match(whyInvalid({ ...call, method: 1 as never })?.message ?? '', /^method is/);
});
