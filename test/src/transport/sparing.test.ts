// What a message does not cost: no exception behind it, no event that nobody hears; on the Noise and the streams that are really used.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTransport, generateIdentity } from '../../../src/transport/index.ts';

const listen = '/ip4/127.0.0.1/tcp/0';
const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));

const open = async (name: string) => {
  const port = await createTransport({
    ...{
      identity: await generateIdentity(),
      listen: [listen],
      cluster: 'c',
      secret: new Uint8Array(32).fill(9),
      messaging: 'auto',
    },
    sink: { log: () => {}, count: () => {} },
  });
  const seen = { addresses: [] as string[], peer: '', messages: 0 };
  port.start({ name, epoch: 1, extra: {} }, (event) => {
    if (event.type === 'listening') seen.addresses = event.addresses;
    if (event.type === 'peer-open') seen.peer = event.peer;
    if (event.type === 'message') seen.messages++;
  });
  return { port, seen };
};

test('a message costs no exception and no event that nobody hears', { timeout: 30_000 }, async (t) => {
  const [a, b] = [await open('a'), await open('b')];
  t.after(() => Promise.all([a, b].map(({ port }) => new Promise<void>((resolve) => port.stop(resolve)))));
  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds()) await turn();
  };
  await until(() => a.seen.addresses.length > 0);
  b.port.connect(a.seen.addresses);
  await until(() => a.seen.peer !== '' && b.seen.peer !== '');
  const say = async (count: number): Promise<void> => {
    const before = b.seen.messages;
    for (let sent = 1; sent <= count; sent++) {
      a.port.send(a.seen.peer, 'calls', new Uint8Array(100));
      await until(() => b.seen.messages >= before + sent);
    }
  };
  // The lane is open, and what is said of the connection itself is over.
  await say(5);
  let [exceptions, idle] = [0, 0];
  const { RangeError: whole } = globalThis;
  const dispatch = EventTarget.prototype.dispatchEvent;
  t.after(() => {
    globalThis.RangeError = whole;
    EventTarget.prototype.dispatchEvent = dispatch;
  });
  globalThis.RangeError = new Proxy(whole, {
    apply(target, self, given) {
      exceptions++;
      return Reflect.apply(target, self, given);
    },
  });
  EventTarget.prototype.dispatchEvent = function (event) {
    if (event.type === 'idle') idle++;
    return dispatch.call(this, event);
  };
  await say(50);
  assert.ok(exceptions < 10 && idle < 10, `${exceptions} exceptions and ${idle} events for 50 messages`);
});
