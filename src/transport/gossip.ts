// To many: gossipsub topics of the cluster (decision 3). Gossipsub in JavaScript carries hundreds of publishes a second, so what
// one turn publishes leaves as one envelope; its proof of admission is checked before it is delivered or forwarded (decision 7).
import { type Message, TopicValidatorResult } from '@libp2p/gossipsub';
import type { Stream } from '@libp2p/interface';
import type { PeerId, SinkPort } from '../../actors/ports/index.ts';
import { publishedOverheadBytesMax } from '../../machines/admission/index.ts';
import type { Refusal } from '../../machines/wire/envelope.ts';
import {
  createFrameDecoder,
  decodeFrames,
  encodeFrame,
  frameHeaderBytes,
  messageHeaderBytes,
  takeBatch,
} from '../../machines/wire/frame.ts';
import { limits as wireLimits } from '../../machines/wire/limits.ts';
import type { Conduct } from './conduct.ts';
import { forgetSeen, type Host, topicScores } from './host.ts';
import type { TransportLimits } from './limits.ts';
import type { Link } from './links.ts';
import type { Published, PublishedEnvelopes } from './published.ts';

export type GossipOptions = {
  host: Host;
  cluster: string;
  limits: TransportLimits;
  sink: SinkPort;
  envelopes: PublishedEnvelopes;
  conduct: Conduct;
  /** Whether what this peer published is delivered and passed on. */
  isMember(source: PeerId): boolean;
  nowMs(): number;
  links(): IterableIterator<Link>;
  onPublished(peer: PeerId, topic: string, message: Uint8Array): void;
  /** An envelope of the lanes' topic (gossip-lanes.ts). */
  onParts(published: Published): void;
  onRefused(code: string, message: string, peer: PeerId): void;
  /** Somebody's subscriptions changed: what waited for subscribers may leave. */
  onSubscriptions(): void;
  /** Gossip does not come up on this link. */
  onLost(link: Link): void;
};

type Queue = { messages: Uint8Array[]; bytes: number; sinceMs: number; publishing: boolean };

const lanesTopic = 'lanes';
const gossipProtocol = '/meshsub/1.2.0';
const inspectMs = 1_000;
/** Inspections that may find a link without gossip before it is given up. */
const missingMax = 5;
const retryMs = 50;
/** Only what no honest member publishes or forwards counts against whoever it came from. */
const offences: ReadonlySet<string> = new Set(['MALFORMED', 'BAD_PROOF', 'TOO_LARGE', 'FRAME_MALFORMED', 'FRAME_TOO_LARGE']);
/** The largest message that can be published. */
export const publishedBytesMax =
  wireLimits.gossipMessageBytesMax - publishedOverheadBytesMax - frameHeaderBytes - messageHeaderBytes;

// Gossipsub tells nobody when it can write to a peer, and publishes nothing to those it cannot: its own table is asked. The
// version is pinned; the suite over gossipsub (test/src/transport/network.test.ts) fails when the table moves.
type OutboundTable = { streamsOutbound: Map<PeerId, { rawStream: Stream }> };

export class Gossip {
  readonly #options: GossipOptions;
  readonly #queues = new Map<string, Queue>();
  readonly #heard = new Set<PeerId>();
  /** How often in a row a link was seen without a gossip stream. */
  readonly #missing = new Map<PeerId, number>();
  #queuedBytes = 0;
  #timer: NodeJS.Timeout | null = null;
  readonly #watch: NodeJS.Timeout;
  #stopped = false;

