// A process that loads a cluster and does nothing else, so that its own cost is seen and bounded: closed-loop clients, one request
// at a time each, over HTTP/1.1 on sockets of its own or, inside of a member, over the embedded API.
// As a program: node bench/load.ts '{"targets":[{"host","port"}],"clients":N,"forMs":N,"kind":"polity"|"etcd"}' prints Load as JSON.
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { quantile } from './figures.ts';

export type Load = {
  clients: number;
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  errors: number;
  /** Processor time of the load itself, in processors. */
  ownCpu: number;
};

export type LoadPlan = {
  targets: readonly { host: string; port: number }[];
  clients: number;
  forMs: number;
  kind: 'polity' | 'etcd';
};

export const keysOfClient = 100;
const value = 'v'.repeat(100);

/** What a closed loop measured. */
export const summarise = (clients: number, tookMs: readonly number[], forMs: number, errors: number, cpuMs: number): Load => ({
  ...{ clients, errors, perSecond: Math.round((tookMs.length * 1000) / forMs), ownCpu: Number((cpuMs / forMs).toFixed(2)) },
  ...{ p50Ms: Number(quantile(tookMs, 0.5).toFixed(2)), p99Ms: Number(quantile(tookMs, 0.99).toFixed(2)) },
});

const requestOf = (kind: LoadPlan['kind'], key: string): string => {
  if (kind === 'polity')
    return `PUT /v1/kv/${key} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: ${value.length}\r\n\r\n${value}`;
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const body = JSON.stringify({ key: base64(key), value: base64(value) });
  return `POST /v3/kv/put HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
};

/** The bytes of one whole response, or 0 while it is not there. Both servers say how long it is. */
const responseLength = (text: string): number => {
  const head = text.indexOf('\r\n\r\n');
  if (head === -1) return 0;
  const length = /\r\ncontent-length: *(\d+)/i.exec(text.slice(0, head + 2));
  const whole = head + 4 + Number(length?.[1] ?? 0);
  return text.length >= whole ? whole : 0;
};

export const loadOverHttp = (plan: LoadPlan): Promise<Load> =>
  new Promise((resolve, reject) => {
    const { targets, clients, forMs, kind } = plan;
    const tookMs: number[] = [];
    let errors = 0;
    let open = clients;
    const cpuBefore = process.cpuUsage();
    const beganMs = performance.now();
    const endMs = beganMs + forMs;
    const over = (): void => {
      if (--open > 0) return;
      const { user, system } = process.cpuUsage(cpuBefore);
      resolve(summarise(clients, tookMs, performance.now() - beganMs, errors, (user + system) / 1000));
    };
    for (let client = 0; client < clients; client++) {
      const { host, port } = targets[client % targets.length]!;
      const socket = connect({ host, port, noDelay: true });
      let startMs = 0;
      let text = '';
      let requests = 0;
      const send = (): void => {
        startMs = performance.now();
        if (startMs >= endMs) {
          socket.destroy();
          return over();
        }
        socket.write(requestOf(kind, `c${client}-${requests++ % keysOfClient}`));
      };
      socket.on('connect', send);
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1');
        if (responseLength(text) === 0) return;
        if (text.startsWith('HTTP/1.1 200')) tookMs.push(performance.now() - startMs);
        else errors++;
        text = '';
        send();
      });
      socket.on('error', reject);
    }
  });

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const plan = JSON.parse(process.argv[2]!) as LoadPlan;
  process.stdout.write(JSON.stringify(await loadOverHttp(plan)));
}
