// What the tests of etcd need of a server that is not etcd: the messages of its JSON gateway, written by hand.
import type { ServerResponse } from 'node:http';
import type { Announcement } from '../../../actors/ports/index.ts';
import type { EtcdTiming } from '../../../src/discovery/etcd.ts';
import { formRecord } from '../../../src/discovery/record.ts';
import { type Answering, FakeHttp, json } from './fake-http.ts';
import { member } from './source-run.ts';

/** Short, for tests; a lease is longer than a busy machine lets a process wait. */
export const etcdTiming: EtcdTiming = { leaseSeconds: 2, renewMs: 300, compareMs: 400, answerMs: 2_000, farewellMs: 1_000 };

const header = (revision: number) => ({ revision: String(revision) });

export const kvOf = (self: Announcement, revision: number, prefix = '/polity') => ({
  key: btoa(`${prefix}/${self.cluster}/${self.peer}`),
  value: btoa(JSON.stringify(formRecord(self))),
  mod_revision: String(revision),
});

export const rangeOf = (revision: number, ...kvs: unknown[]) => ({ header: header(revision), kvs, count: String(kvs.length) });

export const tell = (response: ServerResponse, ...results: unknown[]): void => {
  for (const result of results) response.write(`${JSON.stringify({ result })}\n`);
};

export const created = (revision: number) => ({ header: header(revision), created: true });
export const change = (revision: number, type: 'PUT' | 'DELETE', kv: unknown) => ({
  header: header(revision),
  events: [{ type, kv }],
});

/** A server with member 1, whose watch begins and stays silent; `paths` says what it does otherwise. */
export const fakeEtcd = (paths: Record<string, Answering>, port = 0): Promise<FakeHttp> =>
  FakeHttp.start(
    (asked, response) => {
      const answering = paths[asked.path];
      if (answering !== undefined) return answering(asked, response);
      if (asked.path === '/v3/kv/range') return json(response, rangeOf(7, kvOf(member(1), 5)));
      if (asked.path === '/v3/watch') return tell(response, created(7));
      if (asked.path === '/v3/lease/grant') return json(response, { ID: '77', TTL: '1' });
      if (asked.path === '/v3/lease/keepalive') return json(response, { result: { ID: '77', TTL: '1' } });
      json(response, {});
    },
    { port },
  );
