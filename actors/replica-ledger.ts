// The ledger of rounds where it is kept: one value of the register service, read and written by whoever takes part, through whichever
// group the cluster has. Written only if nobody wrote it since it was read.
import type { Failure } from '../machines/errors.ts';
import { ledgerKey, type RegisterRead, type RegisterResult, type RegisterWrite } from '../machines/register/index.ts';
import { formLedger, type Ledger, parseLedger } from '../machines/replicator/index.ts';
import { pack, unpack } from '../machines/wire/envelope.ts';
import type { Outcome } from './api.ts';

const timeoutMs = 3_000;

/** `index` of the value's last change, 0 if there is none; `ledger` null also where it is none that this version reads. */
export type LedgerRead = { ledger: Ledger | null; index: number };
export type LedgerEnd = 'written' | 'changed' | 'unknown';

export interface LedgerPort {
  read(done: (read: LedgerRead | null) => void): void;
  write(ledger: Ledger, index: number, done: (end: LedgerEnd) => void): void;
}

type Done = (outcome: Outcome<RegisterResult>) => void;
type Options = { timeoutMs: number; consistency?: 'linearizable' };
export type RegisterDoor = {
  read: (read: RegisterRead, options: Options, done: Done) => void;
  write: (write: RegisterWrite, options: Options, done: Done) => void;
};

const parsed = (value: Uint8Array): Ledger | null => {
  try {
    return parseLedger(unpack(value.slice()));
  } catch {
    return null;
  }
};

const isChanged = ({ code }: Failure): boolean => code === 'CAS_MISMATCH';

export const createLedgerPort = ({ read, write }: RegisterDoor): LedgerPort => ({
  read(done) {
    read({ op: 'get', key: ledgerKey }, { timeoutMs, consistency: 'linearizable' }, (outcome) => {
      if (!outcome.ok || outcome.value.op !== 'get') return done(null);
      const { found } = outcome.value;
      done(found === null ? { ledger: null, index: 0 } : { ledger: parsed(found.value), index: found.index });
    });
  },
  write(ledger, index, done) {
    const value = pack(formLedger(ledger)).slice();
    write({ op: 'put', key: ledgerKey, value, condition: { kind: 'index', index } }, { timeoutMs }, (outcome) =>
      done(outcome.ok ? 'written' : isChanged(outcome.failure) ? 'changed' : 'unknown'),
    );
  },
});
