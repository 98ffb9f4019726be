// Limits of calls in a configuration: as numbers an hour, from everywhere, or off.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveConfig, type Sources, settingsOf } from '../../../src/config/index.ts';

const good = { name: 'n1', data: './data', secret: 'sixteen bytes or more', bootstrap: ['n1'] };

const callsOf = (sources: Sources) => {
  const resolution = resolveConfig({ defaults: good, ...sources });
  if (!resolution.ok) throw new Error(resolution.problems.join('\n'));
  return settingsOf(resolution.config, '0', null).calls;
};
const problemsOf = (sources: Sources): string[] => {
  const resolution = resolveConfig({ defaults: good, ...sources });
  return resolution.ok ? [] : resolution.problems;
};
const hour = { periodMs: 3_600_000 };

test('without a word row R6 holds', () => {
  const { limits, sharesLimits, serialize, graceMs } = callsOf({});
  assert.deepEqual(limits.node, { tokens: 10_000, burst: 50, ...hour });
  assert.deepEqual(limits.principal, { tokens: 100, burst: 50, ...hour });
  assert.deepEqual([sharesLimits, serialize, graceMs], [false, false, 2_000]);
});

test('from a file, a variable, a flag or code; what is left out has its default', () => {
  const file = { path: 'p.json', text: '{"calls":{"limits":{"node":{"perHour":5},"principal":"off"},"graceMs":1}}' };
  assert.deepEqual(callsOf({ file }).limits.node, { tokens: 5, burst: 50, ...hour });
  assert.deepEqual([callsOf({ file }).limits.principal, callsOf({ file }).graceMs], [null, 1]);
  const env = { POLITY_CALLS_LIMITS_PRINCIPAL: 'perHour=7,burst=2', POLITY_CALLS_SERIALIZE: 'on' };
  assert.deepEqual(callsOf({ file, env }).limits.principal, { tokens: 7, burst: 2, ...hour });
  assert.equal(callsOf({ env }).serialize, true);
  assert.equal(callsOf({ env, flags: { callsSerialize: 'off', callsLimitsNode: ['off'] } }).serialize, false);
  assert.equal(callsOf({ flags: { callsLimitsNode: ['off'] } }).limits.node, null);
  assert.equal(callsOf({ code: { calls: { limits: { node: null } } } }).limits.node, null);
  const shared = { POLITY_CALLS_LIMITS_SHARED: 'on' };
  assert.equal(callsOf({ env: shared }).sharesLimits, true);
  assert.equal(callsOf({ env: shared, flags: { callsLimitsShared: 'off' } }).sharesLimits, false);
  assert.equal(callsOf({ code: { calls: { limits: { shared: true } } } }).sharesLimits, true);
});

test('mistakes are said in words, with who made them', () => {
  const wrong: [Sources, RegExp][] = [
    [{ env: { POLITY_CALLS_LIMITS_NODE: 'perHour=0' } }, /POLITY_CALLS_LIMITS_NODE: perHour is 0: not a whole number from 1/],
    [{ env: { POLITY_CALLS_LIMITS_NODE: 'many' } }, /'many' is no limit: perHour=10000,burst=50, or off/],
    [{ flags: { callsLimitsPrincipal: ['perMinute=5'] } }, /--calls-limits-principal: a limit has no 'perMinute'/],
    [{ env: { POLITY_CALLS_SERIALIZE: 'perhaps' } }, /POLITY_CALLS_SERIALIZE: 'perhaps' is neither on nor off/],
    [{ flags: { callsLimitsShared: 'some' } }, /--calls-limits-shared: 'some' is neither on nor off/],
    [{ code: { calls: { limits: { everybody: {} } } } }, /config\.calls\.limits\.everybody: there is no such option/],
    [{ code: { calls: 5 } }, /config\.calls: is not an object/],
    [{ flags: { callsGraceMs: '-1' } }, /--calls-grace-ms/],
  ];
  for (const [sources, message] of wrong) assert.match(problemsOf(sources).join('\n'), message);
});
