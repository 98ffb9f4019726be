// Streams of calls over HTTP, from a node that is not what it should be: whatever breaks them off, the call may have happened.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { createClient, PolityError } from '../../../src/client/index.ts';

test('an item that is too large, or is none, ends a stream that may have happened', async (t) => {
  let body: Buffer = Buffer.alloc(0);
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    response.end(body);
  });
  t.after(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const client = createClient({ urls: [`http://127.0.0.1:${(server.address() as AddressInfo).port}`] });
  t.after(() => client.close());
  for (body of [Buffer.alloc(5 << 20, 'x'), Buffer.from('[]\n'), Buffer.from('{"item":1}\n')]) {
    const read = async (): Promise<void> => {
      for await (const _item of client.stream('s', 'm', null));
    };
    await assert.rejects(read, (error) => {
      assert.ok(error instanceof PolityError);
      assert.deepEqual([error.code, error.definite], ['OUTCOME_UNKNOWN', false], error.message);
      return true;
    });
  }
});
