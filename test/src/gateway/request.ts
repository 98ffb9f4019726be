// One HTTP request over a connection of its own, with the path exactly as given: fetch would normalise what these tests are about.
import http from 'node:http';
import type { Gateway } from '../../../src/gateway/index.ts';

export type Answer = { status: number; headers: http.IncomingHttpHeaders; bytes: Buffer; json: Record<string, unknown> };

export type Asking = { headers?: Record<string, string>; body?: string | Uint8Array; agent?: http.Agent };

const jsonOf = (bytes: Buffer): Record<string, unknown> => {
  try {
    return JSON.parse(bytes.toString('utf8')) as Record<string, unknown>;
  } catch {
    return {};
  }
};

export const ask = (
  gateway: Gateway,
  method: string,
  path: string,
  { headers = {}, body, agent }: Asking = {},
): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(gateway.url);
    const options = { hostname, port, method, path, headers, ...(agent === undefined ? { agent: false as const } : { agent }) };
    const request = http.request(options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const bytes = Buffer.concat(chunks);
        resolve({ status: response.statusCode!, headers: response.headers, bytes, json: jsonOf(bytes) });
      });
    });
    request.on('error', reject);
    request.end(body);
  });
