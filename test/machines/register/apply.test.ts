// What the register promises, told by example. The twin (twin.test.ts) covers the combinations.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  createDigest,
  createRegister,
  digest,
  dump,
  encodeCommand,
  nextExpiryMs,
  RegisterFault,
  restore,
} from '../../../machines/register/index.ts';
import { bytes, createReplica } from './replica.ts';

const tokenOf = (result: unknown): { term: number; index: number } =>
  (result as { token: { term: number; index: number } }).token;

describe('keys', () => {
  it('count their versions, remember their creation, start anew after a delete', () => {
    const replica = createReplica();
    replica.put('k', 'one');
    replica.at.term = 2;
    replica.put('k', 'two');
    assert.deepEqual(replica.get('k'), {
      ...{ key: 'k', value: bytes('two'), index: 2, term: 2, createIndex: 1, version: 2, expiresAtMs: null, lease: null },
    });
    assert.deepEqual(replica.done({ op: 'delete', key: 'k' }), { op: 'delete', key: 'k', index: 3, term: 2 });
    assert.equal(replica.get('k'), null);
    replica.put('k', 'three');
    assert.deepEqual([replica.get('k')?.createIndex, replica.get('k')?.version], [4, 1]);
  });

  it('fail by name, tell the current index, and write nothing', () => {
    const replica = createReplica();
    replica.put('k', 'one');
    const before = digest(replica.keyspace.records());
    const mismatch = replica.put('k', 'x', { condition: { kind: 'index', index: 0 } });
    assert.deepEqual(mismatch, {
      ok: false,
      failure: { code: 'CAS_MISMATCH', message: "'k' is at index 1, it must not exist", details: { index: 1 } },
    });
    assert.equal(replica.code({ op: 'delete', key: 'k', condition: { kind: 'value', value: bytes('two') } }), 'CAS_MISMATCH');
    assert.equal(replica.code({ op: 'delete', key: 'nothing' }), 'KEY_NOT_FOUND');
    assert.equal(replica.code({ op: 'delete', key: 'nothing', condition: { kind: 'index', index: 3 } }), 'CAS_MISMATCH');
    assert.equal(
      replica.code({ op: 'delete', key: 'nothing', condition: { kind: 'value', value: bytes('') } }),
      'CAS_MISMATCH',
    );
    replica.done({ op: 'delete', key: 'nothing', condition: { kind: 'index', index: 0 } });
    assert.deepEqual(replica.heard(), []);
    assert.equal(digest(replica.keyspace.records()), before);
  });

  it('vanish when log time reaches their end, and a later put without one takes it away', () => {
    const replica = createReplica();
    replica.put('short', '', { ttlMs: 10 });
    replica.put('kept', '', { ttlMs: 10 });
    replica.put('kept', '');
    assert.equal(nextExpiryMs(replica.state), 1_010);
    replica.at.timeMs = 1_009;
    replica.done({ op: 'expire' });
    assert.notEqual(replica.get('short'), null);
    replica.at.timeMs = 1_010;
    replica.done({ op: 'expire' });
    assert.deepEqual(replica.heard(), ['expire short']);
    assert.equal(nextExpiryMs(replica.state), Number.POSITIVE_INFINITY);
    assert.notEqual(replica.get('kept'), null);
  });

  it('give watchers a value that does not keep the log’s bytes alive', () => {
    const replica = createReplica();
    const frame = new Uint8Array(100_000);
    const data = encodeCommand({ write: { op: 'put', key: 'k', value: bytes('value') } });
    frame.set(data, 50_000);
    replica.applyData(frame.subarray(50_000, 50_000 + data.byteLength));
    const { value } = replica.events()[0]!;
    assert.deepEqual(value, bytes('value'));
    assert.notEqual(value!.buffer, frame.buffer);
    assert.ok(value!.buffer.byteLength <= 8 << 10);
  });

  it('may hold an empty value and one of the largest size', () => {
    const replica = createReplica();
    for (const length of [0, 1 << 20]) {
      replica.done({ op: 'put', key: 'k', value: new Uint8Array(length).fill(3) });
      assert.equal(replica.get('k')?.value.byteLength, length);
    }
    assert.equal(replica.code({ op: 'put', key: 'k', value: new Uint8Array((1 << 20) + 1) }), 'INVALID_REQUEST');
  });
});

