// A lane's reader opens the sender's window by halves, on the muxer that is really used: no update for each message, and no
// sender that waits for ever.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Stream } from '@libp2p/interface';
import { multiaddrConnectionPair } from '@libp2p/utils';
import { yamux } from '@libp2p/yamux';
import { encodeFrame } from '../../../machines/wire/frame.ts';
import { readLane } from '../../../src/transport/lane.ts';

const windowBytes = 256 << 10;
const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));

/** A sender's stream, and how many window updates its reader has sent. */
const open = async (t: TestContext) => {
  const [near, far] = multiaddrConnectionPair();
  // The muxers' pings end with their connections.
  t.after(() => {
    for (const connection of [near, far]) connection.abort(new Error('the test is over'));
  });
  const make = yamux({ streamOptions: { initialStreamWindowSize: windowBytes, maxStreamWindowSize: windowBytes } } as never)();
  const here = make.createStreamMuxer(near);
  const there = make.createStreamMuxer(far);
  const arrived = new Promise<Stream>((resolve) =>
    there.addEventListener('stream', (event) => resolve(event.detail), { once: true }),
  );
  const sender = await here.createStream();
  const receiver = await arrived;
  let updates = 0;
  const counted = receiver as unknown as { sendFrame(header: { type: number }, data?: unknown): unknown };
  const sendFrame = counted.sendFrame.bind(receiver);
  counted.sendFrame = (header, data) => {
    if (header.type === 1) updates++;
    return sendFrame(header, data);
  };
  let messages = 0;
  readLane(receiver, { onMessage: () => messages++, onRefused: assert.fail, onEnd: () => {} });
  return { sender, updates: () => updates, messages: () => messages };
};

test('small messages cost no window update each', async (t) => {
  const { sender, updates, messages } = await open(t);
  const count = 200;
  for (let sent = 0; sent < count; sent++) sender.send(encodeFrame([new Uint8Array(100)], 0, 1));
  for (let waited = 0; messages() < count && waited < 1_000; waited++) await turn();
  assert.equal(messages(), count);
  assert.ok(updates() <= 1, `${updates()} window updates for ${count} small messages`);
});

test('a sender of many windows never waits for ever', async (t) => {
  const { sender, updates, messages } = await open(t);
  const count = 100;
  const frame = encodeFrame([new Uint8Array(60_000)], 0, 1);
  for (let sent = 0; sent < count; sent++) {
    for (let waited = 0; sender.writableNeedsDrain && waited < 1_000; waited++) await turn();
    sender.send(frame);
  }
  for (let waited = 0; messages() < count && waited < 1_000; waited++) await turn();
  assert.equal(messages(), count);
  const least = Math.floor((count * frame.byteLength) / windowBytes) - 1;
  assert.ok(updates() >= least && updates() <= 3 * least, `${updates()} window updates for ${count} large messages`);
});
