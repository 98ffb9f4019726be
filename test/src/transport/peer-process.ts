// Starts and questions `peer.ts` processes.
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { PeerArguments } from './peer.ts';

export type PeerStatus = { received: number; rss: number; cpuMs: number };
type Line = { type: string; addresses?: string[] } & Partial<PeerStatus>;

export type PeerProcess = {
  child: ChildProcess;
  addresses(): Promise<string[]>;
  status(): Promise<PeerStatus>;
  /** Ends it in order and waits for that. */
  end(): Promise<void>;
  /** kill -9. */
  kill(): Promise<void>;
};

export const startPeer = (given: PeerArguments): PeerProcess => {
  const script = fileURLToPath(new URL('./peer.ts', import.meta.url));
  const child = spawn(process.execPath, [script, JSON.stringify(given)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const waiting: ((line: Line) => boolean)[] = [];
  const seen: Line[] = [];
  createInterface({ input: child.stdout! }).on('line', (text) => {
    const line = JSON.parse(text) as Line;
    seen.push(line);
    for (const take of [...waiting]) if (take(line)) waiting.splice(waiting.indexOf(take), 1);
  });
  const next = (type: string): Promise<Line> =>
    new Promise((resolve) => {
      waiting.push((line) => {
        if (line.type !== type) return false;
        resolve(line);
        return true;
      });
    });
  const ended = new Promise<void>((resolve) => child.on('exit', () => resolve()));
  // A stopped or already ended peer must not fail who asks it.
  child.stdin!.on('error', () => {});
  return {
    child,
    addresses: async () => (seen.find((line) => line.type === 'listening') ?? (await next('listening'))).addresses ?? [],
    status: async () => {
      const answer = next('status');
      child.stdin!.write('status\n');
      return (await answer) as PeerStatus;
    },
    end: () => {
      child.stdin!.end();
      return ended;
    },
    kill: () => {
      child.kill('SIGKILL');
      return ended;
    },
  };
};
