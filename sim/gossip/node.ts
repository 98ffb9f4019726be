// One machine of a crowd: a process that runs gossip and nothing else. What a crash leaves of it is its peer id and how often it started.
import {
  createGossip,
  formAnnouncement,
  formGossipMessage,
  type GossipEvent,
  type GossipState,
  parseAnnouncement,
  parseGossipMessage,
  step,
} from '../../machines/gossip/index.ts';
import { decodeEnvelope, encodeEnvelope, wireVersion } from '../../machines/wire/envelope.ts';
import type { Chance, Handle } from '../world.ts';
import type { Crowd } from './crowd.ts';
import type { Speaker } from './judge.ts';

const address = 'gossip';

export const packed = (type: string, body: unknown): Uint8Array =>
  encodeEnvelope({
    ...{ version: wireVersion, source: address, target: address, type, id: 0, correlation: 0, timeLeftMs: 0, trace: '', body },
  });

const unpacked = (bytes: Uint8Array): unknown => {
  const envelope = decodeEnvelope(bytes);
  if ('refused' in envelope) throw new Error(`what a node packed is refused: ${envelope.message}`);
  return envelope.body;
};

export class GossipNode implements Speaker {
  readonly name: string;
  readonly peer: string;
  /** Starts so far: its epoch. */
  life = 0;
  state: GossipState | null = null;
  /** Which side of a partition it is on. */
  side = 0;
  /** To whom it passes on what is published. */
  readonly mesh = new Set<GossipNode>();
  /** Between whom and it there are connections, whether anything gets through or not. */
  readonly links = new Set<GossipNode>();
  readonly #crowd: Crowd;
  readonly #chance: Chance;
  #alarm: { atMs: number; handle: Handle } | null = null;

  constructor(crowd: Crowd, name: string, peer: string) {
    this.#crowd = crowd;
    this.name = name;
    this.peer = peer;
    this.#chance = crowd.world.chance(`gossip ${name}`);
  }

  get epoch(): number {
    return this.life;
  }

  get isUp(): boolean {
    return this.state !== null;
  }

  start(): void {
    this.life++;
    const { options, nowMs } = this.#crowd;
    this.state = createGossip({
      ...{ self: this.peer, epoch: this.life, said: 0, options: options.gossip, checkAll: options.checkAll },
      ...{ seed: this.#chance.uint32(), nowMs },
    });
  }

  crash(): void {
    this.state = null;
    this.#alarm?.handle.cancel();
    this.#alarm = null;
    this.mesh.clear();
  }

  hear(from: GossipNode, bytes: Uint8Array): void {
    const parsed = parseAnnouncement(unpacked(bytes));
    if (!parsed.ok) throw new Error(`what a node announced is refused: ${parsed.message}`);
    this.tell({ type: 'heard', from: from.peer, announcement: parsed.announcement });
  }

  receive(from: GossipNode, bytes: Uint8Array): void {
    const parsed = parseGossipMessage(unpacked(bytes));
    if (!parsed.ok) throw new Error(`what a node said is refused: ${parsed.message}`);
    this.tell({ type: 'message', from: from.peer, message: parsed.message });
  }

  tell(event: GossipEvent): void {
    const { state } = this;
    if (state === null) return;
    for (const effect of step(state, this.#crowd.nowMs, event)) {
      switch (effect.type) {
        case 'push':
          this.#crowd.push(this, packed('announcement', formAnnouncement(effect.announcement)));
          break;
        case 'send':
          this.#crowd.send(this, effect.to, effect.message.type, packed('exchange', formGossipMessage(effect.message)));
          break;
        case 'deliver':
          this.#crowd.judge.delivered(this, effect);
          break;
        case 'published':
        case 'unpublished':
          break;
        case 'refused':
          this.#crowd.judge.refused(this, effect.code);
          break;
      }
    }
    this.#arm();
  }

  #arm(): void {
    const { deadlineMs } = this.state!;
    if (deadlineMs === Number.POSITIVE_INFINITY || (this.#alarm !== null && this.#alarm.atMs <= deadlineMs)) return;
    this.#alarm?.handle.cancel();
    const handle = this.#crowd.world.after(Math.max(1, deadlineMs - this.#crowd.nowMs), () => {
      this.#alarm = null;
      this.tell({ type: 'wake' });
    });
    this.#alarm = { atMs: deadlineMs, handle };
  }
}
