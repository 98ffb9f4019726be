// Network namespaces for tests of multicast: two machines in small, joined by a cable of their own. Nothing that runs in them has an
// interface of the real machine, so nothing that it sends can leave. Root and `ip` (iproute2) are needed.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';

export type Networks = {
  /** The IPv4 address of each. */
  addresses: readonly [string, string];
  /** Starts a program in one of them; ended by `remove` at the latest. */
  start(at: 0 | 1, command: string, args: readonly string[], env?: NodeJS.ProcessEnv): ChildProcess;
  /** Runs `ip` for one of them: `ip(0, 'link', 'set', 'lo', 'down')`. */
  ip(at: 0 | 1, ...args: string[]): string;
  /** The name of the interface that leads to the other. */
  cable(at: 0 | 1): string;
  remove(): Promise<void>;
};

const ip = (...args: string[]): string => execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

/** Why there can be no namespaces here, or null. */
export const whyNoNamespaces = (): string | null => {
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  const name = `pty-${randomBytes(4).toString('hex')}`;
  try {
    ip('netns', 'add', name);
  } catch (error) {
    return `network namespaces need \`ip netns\` (iproute2) and the right to make them: ${(error as Error).message.split('\n')[0]}`;
  }
  ip('netns', 'del', name);
  return null;
};

const ended = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

const end = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (ended(child) || child.pid === undefined) return resolve();
    child.once('exit', () => resolve());
    child.kill('SIGKILL');
  });

/** Two namespaces with loopback and a veth pair: 10.213.0.1/24 and 10.213.0.2/24, and no route besides. */
export const createNetworks = async (): Promise<Networks> => {
  const id = randomBytes(4).toString('hex');
  const names = [`pty-${id}-0`, `pty-${id}-1`] as const;
  const cables = [`pv${id}0`, `pv${id}1`] as const;
  const addresses = ['10.213.0.1', '10.213.0.2'] as const;
  const children: ChildProcess[] = [];
  const removeNames = (): void => {
    for (const name of names)
      try {
        ip('netns', 'del', name);
      } catch {
        // Never made, or removed before.
      }
  };
  process.once('exit', removeNames);
  try {
    for (const name of names) ip('netns', 'add', name);
    ip('link', 'add', cables[0], 'netns', names[0], 'type', 'veth', 'peer', 'name', cables[1], 'netns', names[1]);
    for (const at of [0, 1] as const) {
      ip('-n', names[at], 'address', 'add', `${addresses[at]}/24`, 'dev', cables[at]);
      for (const device of ['lo', cables[at]]) ip('-n', names[at], 'link', 'set', device, 'up');
    }
    // The kernel takes up to a second to call a cable plugged in; before, programs do not see the interface.
    const isUp = (at: 0 | 1): boolean => ip('-n', names[at], 'link', 'show', cables[at]).includes('state UP');
    for (let left = 200; !(isUp(0) && isUp(1)); left--) {
      if (left === 0) throw new Error('the cable between the namespaces does not come up');
      await pause(25);
    }
  } catch (error) {
    removeNames();
    throw error;
  }
  return {
    addresses,
    start(at, command, args, env = {}) {
      const child = spawn('ip', ['netns', 'exec', names[at], command, ...args], {
        env: { ...process.env, ...env },
        stdio: ['pipe', 'pipe', 'pipe'],
      });
      children.push(child);
      return child;
    },
    ip: (at, ...args) => ip('-n', names[at], ...args),
    cable: (at) => cables[at],
    async remove() {
      await Promise.all(children.map(end));
      process.removeListener('exit', removeNames);
      removeNames();
    },
  };
};
