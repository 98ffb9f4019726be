// One reader of what happens at this node: finds those whom he wants to follow, as they come and go, and gives him what is seen of them in
// batches, no more a second than he wants.
import { type ActorAddress, addressText } from '../machines/entity/address.ts';
import { type InspectBatch, type InspectItem, inspectLimits } from './inspect-api.ts';
import { type Chart, childChartOf, type NamedChart } from './inspect-chart.ts';
import type { Subject } from './inspect-subject.ts';
import type { Glimpse, Watches } from './inspect-watch.ts';
import type { ClockPort, Timer } from './ports/index.ts';
import type { Scope } from './supervise.ts';

/** Checked, and about this node alone. */
export type LocalWanted = {
  readonly addresses: readonly ActorAddress[];
  readonly types: readonly string[];
  readonly correlation: string | null;
  readonly perSecond: number;
};

export type LocalFollowArguments = {
  scope: Scope;
  clock: ClockPort;
  watches: Watches;
  wanted: LocalWanted;
  find: (address: ActorAddress) => Subject | null;
  /** At most so many of a type. */
  listed: (type: string, limit: number) => readonly Subject[];
  /** Told of each that comes to life, before its first event. */
  onOpened: (listener: (subject: Subject) => void) => () => void;
  on: (batch: InspectBatch) => void;
};

export interface LocalFollow {
  stop(): void;
}

const refreshMs = 250;
const batchMax = 500;

type Followed = { readonly subject: Subject; readonly end: () => void };

export const followHere = (args: LocalFollowArguments): LocalFollow => {
  const { scope, clock, watches, wanted } = args;
  const followed = new Map<string, Followed>();
  const chartsTold = new Set<string>();
  let items: InspectItem[] = [];
  let charts: Record<string, Chart> = {};
  let leftOut = 0;
  let flushing: Timer | null = null;
  let refreshing: Timer | null = null;
  let isOver = false;
  /** Tokens of a bucket that holds a second's worth. */
  let tokens = wanted.perSecond;
  let filledAtMs = clock.nowMs();

  const mayTake = (nowMs: number): boolean => {
    tokens = Math.min(wanted.perSecond, tokens + ((nowMs - filledAtMs) / 1_000) * wanted.perSecond);
    filledAtMs = nowMs;
    if (tokens < 1) return false;
    tokens--;
    return true;
  };

  const flush = (): void => {
    flushing?.cancel();
    flushing = null;
    if (isOver || (items.length === 0 && leftOut === 0)) return;
    const batch = { items, charts, leftOut };
    items = [];
    charts = {};
    leftOut = 0;
    args.on(batch);
  };
  const arm = (): void => {
    flushing ??= scope.after(inspectLimits.flushMs, flush);
  };
  const push = (item: InspectItem): void => {
    items.push(item);
    if (items.length >= batchMax) flush();
    else arm();
  };

  const isWanted = ({ seen, trail }: Glimpse): boolean =>
    wanted.correlation === null ||
    (seen.type !== 'event' && seen.type !== 'snapshot') ||
    trail?.correlation === wanted.correlation;

  const tellChart = (name: string | null, chart: () => Chart | null): void => {
    if (name === null || chartsTold.has(name)) return;
    const found = chart();
    if (found === null) return;
    chartsTold.add(name);
    charts[name] = found;
  };
  const tellChildChart = (named: NamedChart | null): void => tellChart(named?.name ?? null, () => named!.chart);

  const begin = (key: string, subject: Subject, share: number): void => {
    const end = watches.watch(subject, (glimpse) => {
      if (isOver || !isWanted(glimpse)) return;
      const isEnd = glimpse.seen.type === 'ended' && glimpse.seen.path === '';
      if (isEnd || mayTake(glimpse.nowMs)) {
        const { seen } = glimpse;
        if (seen.type === 'actor') tellChildChart(childChartOf(seen.logic, subject.redact));
        push(glimpse.item());
      } else {
        leftOut++;
        arm();
      }
      if (isEnd) drop(key);
    });
    followed.set(key, { subject, end });
    tellChart(subject.chartName, subject.chart);
    push(watches.actorItem(subject, '', subject.address.type, subject.snapshot(), subject.chartName, share));
    for (const { path, src, snapshot, chart } of subject.children()) {
      tellChildChart(chart);
      push(watches.actorItem(subject, path, src, snapshot, chart?.name ?? null, Math.max(share, 4)));
    }
  };

  const drop = (key: string): void => {
    followed.get(key)?.end();
    followed.delete(key);
  };

  /** Whom a refresh does not find any more, and who said nothing. */
  const gone = (key: string, { subject }: Followed): void => {
    drop(key);
    const { address, node } = watches.actorItem(subject, '', '', null, null, 64);
    push({ type: 'ended', address, node, path: '', atMs: clock.wallMs(), reason: 'gone' });
  };

  const see = (subject: Subject, share: number): void => {
    const key = addressText(subject.address);
    const known = followed.get(key);
    if (known !== undefined && known.subject.life === subject.life) return;
    if (known !== undefined) gone(key, known);
    if (followed.size < inspectLimits.actorsMax) begin(key, subject, share);
  };

  const refresh = (): void => {
    for (const [key, one] of [...followed]) {
      const now = args.find(one.subject.address);
      if (now === null || now.life !== one.subject.life) gone(key, one);
    }
    for (const address of wanted.addresses) {
      const subject = args.find(address);
      if (subject !== null) see(subject, 1);
    }
    // To list a type means to look at all actors; who follows as many as may be followed need not.
    for (const type of followed.size < inspectLimits.actorsMax ? wanted.types : [])
      for (const subject of args.listed(type, inspectLimits.actorsMax)) see(subject, 4);
    refreshing = scope.after(refreshMs, refresh);
  };

  const isMeant = ({ type, key, node }: ActorAddress): boolean =>
    wanted.types.includes(type) ||
    wanted.addresses.some((one) => one.type === type && one.key === key && (one.node === null || one.node === node));
  // A refresh would come too late for its first events.
  const endOpened = args.onOpened(
    scope.guard((subject) => {
      if (!isOver && isMeant(subject.address)) see(subject, wanted.types.includes(subject.address.type) ? 4 : 1);
    }),
  );
  refresh();
  return {
    stop() {
      isOver = true;
      endOpened();
      flushing?.cancel();
      refreshing?.cancel();
      for (const key of [...followed.keys()]) drop(key);
    },
  };
};
