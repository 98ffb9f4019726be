// A NATS server of this benchmark's own, where one is installed; the package `nats`, which Moleculer's transporter needs, is looked for
// too. Null: one of them is not there.
import { spawn, spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { freePorts } from '../test/e2e/cluster.ts';
import { gone, owned } from './children.ts';
import { sleep } from './figures.ts';

const isThere = (): boolean => {
  if (spawnSync('nats-server', ['--version'], { stdio: 'ignore' }).status !== 0) return false;
  try {
    createRequire(import.meta.url).resolve('nats');
    return true;
  } catch {
    return false;
  }
};

export const startNats = async (): Promise<{ url: string; stop: () => Promise<void> } | null> => {
  if (!isThere()) return null;
  const [port] = await freePorts(1);
  const server = owned(spawn('nats-server', ['-a', '127.0.0.1', '-p', `${port}`], { stdio: 'ignore' }));
  await sleep(500);
  return {
    url: `nats://127.0.0.1:${port}`,
    async stop() {
      server.kill('SIGTERM');
      await gone(server, 3_000);
    },
  };
};
