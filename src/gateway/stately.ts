// What happens to actors in the event protocol of @statelyai/inspect (0.7), which inspectors and their adapters speak: one JSON object for
// each actor that is seen, event that reaches one and snapshot it comes to. An actor's session is its address; of a child, the address, `#`
// and the ids that lead to it. Beside the protocol's own fields stands `polity`: where it was seen, and the correlation.
import type { InspectItem, ShownSnapshot } from '../../actors/inspect-api.ts';
import type { Chart } from '../../actors/inspect-chart.ts';
import { toProblem } from '../errors.ts';

/** Of the package whose protocol it is; receivers want to see one. */
export const protocolVersion = '0.7.2';

type Base = {
  rootId: string;
  sessionId: string;
  /** Milliseconds since 1970, as text. */
  createdAt: string;
  id: string;
  _version: string;
  polity: { node: string; correlation?: string; source?: string; reason?: string };
};

export type StatelyEvent =
  | (Base & {
      type: '@xstate.actor';
      name: string;
      snapshot: ShownSnapshot;
      /** The chart, as JSON. */
      definition: string | undefined;
      parentId: string | undefined;
    })
  | (Base & { type: '@xstate.event'; event: unknown; sourceId: string | undefined })
  | (Base & { type: '@xstate.snapshot'; event: unknown; snapshot: ShownSnapshot });

/** What the protocol has no word for. */
export type OwnEvent =
  | { type: '@polity.left-out'; count: number; _version: string }
  | { type: '@polity.node'; node: string; problem: unknown; createdAt: string; _version: string };

const sessionOf = (address: string, path: string): string => (path === '' ? address : `${address}#${path}`);

const parentOf = (address: string, path: string): string | undefined =>
  path === '' ? undefined : sessionOf(address, path.slice(0, Math.max(0, path.lastIndexOf('/'))));

const noEvent = { type: '' };

/** How an actor's end is told: as its last snapshot. */
const endStatus: Record<string, string> = { done: 'done', failed: 'error' };

/** One connection's: charts come once each, and each actor has its own. */
export const createStately = () => {
  const charts = new Map<string, string>();
  let lastId = 0;

  const base = (item: Exclude<InspectItem, { type: 'node' }>): Base => {
    const { address, path, node, atMs } = item;
    return {
      ...{ rootId: address, sessionId: sessionOf(address, path), createdAt: String(atMs), id: String(++lastId) },
      ...{ _version: protocolVersion, polity: { node } },
    };
  };

  return {
    learn(told: Readonly<Record<string, Chart>>): void {
      for (const [name, chart] of Object.entries(told)) charts.set(name, JSON.stringify(chart));
    },
    event(item: InspectItem): StatelyEvent | OwnEvent {
      if (item.type === 'node') {
        const problem = item.failure === null ? null : toProblem(item.failure);
        return { type: '@polity.node', node: item.node, problem, createdAt: String(item.atMs), _version: protocolVersion };
      }
      const of = base(item);
      switch (item.type) {
        case 'actor': {
          const definition = item.chart === null ? undefined : charts.get(item.chart);
          const name = item.path === '' ? item.address : item.src;
          return {
            ...of,
            type: '@xstate.actor',
            name,
            snapshot: item.snapshot,
            definition,
            parentId: parentOf(item.address, item.path),
          };
        }
        case 'event': {
          const { event, source, correlation } = item;
          const sourceId = source === '' ? undefined : source;
          return { ...of, type: '@xstate.event', event, sourceId, polity: { ...of.polity, source, correlation } };
        }
        case 'snapshot': {
          const { event, snapshot, correlation } = item;
          return { ...of, type: '@xstate.snapshot', event: event ?? noEvent, snapshot, polity: { ...of.polity, correlation } };
        }
        case 'ended': {
          const snapshot = { status: endStatus[item.reason] ?? 'stopped' };
          return { ...of, type: '@xstate.snapshot', event: noEvent, snapshot, polity: { ...of.polity, reason: item.reason } };
        }
      }
    },
  };
};

export const leftOutEvent = (count: number): OwnEvent => ({ type: '@polity.left-out', count, _version: protocolVersion });
