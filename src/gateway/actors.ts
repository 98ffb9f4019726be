// Actors over HTTP (row N3): an event as JSON comes in, and what becomes of it goes out. What is no event of theirs, is too large or names
// no actor is refused here; who may be asked at all is said by the definitions that the cluster hosts.
import { actorLimits } from '../../actors/actor-api.ts';
import { plainOf, revive } from '../../actors/actor-values.ts';
import type { NodeApi, Outcome } from '../../actors/api.ts';
import type { SinkPort } from '../../actors/ports/index.ts';
import { type ActorAddress, addressText } from '../../machines/entity/address.ts';
import { type Failure, failure } from '../../machines/errors.ts';
import { lookOnce } from '../actor/first.ts';
import { demandEvent, Ref, type RefPort, refPortOf } from '../actor/ref.ts';
import type { Metrics } from '../metrics.ts';
import { jsonOfValue, valueOfBytes } from '../service-json.ts';
import { ActorWatch } from './actors-watch.ts';
import type { Exchange } from './exchange.ts';
import { inspectRefusal, type MayInspect } from './inspect.ts';
import type { GatewayLimits } from './limits.ts';
import { checkedAddress, Query, refuse, segmentOfPath } from './query.ts';
import type { Route } from './routes.ts';

type Ports = { metrics: Metrics; limits: GatewayLimits; sink: SinkPort; inspect: MayInspect };

const waiting = ['node', 'timeout-ms'] as const;
const idForm = /^[\x20-\x7e]{1,128}$/;

/** Of one that belongs to a node and is asked for without one: this node's. */
const addressOf = (exchange: Exchange, api: NodeApi, query: Query): ActorAddress => {
  const type = segmentOfPath(exchange.url, 2, 'the type');
  const key = segmentOfPath(exchange.url, 3, 'the key');
  const named = query.text('node');
  const hosted = named === undefined ? api.actors.definitions().find(({ name }) => name === type) : undefined;
  const isBound = hosted?.placement === 'node' || hosted?.placement === 'each';
  return checkedAddress({ type, key, node: named ?? (isBound ? api.status().name : null) });
};

const timeoutOf = (query: Query): number => query.count('timeout-ms', 1, actorLimits.timeoutMsMax) ?? actorLimits.timeoutMs;

const eventOf = (exchange: Exchange, port: RefPort) => {
  const value = valueOfBytes(exchange.body, 'the event');
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return refuse('the body is an event: {"type":…}');
  demandEvent(value);
  return demandEvent(revive(value, (address) => new Ref(port, address)));
};

const idOf = ({ request }: Exchange): { id?: string } => {
  const id = request.raw.headers['idempotency-key'];
  if (id === undefined) return {};
  if (typeof id !== 'string' || !idForm.test(id)) return refuse('Idempotency-Key has 1 to 128 printable ASCII characters');
  return { id };
};

/** RFC 9110 §10.2.3: whole seconds. */
const retryHeaders = ({ code }: Failure): Record<string, string> => (code === 'MAILBOX_FULL' ? { 'retry-after': '1' } : {});

/** What an actor said, as JSON; it may hold references, and what no message carries when it lives at this node. */
const jsonOf = (value: unknown, address: ActorAddress): Outcome<string> => {
  const plain = plainOf(value, 'the answer');
  if (!plain.ok) return { ok: false, failure: failure('ACTOR_REFUSED', `${addressText(address)}: ${plain.failure.message}`) };
  const json = jsonOfValue(plain.value);
  if (json !== null) return { ok: true, value: json };
  return { ok: false, failure: failure('ACTOR_REFUSED', `${addressText(address)} answered what JSON cannot carry`) };
};

/** Begins what ends with one answer, and gives it up if whoever asked goes away. */
const answering = (
  exchange: Exchange,
  timeoutMs: number,
  begin: (done: (outcome: Outcome<string>) => void) => (() => void) | undefined,
): void => {
  exchange.overdueAtMs = performance.now() + timeoutMs;
  const giveUp = begin((outcome) => {
    if (outcome.ok) exchange.json(outcome.value);
    else exchange.problem(outcome.failure, retryHeaders(outcome.failure));
  });
  exchange.reply.raw.once('close', () => {
    if (!exchange.answered) giveUp?.();
  });
};

const saying =
  (done: (outcome: Outcome<string>) => void, json: string) =>
  (outcome: Outcome<unknown>): void =>
    done(outcome.ok ? { ok: true, value: json } : outcome);

/** Who may not look at actors is not shown what is secret of them here either. */
const redacting = (may: MayInspect, { request }: Exchange): { isRedacted: boolean } => ({
  isRedacted: inspectRefusal(may, request.raw) !== null,
});

