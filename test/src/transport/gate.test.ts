import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Gate } from '../../../src/transport/gate.ts';
import { transportLimits } from '../../../src/transport/limits.ts';

const limits = {
  ...transportLimits,
  pendingMax: 4,
  pendingPerAddressMax: 2,
  inboundBurstMax: 5,
  inboundPerSecondMax: 10,
  ratedAddressesMax: 3,
  connectionsMax: 9,
};

describe('gate', () => {
  it('bounds what is pending, in all and from one address', () => {
    const gate = new Gate(limits, () => 0);
    assert.equal(gate.enter('a', 0), null);
    assert.equal(gate.enter('a', 0), null);
    assert.equal(gate.enter('a', 0), 'TOO_MANY_PENDING');
    assert.equal(gate.enter('b', 0), null);
    assert.equal(gate.enter('c', 0), null);
    assert.equal(gate.enter('b', 0), 'TOO_MANY_PENDING');
    gate.leave('a', true);
    assert.equal(gate.enter('b', 0), null);
    assert.equal(gate.pending, 4);
  });

  it('lets an address burst, then so many a second; admitted members cost nothing', () => {
    let nowMs = 0;
    const gate = new Gate(limits, () => nowMs);
    const knock = (admitted: boolean): string | null => {
      const refusal = gate.enter('a', 0);
      if (refusal === null) gate.leave('a', admitted);
      return refusal;
    };
    for (let times = 0; times < 100; times++) assert.equal(knock(true), null);
    for (let times = 0; times < 5; times++) assert.equal(knock(false), null);
    assert.equal(knock(false), 'RATE_LIMITED');
    nowMs = 99;
    assert.equal(knock(false), 'RATE_LIMITED');
    nowMs = 101;
    assert.equal(knock(false), null);
    assert.equal(knock(false), 'RATE_LIMITED');
    nowMs = 60_000;
    for (let times = 0; times < 5; times++) assert.equal(knock(false), null);
    assert.equal(knock(false), 'RATE_LIMITED');
  });

  it('refuses at the limit of connections and forgets old addresses, but none with something pending', () => {
    const gate = new Gate(limits, () => 0);
    assert.equal(gate.enter('a', 9), 'TOO_MANY_CONNECTIONS');
    assert.equal(gate.enter('kept', 0), null);
    for (let number = 0; number < 50; number++) {
      assert.equal(gate.enter(`other ${number}`, 0), null);
      gate.leave(`other ${number}`, false);
    }
    gate.leave('kept', false);
    assert.equal(gate.pending, 0);
  });
});