describe('leases and locks', () => {
  it('a lease takes its keys and locks with it, by time and by revocation', () => {
    for (const ending of ['expire', 'delete'] as const) {
      const replica = createReplica();
      replica.done({ op: 'lease-grant', lease: 'l', ttlMs: 100 });
      replica.put('b', '', { lease: 'l', ttlMs: 1_000 });
      replica.put('a', '', { lease: 'l' });
      replica.put('moved', '', { lease: 'l' });
      replica.put('moved', '');
      replica.done({ op: 'lock-acquire', lock: 'm', lease: 'l', owner: 'me' });
      if (ending === 'expire') {
        replica.at.timeMs += 100;
        replica.done({ op: 'expire' });
      } else replica.done({ op: 'lease-revoke', lease: 'l' });
      assert.deepEqual(replica.heard(), [`${ending} a`, `${ending} b`]);
      assert.equal(replica.code({ op: 'lease-renew', lease: 'l' }), 'LEASE_NOT_FOUND');
      assert.equal(replica.state.locks.size, 0);
      assert.equal(nextExpiryMs(replica.state), Number.POSITIVE_INFINITY);
      assert.equal(replica.keyspace.records().length, 1);
    }
  });

  it('what has fallen but is not yet swept counts as gone', () => {
    const replica = createReplica({ removalsPerEntryMax: 0 });
    replica.done({ op: 'lease-grant', lease: 'l', ttlMs: 100 });
    replica.put('k', 'old', { lease: 'l' });
    replica.put('other', '', { lease: 'l' });
    replica.at.timeMs += 100;
    assert.equal(replica.put('k', 'new', { condition: { kind: 'index', index: 0 } }).ok, true);
    assert.deepEqual(replica.heard(), ['expire k', 'expire other', 'put k']);
    assert.equal(replica.get('k')?.version, 1);
    const again = createRegister();
    restore(again, replica.keyspace.records());
    assert.deepEqual(dump(again), dump(replica.state));
  });

  it('renewing moves the end; granting again renews under the new length', () => {
    const replica = createReplica();
    const expiresAtMs = (result: unknown): number => (result as { expiresAtMs: number }).expiresAtMs;
    assert.equal(expiresAtMs(replica.done({ op: 'lease-grant', lease: 'l', ttlMs: 100 })), 1_100);
    replica.at.timeMs = 1_099;
    assert.equal(expiresAtMs(replica.done({ op: 'lease-renew', lease: 'l' })), 1_199);
    assert.equal(expiresAtMs(replica.done({ op: 'lease-grant', lease: 'l', ttlMs: 10 })), 1_109);
  });

  it('a lock has one holder, whose token is where it was acquired', () => {
    const replica = createReplica();
    for (const lease of ['l1', 'l2']) replica.done({ op: 'lease-grant', lease, ttlMs: 100 });
    replica.at.term = 3;
    const acquire = { op: 'lock-acquire', lock: 'm', lease: 'l1', owner: 'me' } as const;
    assert.deepEqual(tokenOf(replica.done(acquire)), { term: 3, index: 3 });
    assert.deepEqual(replica.done(acquire), { op: 'lock-acquire', lock: 'm', token: { term: 3, index: 3 }, index: 4, term: 3 });
    assert.equal(replica.code({ ...acquire, owner: 'you' }), 'LOCK_HELD');
    assert.equal(replica.code({ ...acquire, lease: 'l2' }), 'LOCK_HELD');
    assert.equal(replica.code({ op: 'lock-release', lock: 'm', token: { term: 3, index: 4 } }), 'FENCED');
    assert.equal(replica.code({ op: 'lock-release', lock: 'm', token: { term: 2, index: 3 } }), 'FENCED');
    replica.done({ op: 'lock-release', lock: 'm', token: { term: 3, index: 3 } });
    assert.equal(replica.code({ op: 'lock-release', lock: 'm', token: { term: 3, index: 3 } }), 'FENCED');
    assert.deepEqual(tokenOf(replica.done({ ...acquire, lease: 'l2', owner: 'you' })), { term: 3, index: 11 });
  });

  it('a write under a token happens only while the lock is held under it', () => {
    const replica = createReplica();
    replica.done({ op: 'lease-grant', lease: 'l', ttlMs: 100 });
    const token = tokenOf(replica.done({ op: 'lock-acquire', lock: 'm', lease: 'l', owner: 'me' }));
    const fence = { lock: 'm', token };
    assert.equal(replica.put('k', 'mine', { fence }).ok, true);
    // The holder stalls past his lease, another one takes over, the first one wakes up.
    replica.at.timeMs += 100;
    replica.done({ op: 'lease-grant', lease: 'l', ttlMs: 100 });
    const next = tokenOf(replica.done({ op: 'lock-acquire', lock: 'm', lease: 'l', owner: 'me' }));
    assert.notDeepEqual(next, token);
    assert.deepEqual(replica.put('k', 'late', { fence }), {
      ok: false,
      failure: {
        ...{ code: 'FENCED', message: "lock 'm' is held under 1.5, not under 1.2", details: { term: 1, index: 5 } },
      },
    });
    assert.equal(replica.code({ op: 'delete', key: 'k', fence }), 'FENCED');
    assert.deepEqual(replica.get('k')?.value, bytes('mine'));
  });

  it('are bounded, and say so', () => {
    const replica = createReplica({ leasesMax: 2, locksMax: 2, expiringKeysMax: 1, leaseAttachmentsMax: 2 });
    for (const lease of ['l1', 'l2']) replica.done({ op: 'lease-grant', lease, ttlMs: 100 });
    assert.equal(replica.code({ op: 'lease-grant', lease: 'l3', ttlMs: 100 }), 'OVERLOADED');
    replica.done({ op: 'lease-grant', lease: 'l2', ttlMs: 100 });
    replica.put('a', '', { lease: 'l1', ttlMs: 50 });
    replica.put('a', '', { lease: 'l1', ttlMs: 50 });
    assert.equal(replica.code({ op: 'put', key: 'b', value: bytes(''), ttlMs: 50 }), 'OVERLOADED');
    const acquire = (lock: string, lease: string) => ({ op: 'lock-acquire', lock, lease, owner: 'me' }) as const;
    replica.done(acquire('m1', 'l1'));
    assert.equal(replica.code(acquire('m2', 'l1')), 'OVERLOADED');
    assert.equal(replica.code({ op: 'put', key: 'b', value: bytes(''), lease: 'l1' }), 'OVERLOADED');
    replica.done(acquire('m2', 'l2'));
    assert.equal(replica.code(acquire('m3', 'l2')), 'OVERLOADED');
  });
});

