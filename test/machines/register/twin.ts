// The register's dumb twin: everything in plain maps, values too, nothing bounded but the sessions, everything searched by walking.
// Slow, and short enough to be believed.
import type {
  Condition,
  Fence,
  FencingToken,
  RegisterCommand,
  RegisterEvent,
  RegisterResult,
  RegisterWrite,
} from '../../../machines/register/index.ts';

type Key = {
  value: string;
  index: number;
  term: number;
  createIndex: number;
  version: number;
  expiresAtMs: number | null;
  lease: string | null;
};
type Lease = { ttlMs: number; expiresAtMs: number };
type Lock = { owner: string; lease: string; token: FencingToken };
export type TwinOutcome = { ok: true; result: RegisterResult } | { ok: false; code: string };
type Session = { id: string; request: string; timeMs: number; outcome: TwinOutcome };
type At = { index: number; term: number; timeMs: number };

export const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const requestOf = (write: RegisterWrite): string =>
  JSON.stringify(write, (_, value) => (value instanceof Uint8Array ? textOf(value) : (value as unknown)));

export class Twin {
  keys = new Map<string, Key>();
  leases = new Map<string, Lease>();
  locks = new Map<string, Lock>();
  sessions: Session[] = [];
  events: RegisterEvent[] = [];
  readonly sessionsMax: number;
  readonly sessionMs: number;

  constructor(sessionsMax: number, sessionMs: number) {
    this.sessionsMax = sessionsMax;
    this.sessionMs = sessionMs;
  }

  nextExpiryMs(): number {
    const times = [...this.keys.values(), ...this.leases.values()].map((one) => one.expiresAtMs ?? Number.POSITIVE_INFINITY);
    return Math.min(Number.POSITIVE_INFINITY, ...times);
  }

  apply(at: At, { write, session }: RegisterCommand): { outcome: TwinOutcome; events: RegisterEvent[] } {
    this.events = [];
    this.expire(at);
    if (session === undefined) return { outcome: this.execute(at, write), events: this.events };
    const request = requestOf(write);
    const seen = this.sessions.find((one) => one.id === session.id);
    if (seen !== undefined) {
      const outcome: TwinOutcome = seen.request === request ? seen.outcome : { ok: false, code: 'IDEMPOTENCY_CONFLICT' };
      return { outcome, events: this.events };
    }
    const outcome = this.execute(at, write);
    this.sessions.push({ id: session.id, request, timeMs: at.timeMs, outcome });
    while (this.sessions.length > this.sessionsMax) this.sessions.shift();
    return { outcome, events: this.events };
  }

  expire(at: At): void {
    const due = [
      ...[...this.keys].map(([name, key]) => ({ atMs: key.expiresAtMs ?? Number.POSITIVE_INFINITY, kind: 0, name })),
      ...[...this.leases].map(([name, lease]) => ({ atMs: lease.expiresAtMs, kind: 1, name })),
    ]
      .filter(({ atMs }) => atMs <= at.timeMs)
      .sort((a, b) => a.atMs - b.atMs || a.kind - b.kind || (a.name < b.name ? -1 : 1));
    for (const { kind, name } of due) {
      if (kind === 1) this.endLease(at, name, 'expire');
      else if (this.keys.has(name)) this.endKey(at, name, 'expire');
    }
    this.sessions = this.sessions.filter((one) => at.timeMs - one.timeMs < this.sessionMs);
  }

  endKey(at: At, key: string, type: 'expire' | 'delete'): void {
    this.keys.delete(key);
    this.events.push({ type, key, value: null, index: at.index, term: at.term });
  }

  endLease(at: At, lease: string, type: 'expire' | 'delete'): void {
    for (const key of [...this.keys.keys()].sort()) if (this.keys.get(key)!.lease === lease) this.endKey(at, key, type);
    for (const [name, lock] of [...this.locks]) if (lock.lease === lease) this.locks.delete(name);
    this.leases.delete(lease);
  }

  guard(key: string, condition: Condition | undefined, fence: Fence | undefined): string | null {
    if (fence !== undefined && !this.holds(fence.lock, fence.token)) return 'FENCED';
    const current = this.keys.get(key);
    if (condition?.kind === 'index' && (current?.index ?? 0) !== condition.index) return 'CAS_MISMATCH';
    if (condition?.kind === 'value' && current?.value !== textOf(condition.value)) return 'CAS_MISMATCH';
    return null;
  }

  holds(lock: string, { term, index }: FencingToken): boolean {
    const held = this.locks.get(lock);
    return held !== undefined && held.token.term === term && held.token.index === index;
  }

  execute({ index, term, timeMs }: At, write: RegisterWrite): TwinOutcome {
    const at = { index, term };
    const fail = (code: string): TwinOutcome => ({ ok: false, code });
    const done = (result: RegisterResult): TwinOutcome => ({ ok: true, result });
    switch (write.op) {
      case 'put': {
        const { key, ttlMs, lease } = write;
        const why = this.guard(key, write.condition, write.fence);
        if (why !== null) return fail(why);
        if (lease !== undefined && !this.leases.has(lease)) return fail('LEASE_NOT_FOUND');
        const old = this.keys.get(key);
        this.keys.set(key, {
          ...{ value: textOf(write.value), index, term, createIndex: old?.createIndex ?? index },
          version: (old?.version ?? 0) + 1,
          expiresAtMs: ttlMs === undefined ? null : timeMs + ttlMs,
          lease: lease ?? null,
        });
        this.events.push({ type: 'put', key, value: write.value, ...at });
        return done({ op: 'put', key, ...at });
      }
      case 'delete': {
        const why = this.guard(write.key, write.condition, write.fence);
        if (why !== null) return fail(why);
        if (this.keys.has(write.key)) this.endKey({ ...at, timeMs }, write.key, 'delete');
        else if (write.condition === undefined) return fail('KEY_NOT_FOUND');
        return done({ op: 'delete', key: write.key, ...at });
      }
      case 'lease-grant': {
        this.leases.set(write.lease, { ttlMs: write.ttlMs, expiresAtMs: timeMs + write.ttlMs });
        return done({ op: write.op, lease: write.lease, ...at, expiresAtMs: timeMs + write.ttlMs });
      }
      case 'lease-renew': {
        const lease = this.leases.get(write.lease);
        if (lease === undefined) return fail('LEASE_NOT_FOUND');
        lease.expiresAtMs = timeMs + lease.ttlMs;
        return done({ op: write.op, lease: write.lease, ...at, expiresAtMs: lease.expiresAtMs });
      }
      case 'lease-revoke': {
        if (!this.leases.has(write.lease)) return fail('LEASE_NOT_FOUND');
        this.endLease({ ...at, timeMs }, write.lease, 'delete');
        return done({ op: write.op, lease: write.lease, ...at, expiresAtMs: timeMs });
      }
      case 'lock-acquire': {
        const { lock, lease, owner } = write;
        if (!this.leases.has(lease)) return fail('LEASE_NOT_FOUND');
        const held = this.locks.get(lock);
        if (held !== undefined && (held.owner !== owner || held.lease !== lease)) return fail('LOCK_HELD');
        const token = held?.token ?? { term, index };
        this.locks.set(lock, { owner, lease, token });
        return done({ op: write.op, lock, token, ...at });
      }
      case 'lock-release': {
        if (!this.holds(write.lock, write.token)) return fail('FENCED');
        this.locks.delete(write.lock);
        return done({ op: write.op, lock: write.lock, token: write.token, ...at });
      }
      case 'expire':
        return done({ op: 'expire', ...at });
      default:
        throw new Error(`${write.op} has a twin of its own`);
    }
  }
}