const handlers = ({ sink, inspect }: Ports) => ({
  send(exchange: Exchange, api: NodeApi): void {
    const address = addressOf(exchange, api, Query.of(exchange.url, ['node']));
    api.actors.send(
      address,
      eventOf(
        exchange,
        refPortOf(() => api.actors, sink),
      ),
    );
    exchange.json('{"sent":true}', 202);
  },
  deliver(exchange: Exchange, api: NodeApi): void {
    const query = Query.of(exchange.url, waiting);
    const timeoutMs = timeoutOf(query);
    const address = addressOf(exchange, api, query);
    const event = eventOf(
      exchange,
      refPortOf(() => api.actors, sink),
    );
    const how = { timeoutMs, ...idOf(exchange) };
    exchange.effect = true;
    answering(exchange, timeoutMs, (done) => api.actors.deliver(address, event, how, saying(done, '{"delivered":true}')));
  },
  ask(exchange: Exchange, api: NodeApi): void {
    const query = Query.of(exchange.url, waiting);
    const timeoutMs = timeoutOf(query);
    const address = addressOf(exchange, api, query);
    const event = eventOf(
      exchange,
      refPortOf(() => api.actors, sink),
    );
    const how = { timeoutMs, ...idOf(exchange) };
    exchange.effect = true;
    answering(exchange, timeoutMs, (done) =>
      api.actors.ask(address, event, how, (outcome) => done(outcome.ok ? jsonOf(outcome.value, address) : outcome)),
    );
  },
  snapshot(exchange: Exchange, api: NodeApi): void {
    const query = Query.of(exchange.url, [...waiting, 'select']);
    const timeoutMs = timeoutOf(query);
    const address = addressOf(exchange, api, query);
    const select = query.text('select') ?? null;
    answering(exchange, timeoutMs, (done) =>
      lookOnce(
        ...([api.actors, address, select, timeoutMs] as const),
        (outcome) => done(outcome.ok ? jsonOf(outcome.value ?? null, address) : outcome),
        redacting(inspect, exchange),
      ),
    );
  },
  stop(exchange: Exchange, api: NodeApi): void {
    const query = Query.of(exchange.url, [...waiting, 'hard']);
    const timeoutMs = timeoutOf(query);
    const address = addressOf(exchange, api, query);
    const how = { timeoutMs, isHard: query.flag('hard') };
    exchange.effect = true;
    answering(exchange, timeoutMs, (done) => {
      api.actors.stop(address, how, saying(done, '{"stopped":true}'));
      return undefined;
    });
  },
  reset(exchange: Exchange, api: NodeApi): void {
    const query = Query.of(exchange.url, waiting);
    const timeoutMs = timeoutOf(query);
    const address = addressOf(exchange, api, query);
    exchange.effect = true;
    answering(exchange, timeoutMs, (done) => {
      api.replicas.reset(address, timeoutMs, saying(done, '{"reset":true}'));
      return undefined;
    });
  },
});

const path = '/v1/actors/:type/:key';

/** `close` ends what is being watched with a line that says why. */
export const createActorRoutes = (ports: Ports): { routes: readonly Route[]; close(why: Failure): void } => {
  const open = new Set<ActorWatch>();
  const { send, deliver, ask, snapshot, stop, reset } = handlers(ports);
  const watch = (exchange: Exchange, api: NodeApi): void => {
    const query = Query.of(exchange.url, ['node', 'select']);
    const address = addressOf(exchange, api, query);
    const select = query.text('select') ?? null;
    if (open.size >= ports.limits.actorWatchersMax)
      return exchange.problem(failure('OVERLOADED', `this node has ${open.size} watchers of actors already`));
    // Who left before it was answered would never be missed.
    if (exchange.reply.raw.destroyed) return;
    const begun: ActorWatch = new ActorWatch({ exchange, ...ports, onClosed: () => open.delete(begun) });
    open.add(begun);
    begun.begin((on, ended) => api.actors.subscribe(address, select, on, ended, redacting(ports.inspect, exchange)));
  };
  return {
    routes: [
      { method: 'POST', path: `${path}/send`, handle: send },
      { method: 'POST', path: `${path}/deliver`, handle: deliver },
      { method: 'POST', path: `${path}/ask`, handle: ask },
      { method: 'POST', path: `${path}/reset`, handle: reset },
      { method: 'GET', path: `${path}/snapshot`, handle: snapshot },
      { method: 'GET', path: `${path}/watch`, handle: watch },
      { method: 'DELETE', path, handle: stop },
    ],
    close(why) {
      for (const watched of [...open]) watched.fail(why);
    },
  };
};