describe('sessions (row C7)', () => {
  it('the same request twice has one effect and one answer', () => {
    const replica = createReplica();
    const first = replica.put('k', 'one', {}, 's');
    replica.put('k', 'two');
    assert.deepEqual(replica.put('k', 'one', {}, 's'), first);
    assert.deepEqual(replica.heard(), []);
    assert.deepEqual(replica.get('k')?.value, bytes('two'));
  });

  it('a failure is an answer too, whole, even if it would succeed by now', () => {
    const replica = createReplica();
    const condition = { kind: 'index', index: 2 } as const;
    const first = replica.put('k', 'x', { condition }, 's');
    replica.put('k', 'y');
    assert.deepEqual(replica.put('k', 'x', { condition }, 's'), first);
    assert.deepEqual(first, {
      ok: false,
      failure: { code: 'CAS_MISMATCH', message: "'k' is at index 0, index 2 was expected", details: { index: 0 } },
    });
  });

  it('every kind of answer comes back as it was', () => {
    const replica = createReplica();
    const writes = [
      { op: 'lease-grant', lease: 'l', ttlMs: 5_000 },
      { op: 'lease-renew', lease: 'l' },
      { op: 'lock-acquire', lock: 'm', lease: 'l', owner: 'me' },
      { op: 'lock-release', lock: 'm', token: { term: 1, index: 3 } },
      { op: 'lock-release', lock: 'm', token: { term: 1, index: 3 } },
      { op: 'lease-revoke', lease: 'l' },
      { op: 'delete', key: 'none' },
      { op: 'expire' },
    ] as const;
    const answers = writes.map((write, n) => replica.write(write, `s${n}`));
    replica.at.timeMs += 1_000;
    assert.deepEqual(
      writes.map((write, n) => replica.write(write, `s${n}`)),
      answers,
    );
    assert.equal(answers.filter((answer) => answer.ok).length, 6);
  });

  it('the same id with another request is a conflict, in any part of it', () => {
    const replica = createReplica();
    replica.put('k', 'one', {}, 's');
    assert.equal(replica.code({ op: 'put', key: 'k', value: bytes('two') }, 's'), 'IDEMPOTENCY_CONFLICT');
    assert.equal(replica.code({ op: 'put', key: 'k', value: bytes('one'), ttlMs: 5 }, 's'), 'IDEMPOTENCY_CONFLICT');
    assert.equal(replica.code({ op: 'delete', key: 'k' }, 's'), 'IDEMPOTENCY_CONFLICT');
    assert.equal(replica.put('k', 'one', {}, 's').ok, true);
  });

  it('end after their time, and beyond their number the oldest first', () => {
    const replica = createReplica({ sessionsMax: 2, sessionMs: 100 });
    replica.put('k', '1', {}, 'old');
    replica.at.timeMs += 99;
    assert.equal(replica.put('k', '2', {}, 'old').ok, false);
    replica.at.timeMs += 1;
    assert.equal(replica.put('k', '3', {}, 'old').ok, true);
    replica.put('k', '4', {}, 's2');
    replica.put('k', '5', {}, 's3');
    assert.deepEqual([...replica.state.sessions.keys()], ['s2', 's3']);
    assert.equal(replica.keyspace.records().filter(([key]) => key[0] === 's'.charCodeAt(0)).length, 2);
  });

  it('keep their order by the log through a restore, past 2^32', () => {
    const replica = createReplica();
    for (const [n, index] of [5, 2 ** 32 - 1, 2 ** 32 + 3, 2 ** 40].entries()) {
      replica.at.index = index - 1;
      replica.put('k', `${n}`, {}, `s${9 - n}`);
    }
    const again = createRegister();
    restore(again, replica.keyspace.records());
    assert.deepEqual(dump(again), dump(replica.state));
    assert.deepEqual(
      [...again.sessions.values()].map((seen) => seen.index),
      [5, 2 ** 32 - 1, 2 ** 32 + 3, 2 ** 40],
    );
  });
});

