// Real transports on loopback for the suites: identities by name, port 0, a generous patience that only a failure uses up.

import type { SinkPort } from '../../../actors/ports/index.ts';
import { createTransport, generateIdentity, type TransportLimits } from '../../../src/transport/index.ts';
import type { NetworkWorld } from '../../ports/network-suite.ts';

export const secret = new Uint8Array(32).fill(7);
export const loopback = '/ip4/127.0.0.1/tcp/0';

export const countingSink = (): SinkPort & { counts: Map<string, number>; lines: string[] } => {
  const counts = new Map<string, number>();
  const lines: string[] = [];
  return {
    counts,
    lines,
    log: (level, code, message, facts) => lines.push(`${level} ${code} ${message} ${JSON.stringify(facts)}`),
    count: (name, labels, by = 1) => {
      const key = `${name} ${Object.values(labels ?? {}).join(' ')}`.trim();
      counts.set(key, (counts.get(key) ?? 0) + by);
    },
  };
};

export const until = async (condition: () => boolean, what: string, patienceMs = 15_000): Promise<void> => {
  const endMs = performance.now() + patienceMs;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`waited ${patienceMs} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
};

export const realWorld = async (
  messaging: 'auto' | 'gossipsub',
  limits: Partial<TransportLimits> = {},
): Promise<NetworkWorld> => {
  const identities = new Map<string, Uint8Array>();
  return {
    create: async (name) => {
      const identity = identities.get(name) ?? (await generateIdentity());
      identities.set(name, identity);
      const sink = countingSink();
      return createTransport({ identity, listen: [loopback], cluster: 'suite', secret, messaging, sink, limits });
    },
    until,
    close: async () => {},
  };
};