  constructor(options: GossipOptions) {
    this.#options = options;
    const { gossip } = options.host.services;
    gossip.addEventListener('subscription-change', (event) => {
      this.#heard.add(event.detail.peerId.toString());
      this.#flushAll();
      options.onSubscriptions();
    });
    // Everybody subscribes to the lanes' topic, so that hearing nothing of a peer means that its gossip is not up yet.
    this.#listen(lanesTopic, (published) => {
      options.onParts(published);
      return null;
    });
    this.#watch = setInterval(() => this.#inspect(), inspectMs);
    this.#watch.unref();
  }

  /** The stream that gossipsub writes to this peer, if it is up and belongs to the connection in use. */
  streamTo(link: Link): Stream | null {
    const { streamsOutbound } = this.#options.host.services.gossip as unknown as OutboundTable;
    const stream = streamsOutbound.get(link.peer)?.rawStream;
    return stream !== undefined && stream.status === 'open' && link.connection.streams.includes(stream) ? stream : null;
  }

  /** Both ways: the peer told its subscriptions, and gossipsub can write to it. */
  isUp(link: Link): boolean {
    return this.#heard.has(link.peer) && this.streamTo(link) !== null;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#watch);
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  opened(link: Link): void {
    // Gossipsub may still open a stream on a connection that is gone, keep it for the peer's current one, and then send to nobody;
    // it forgets such a stream only together with a peer that it knows.
    this.#introduce(link, 'onConnect');
    this.#introduce(link, 'onDisconnect');
    this.#introduce(link, 'onConnect');
  }

  closed(link: Link): void {
    this.#heard.delete(link.peer);
    this.#missing.delete(link.peer);
    this.#introduce(link, 'onDisconnect');
  }

  #introduce(link: Link, how: 'onConnect' | 'onDisconnect'): void {
    const { topologies } = this.#options.host.services;
    for (const topology of topologies.getTopologies(gossipProtocol))
      Promise.resolve(topology[how]?.(link.connection.remotePeer, link.connection)).catch(() => {});
  }

  /** Sees to it that every link carries gossip: asks again, and gives the link up when that does not help. Bounds what was seen. */
  #inspect(): void {
    forgetSeen(this.#options.host, this.#options.limits.seenMessagesMax);
    for (const link of this.#options.links()) {
      if (this.streamTo(link) !== null) {
        this.#missing.delete(link.peer);
        continue;
      }
      const times = (this.#missing.get(link.peer) ?? 0) + 1;
      this.#missing.set(link.peer, times);
      if (times > missingMax) this.#options.onLost(link);
      else this.#introduce(link, 'onConnect');
    }
  }

  subscribe(topic: string): void {
    this.#listen(`topic/${topic}`, (published) => {
      if (!this.#options.isMember(published.source))
        return { refused: 'NOT_A_MEMBER', message: `${published.source} is no member, as far as this node knows` };
      const decoder = createFrameDecoder();
      const messages = decodeFrames(decoder, published.body);
      if (decoder.refusal !== null) return decoder.refusal;
      for (const message of messages) this.#options.onPublished(published.source, topic, message);
      return null;
    });
  }

  #name(topic: string): string {
    return `/polity/${this.#options.cluster}/${topic}`;
  }

  /** Delivers from the validator, which runs once for each envelope and before gossipsub forwards it; not, if it says why not. */
  #listen(topic: string, deliver: (published: Published) => Refusal | null): void {
    const { gossip } = this.#options.host.services;
    const name = this.#name(topic);
    gossip.score.params.topics[name] = topicScores;
    gossip.topicValidators.set(name, (forwarder, message: Message) => {
      if (this.#stopped) return TopicValidatorResult.Ignore;
      const opened = this.#options.envelopes.open(topic, message.data);
      const refusal = 'refused' in opened ? opened : deliver(opened);
      return refusal === null ? TopicValidatorResult.Accept : this.#refuse(forwarder.toString(), refusal);
    });
    gossip.subscribe(name);
  }

  #refuse(forwarder: PeerId, { refused, message }: Refusal): TopicValidatorResult {
    // A second copy by another way is gossip's nature, not an offence.
    if (refused === 'REPEATED') return TopicValidatorResult.Ignore;
    this.#options.onRefused(refused, message, forwarder);
    // Who passes on what is too old, or of somebody whom he knows and this node does not, is honest.
    if (!offences.has(refused)) return TopicValidatorResult.Ignore;
    if (this.#options.conduct.offended(forwarder))
      this.#options.onRefused(
        'GRAYLISTED',
        'it keeps publishing what no member publishes: nothing is heard from it',
        forwarder,
      );
    return TopicValidatorResult.Reject;
  }

  publish(topic: string, message: Uint8Array): 'queued' | 'full' {
    if (message.byteLength > publishedBytesMax)
      throw new RangeError(`MESSAGE_TOO_LARGE: ${message.byteLength} bytes, at most ${publishedBytesMax} can be published`);
    if (this.#queuedBytes > 0 && this.#queuedBytes + message.byteLength > this.#options.limits.publishQueueBytesMax)
      return 'full';
    let queue = this.#queues.get(topic);
    if (queue === undefined) {
      queue = { messages: [], bytes: 0, sinceMs: this.#options.nowMs(), publishing: false };
      this.#queues.set(topic, queue);
      queueMicrotask(() => this.#flush(topic));
    }
    queue.messages.push(message);
    queue.bytes += message.byteLength;
    this.#queuedBytes += message.byteLength;
    return 'queued';
  }

  #flushAll(): void {
    for (const topic of [...this.#queues.keys()]) this.#flush(topic);
  }

  /** True while a peer that just came has not told its subscriptions: it might want what waits. */
  #isWaiting(topic: string): boolean {
    for (const link of this.#options.links()) if (!this.isUp(link)) return true;
    return this.#options.host.services.gossip.getSubscribers(this.#name(`topic/${topic}`)).length === 0;
  }

  #flush(topic: string): void {
    const queue = this.#queues.get(topic);
    if (queue === undefined || queue.publishing || this.#stopped) return;
    const waitedMs = this.#options.nowMs() - queue.sinceMs;
    if (this.#isWaiting(topic) && waitedMs < this.#options.limits.publishPatienceMs) {
      this.#timer ??= setTimeout(() => {
        this.#timer = null;
        this.#flushAll();
      }, retryMs);
      return;
    }
    queue.publishing = true;
    void this.#publishAll(topic, queue);
  }

  async #publishAll(topic: string, queue: Queue): Promise<void> {
    let from = 0;
    while (from < queue.messages.length && !this.#stopped) {
      const to = takeBatch(queue.messages, from, this.#options.limits.publishBatchBytesMax);
      const recipients = await this.#put(`topic/${topic}`, encodeFrame(queue.messages, from, to));
      if (recipients === 0) this.#options.sink.count('publish_lost_total', { reason: 'nobody' }, to - from);
      for (let index = from; index < to; index++) this.#queuedBytes -= queue.messages[index]!.byteLength;
      from = to;
    }
    this.#queues.delete(topic);
  }

  /** One envelope to the lanes' topic; answers how many peers it was handed to. */
  putParts(body: Uint8Array): Promise<number> {
    return this.#put(lanesTopic, body);
  }

  async #put(topic: string, body: Uint8Array): Promise<number> {
    try {
      const data = this.#options.envelopes.seal(topic, body);
      const { recipients } = await this.#options.host.services.gossip.publish(this.#name(topic), data);
      return recipients.length;
    } catch {
      return 0;
    }
  }
}
