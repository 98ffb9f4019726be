// A program looks at a durable run through nodes that break off: it asks for one that has begun by its id alone, so that one that ended and
// was forgotten meanwhile does not begin once more.
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { createClient } from '../../src/client/index.ts';

type Answer = { status: number; lines: readonly object[]; breaks?: boolean };

/** Answers one request after the other, and tells which they were. */
const serving = async (answers: readonly Answer[]): Promise<{ server: Server; url: string; asked: string[] }> => {
  const asked: string[] = [];
  const left = [...answers];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    const { status, lines, breaks = false } = left.shift() ?? { status: 500, lines: [] };
    request.resume().on('end', () => {
      const type = status === 200 ? 'application/x-ndjson' : 'application/problem+json';
      response.writeHead(status, { 'content-type': type });
      const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
      if (!breaks) return response.end(text);
      response.write(text, () => setTimeout(() => response.destroy(), 20));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
};

const graph = { steps: { a: { service: 's', method: 'm' }, b: { service: 's', method: 'm' } } };
const step = (name: string) => ({ step: name, status: 'done', result: null });
const problem = (code: string, status: number) => ({
  code,
  status,
  title: code,
  detail: 'it says so',
  retryable: false,
  definite: true,
});
const gone = { failed: { ...problem('OUTCOME_UNKNOWN', 504), definite: false }, failedStep: null, notUndone: [], tookMs: 0 };

const reading = async (answers: readonly Answer[]): Promise<{ told: string[]; asked: string[]; code: string | null }> => {
  const { server, url, asked } = await serving(answers);
  const client = createClient({ urls: [url] });
  const told: string[] = [];
  let code: string | null = null;
  try {
    for await (const one of client.runs.run(graph, { durable: 'x y' })) told.push(one.step);
  } catch (error) {
    code = (error as { code: string }).code;
  } finally {
    client.close();
    server.closeAllConnections();
    server.close();
  }
  return { told, asked, code };
};

test('one that has begun is looked for by its id, and told on from where it was', async () => {
  const end = { end: true, failedStep: null, notUndone: [], tookMs: 3 };
  const { told, asked, code } = await reading([
    { status: 200, lines: [step('a')], breaks: true },
    { status: 200, lines: [step('a'), gone] },
    { status: 200, lines: [step('a'), step('b'), end] },
  ]);
  assert.deepEqual([told, code], [['a', 'b'], null]);
  assert.deepEqual(asked, ['POST /v1/run?id=x+y', 'GET /v1/runs/x%20y', 'GET /v1/runs/x%20y']);
});

test('one that was forgotten meanwhile does not begin anew, and nobody says that it never was', async () => {
  const { asked, code } = await reading([
    { status: 200, lines: [], breaks: true },
    { status: 404, lines: [problem('NOT_FOUND', 404)] },
  ]);
  assert.equal(code, 'OUTCOME_UNKNOWN');
  assert.deepEqual(asked, ['POST /v1/run?id=x+y', 'GET /v1/runs/x%20y']);
});