describe('what must never be', () => {
  const faultOf = (act: () => unknown): string => {
    try {
      act();
    } catch (error) {
      if (error instanceof RegisterFault) return error.invariant;
      throw error;
    }
    return 'none';
  };

  it('stops the replica by name: a lost or rotten record, a bad entry, a restore of what is not ours', () => {
    const lost = createReplica();
    lost.put('k', '', { ttlMs: 5 });
    lost.put('s', '', {}, 'id');
    lost.keyspace.write(lost.keyspace.records().map(([key]) => ({ key, value: null })));
    assert.equal(
      faultOf(() => lost.put('s', '', {}, 'id')),
      'SESSION_RECORD_EXISTS',
    );
    lost.at.timeMs += 5;
    assert.equal(
      faultOf(() => lost.put('x', '')),
      'EXPIRING_KEY_EXISTS',
    );

    const rotten = createReplica();
    rotten.put('k', '');
    rotten.keyspace.write(rotten.keyspace.records().map(([key]) => ({ key, value: Uint8Array.of(0) })));
    assert.equal(
      faultOf(() => rotten.put('k', '')),
      'KEYSPACE_SOUND',
    );
    assert.equal(
      faultOf(() => restore(createRegister(), rotten.keyspace.records())),
      'KEYSPACE_SOUND',
    );

    const entry = createReplica();
    entry.at.index = -1;
    assert.equal(
      faultOf(() => entry.put('k', '')),
      'ENTRY_INDEX_SOUND',
    );
    entry.at.index = 0;
    entry.at.term = 0;
    assert.equal(
      faultOf(() => entry.put('k', '')),
      'ENTRY_TERM_SOUND',
    );

    const alien: [Uint8Array, Uint8Array][] = [[bytes('x1'), bytes('')]];
    assert.equal(
      faultOf(() => restore(createRegister(), alien)),
      'KEYSPACE_SOUND',
    );
    const attached = createReplica();
    attached.done({ op: 'lease-grant', lease: 'l', ttlMs: 5 });
    attached.put('k', '', { lease: 'l' });
    assert.equal(
      faultOf(() => restore(createRegister(), attached.keyspace.records().slice(1))),
      'KEYSPACE_SOUND',
    );
    const twice = createRegister();
    restore(twice, attached.keyspace.records());
    assert.equal(
      faultOf(() => restore(twice, attached.keyspace.records())),
      'RESTORE_ONCE',
    );
  });

  it('log time may be odd without harm', () => {
    for (const timeMs of [-5, 0.5, 1e300, Number.POSITIVE_INFINITY]) {
      const replica = createReplica();
      replica.at.timeMs = timeMs;
      assert.equal(replica.put('k', '', { ttlMs: 365 * 86_400_000 }, 's').ok, true);
      const again = createRegister();
      restore(again, replica.keyspace.records());
      assert.deepEqual(dump(again), dump(replica.state));
    }
  });
});

describe('digest', () => {
  it('tells keyspaces apart, whatever the pages', () => {
    const one: [Uint8Array, Uint8Array][] = [
      [bytes('a'), bytes('bc')],
      [bytes('d'), bytes('')],
    ];
    const paged = createDigest();
    for (const record of one) paged.add([record]);
    assert.equal(paged.finish(), digest(one));
    assert.notEqual(digest([[bytes('ab'), bytes('c')], one[1]!]), digest(one));
    assert.notEqual(digest(one.slice(0, 1)), digest(one));
    assert.match(digest([]), /^[0-9a-f]{64}$/);
  });
});
