// What the host of services counted, for whoever scrapes: nothing of it is kept twice.
import { Counter, Gauge, type Metric, type Registry } from 'prom-client';
import type { HostedView, ServiceCounts, ServiceHost } from '../../actors/service-api.ts';

type Host = Pick<ServiceHost, 'view' | 'counts'>;

const secondsName = 'polity_service_seconds';
const secondsHelp = 'How long handlers of services took that ended here';

/** prom-client's own histogram can only be observed; this one is read from counts that stand already. */
const histogramOf = (host: () => Host | null) => {
  const valuesOf = ({ service, seconds }: ServiceCounts) => {
    let sum = 0;
    const buckets = seconds.counts.map((count, at) => {
      sum += count;
      const le = at < seconds.atMost.length ? seconds.atMost[at]! : '+Inf';
      return { metricName: `${secondsName}_bucket`, labels: { service, le }, value: sum };
    });
    return [
      ...buckets,
      { metricName: `${secondsName}_sum`, labels: { service }, value: seconds.sum },
      { metricName: `${secondsName}_count`, labels: { service }, value: sum },
    ];
  };
  return {
    ...{ name: secondsName, help: secondsHelp, type: 'histogram', aggregator: 'sum', labelNames: ['service'] },
    get: async () => ({
      ...{ name: secondsName, help: secondsHelp, type: 'histogram', aggregator: 'sum' },
      values: (host()?.counts() ?? []).flatMap(valuesOf),
    }),
    reset: () => {},
  };
};

const countedBy = (
  registry: Registry,
  host: () => Host | null,
  { name, help, label }: { name: string; help: string; label: string },
  read: (counts: ServiceCounts) => ReadonlyMap<string, number>,
): void => {
  new Counter({
    ...{ name, help, labelNames: ['service', label], registers: [registry] },
    collect() {
      this.reset();
      for (const counts of host()?.counts() ?? [])
        for (const [value, count] of read(counts)) this.inc({ service: counts.service, [label]: value }, count);
    },
  });
};

const shownBy = (
  registry: Registry,
  host: () => Host | null,
  { name, help }: { name: string; help: string },
  read: (view: HostedView) => number,
): void => {
  new Gauge({
    ...{ name, help, labelNames: ['service', 'version'], registers: [registry] },
    collect() {
      this.reset();
      for (const view of host()?.view() ?? []) this.set({ service: view.service, version: view.version }, read(view));
    },
  });
};

/** The names are bounded by the host: services of a node, and names that ever were on it. */
export const createServiceMetrics = (registry: Registry, host: () => Host | null): void => {
  const ended = { name: 'polity_service_calls_total', help: 'Calls of services that a handler began here, by how they ended' };
  countedBy(registry, host, { ...ended, label: 'outcome' }, (counts) => counts.ended);
  const refused = { name: 'polity_service_refused_total', help: 'Calls of services that no handler began here, by reason' };
  countedBy(registry, host, { ...refused, label: 'why' }, (counts) => counts.refused);
  const running = { name: 'polity_service_running', help: 'Calls of a service that run here now' };
  shownBy(registry, host, running, ({ bulkhead }) => bulkhead.running);
  const waiting = { name: 'polity_service_waiting', help: 'Calls of a service that wait here for their turn' };
  shownBy(registry, host, waiting, ({ bulkhead: { waiting: of } }) => of.critical + of.normal + of.background);
  const longest = {
    name: 'polity_service_longest_seconds',
    help: 'How long the oldest call of a service has been running here',
  };
  shownBy(registry, host, longest, ({ bulkhead }) => bulkhead.longestMs / 1_000);
  registry.registerMetric(histogramOf(host) as unknown as Metric);
};
