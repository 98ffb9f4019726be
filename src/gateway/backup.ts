// `GET /v1/groups/{id}/backup`: a consistent copy of a group as JSON lines, page by page at the reader's pace. The first line says
// what it is, the last how many records there were and the SHA-256 of every byte before it, so that half a file is never taken
// for a whole one.
import { createHash } from 'node:crypto';
import type { BackupPart, NodeApi } from '../../actors/api.ts';
import { type Failure, failure } from '../../machines/errors.ts';
import { limits } from '../../machines/wire/limits.ts';
import { toProblem } from '../errors.ts';
import type { Metrics } from '../metrics.ts';
import { bufferOf } from './answers.ts';
import type { Exchange } from './exchange.ts';
import type { GatewayLimits } from './limits.ts';
import { Outlet } from './outlet.ts';
import { Query, segmentOfPath } from './query.ts';
import type { Route } from './routes.ts';

export const backupFormat = { format: 'polity-backup', version: 1 } as const;

const headers = { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' };

const recordLine = ([key, value]: [Uint8Array, Uint8Array]): string =>
  `{"k":"${bufferOf(key).toString('base64')}","v":"${bufferOf(value).toString('base64')}"}\n`;

type BackupPorts = { metrics: Metrics; limits: GatewayLimits; open: Set<Backup> };

class Backup {
  readonly #exchange: Exchange;
  readonly #ports: BackupPorts;
  readonly #hash = createHash('sha256');
  #records = 0;
  #outlet: Outlet | null = null;
  #stop: () => void = () => {};
  #over = false;

  constructor(exchange: Exchange, ports: BackupPorts) {
    this.#exchange = exchange;
    this.#ports = ports;
    ports.open.add(this);
    ports.metrics.streams('backup', 1);
    exchange.reply.raw.once('close', () => this.#finish());
  }

  start(api: NodeApi, group: string, timeoutMs: number): void {
    this.#exchange.overdueAtMs = performance.now() + timeoutMs;
    const { cluster } = api.status();
    const stop = api.backup(group, { timeoutMs }, (part, more) => this.#on(part, more, cluster));
    if (this.#over) stop();
    else this.#stop = stop;
  }

  #on(part: BackupPart, more: () => void, cluster: string): void {
    if (this.#over) return;
    switch (part.type) {
      case 'start': {
        const { group, index, term, timeMs } = part;
        this.#line(`${JSON.stringify({ ...backupFormat, cluster, group, index, term, timeMs })}\n`);
        return this.#outlet?.drained(more);
      }
      case 'records':
        this.#records += part.records.length;
        this.#line(part.records.map(recordLine).join(''));
        return this.#outlet?.drained(more);
      case 'end':
        this.#opened().end(`${JSON.stringify({ end: true, records: this.#records, sha256: this.#hash.digest('hex') })}\n`);
        return this.#finish();
      case 'failed':
        return this.fail(part.failure);
    }
  }

  #line(text: string): void {
    this.#hash.update(text);
    // One page at a time is asked for, so what waits is bounded by a page.
    this.#opened().write(text);
  }

  #opened(): Outlet {
    if (this.#outlet !== null) return this.#outlet;
    this.#exchange.claim(200);
    this.#exchange.reply.hijack();
    const options = {
      bytesMax: Number.POSITIVE_INFINITY,
      graceMs: this.#ports.limits.requestMs,
      onClosed: () => this.#finish(),
    };
    this.#outlet = new Outlet({ response: this.#exchange.reply.raw, headers, ...options });
    return this.#outlet;
  }

  fail(why: Failure): void {
    if (this.#over) return;
    if (this.#outlet === null) this.#exchange.problem(why);
    else this.#outlet.end(`${JSON.stringify({ failed: toProblem(why) })}\n`);
    this.#ports.metrics.streamEnded('backup', why.code);
    this.#finish();
  }

  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.#stop();
    this.#ports.open.delete(this);
    this.#ports.metrics.streams('backup', -1);
  }
}

export const createBackups = (ports: {
  metrics: Metrics;
  limits: GatewayLimits;
}): { routes: readonly Route[]; close(why: Failure): void } => {
  const open = new Set<Backup>();
  const backup = (exchange: Exchange, api: NodeApi): void => {
    const query = Query.of(exchange.url, ['timeout-ms']);
    const timeoutMs = query.count('timeout-ms', 1, limits.callTimeoutMsMax) ?? limits.callTimeoutMsDefault;
    const group = segmentOfPath(exchange.url, 2, 'the group');
    if (open.size >= ports.limits.backupsMax)
      return exchange.problem(failure('OVERLOADED', `this node makes ${open.size} backups already`));
    new Backup(exchange, { ...ports, open }).start(api, group, timeoutMs);
  };
  return {
    routes: [{ method: 'GET', path: '/v1/groups/:group/backup', handle: backup }],
    close(why) {
      for (const one of [...open]) one.fail(why);
    },
  };
};
