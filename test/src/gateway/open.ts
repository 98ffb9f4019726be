// A gateway on a free port of the loopback over a fake node.
import type { NodeApi } from '../../../actors/api.ts';
import { type Gateway, type GatewayLimits, openGateway } from '../../../src/gateway/index.ts';
import { createMetrics } from '../../../src/metrics.ts';

export type TestGatewayOptions = {
  token?: string;
  hosts?: string[];
  inspect?: 'off' | 'loopback' | 'token';
  limits?: Partial<GatewayLimits>;
  onLog?: (code: string, facts: Record<string, unknown> | undefined) => void;
};

export const openTestGateway = async (node: NodeApi | null, options: TestGatewayOptions = {}): Promise<Gateway> => {
  const metrics = createMetrics({ name: 'n1', version: '0.0.0' });
  const gateway = await openGateway({
    ...{ host: '127.0.0.1', port: 0, token: options.token ?? null, hosts: options.hosts ?? [], metrics },
    sink: { log: (_level, code, _message, facts) => options.onLog?.(code, facts), count: metrics.count },
    ...(options.inspect === undefined ? {} : { inspect: options.inspect }),
    ...(options.limits === undefined ? {} : { limits: options.limits }),
  });
  if (node === null) return gateway;
  metrics.follow(node);
  gateway.serve(node);
  return gateway;
};
