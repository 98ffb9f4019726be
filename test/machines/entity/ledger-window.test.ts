// The window of delivery ids as it is written and read again, also after its actor was removed while some of a share were forgotten already.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ledgerLimits } from '../../../machines/entity/ledger-types.ts';
import {
  bury,
  newWindow,
  readWindow,
  remember,
  setFailed,
  windowShare,
  writeWindow,
} from '../../../machines/entity/ledger-window.ts';
import type { KeyspaceWrite } from '../../../machines/register/types.ts';

test('a removed actor: what was forgotten in a share is numbered like what is buried, and all of it is read as it was', () => {
  const window = newWindow();
  const lateMs = ledgerLimits.windowMs + 10;
  for (let at = 0; at < 20; at++) remember(window, `old-${at}`, at + 1, at);
  for (let at = 0; at < windowShare; at++) remember(window, `new-${at}`, 30 + at, lateMs);
  setFailed(window, window.byId.get('new-3')!, 'ACTOR_FAILED');
  assert.equal(window.first, 11, 'the first are forgotten, and their share is still there');
  bury(window, { seq: 40, failed: [['new-3', 'ACTOR_FAILED']] });
  remember(window, 'next', 70, lateMs);
  const writes: KeyspaceWrite[] = [];
  writeWindow('cart/a', window, writes);
  const kept = new Map(writes.map(({ key, value }) => [String(key), value]));
  const read = readWindow('cart/a', window.next - window.first, window.next, (key) => kept.get(String(key)) ?? undefined);
  assert.deepEqual([...read.byId], [...window.byId]);
  const of = (id: string) => [read.byId.get(id)!.seq, read.byId.get(id)!.failed];
  assert.deepEqual(of('new-3'), [0, 'ACTOR_FAILED']);
  assert.deepEqual(of('new-4'), [0, null]);
  assert.deepEqual(of('new-11'), [0, 'OUTCOME_UNKNOWN'], 'who removes it had not come so far');
  assert.deepEqual(of('next'), [70, null]);
});
