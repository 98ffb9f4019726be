import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  AdmissionFault,
  type AdmissionOptions,
  type AdmissionState,
  createAdmission,
  deriveKeys,
  receive,
  refusalFrame,
  type Verdict,
} from '../../../machines/admission/index.ts';
import { limits } from '../../../machines/wire/limits.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const secret = bytes('correct horse battery staple');
const keys = deriveKeys(secret, 'c1');
const nonce = (fill: number): Uint8Array => new Uint8Array(32).fill(fill);

const dials: AdmissionOptions = {
  ...{ role: 'dialler', keys, cluster: 'c1', selfPeer: 'peer-d', otherPeer: 'peer-l', nonce: nonce(1) },
  hello: bytes('I am d'),
};
const listens: AdmissionOptions = {
  ...{ role: 'listener', keys, cluster: 'c1', selfPeer: 'peer-l', otherPeer: 'peer-d', nonce: nonce(2) },
  hello: bytes('I am l'),
};

type Frame = { from: 'dialler' | 'listener'; bytes: Uint8Array };
type Run = { frames: Frame[]; dialler: Verdict | null; listener: Verdict | null };

/** Drives both ends to the end; `meddle` may change the n-th frame on its way, or swallow it. */
const run = (
  dialler: AdmissionOptions,
  listener: AdmissionOptions,
  meddle: (frame: Uint8Array, number: number) => Uint8Array | null = (frame) => frame,
): Run => {
  const ends = { dialler: createAdmission(dialler), listener: createAdmission(listener) };
  const frames: Frame[] = [];
  const queue: Frame[] = [];
  const result: Run = { frames, dialler: null, listener: null };
  for (const from of ['dialler', 'listener'] as const)
    queue.push(...ends[from].send.map((sent): Frame => ({ from, bytes: sent })));
  for (let frame = queue.shift(); frame !== undefined; frame = queue.shift()) {
    const arrives = meddle(frame.bytes, frames.length);
    frames.push(frame);
    const to = frame.from === 'dialler' ? 'listener' : 'dialler';
    if (arrives === null || result[to] !== null) continue;
    const step = receive(ends[to].state, arrives);
    if (step.verdict !== null) result[to] = step.verdict;
    queue.push(...step.send.map((sent): Frame => ({ from: to, bytes: sent })));
  }
  return result;
};

const codeOf = (verdict: Verdict | null): string | null =>
  verdict === null ? null : verdict.admitted ? 'ADMITTED' : verdict.code;

const contains = (haystack: Uint8Array, needle: string): boolean => Buffer.from(haystack).includes(needle);

describe('admission handshake', () => {
  it('admits two that hold the secret and mean the same cluster, and tells them each other’s hello', () => {
    const { dialler, listener, frames } = run(dials, listens);
    assert.deepEqual(dialler, { admitted: true, hello: listens.hello });
    assert.deepEqual(listener, { admitted: true, hello: dials.hello });
    assert.equal(frames.length, 5);
  });

  it('works with empty and with the largest hellos', () => {
    for (const length of [0, limits.helloBytesMax]) {
      const hello = new Uint8Array(length).fill(7);
      const { dialler, listener } = run({ ...dials, hello }, { ...listens, hello });
      assert.deepEqual([dialler, listener], Array(2).fill({ admitted: true, hello }));
    }
  });

  it('refuses another secret, at the listener, with one byte for the dialler', () => {
    const { dialler, listener, frames } = run({ ...dials, keys: deriveKeys(bytes('another secret of 16'), 'c1') }, listens);
    assert.equal(codeOf(listener), 'WRONG_SECRET');
    assert.equal(codeOf(dialler), 'REFUSED');
    assert.deepEqual(frames.at(-1), { from: 'listener', bytes: refusalFrame() });
  });

  it('refuses another cluster under the same secret, by its own name', () => {
    const { dialler, listener } = run({ ...dials, cluster: 'c2', keys: deriveKeys(secret, 'c2') }, listens);
    assert.equal(codeOf(listener), 'OTHER_CLUSTER');
    assert.equal(codeOf(dialler), 'REFUSED');
  });

  it('a listener that only claims to hold the secret is refused by the dialler, and hears no hello', () => {
    // It lets any dialler in, then must prove itself.
    const rogue = createAdmission({ ...listens, keys: deriveKeys(bytes('a guess of sixteen'), 'c1') });
    const honest = createAdmission(dials);
    receive(rogue.state, honest.send[0]!);
    const proof = receive(honest.state, rogue.send[0]!).send[0]!;
    const genuine = createAdmission(listens);
    receive(genuine.state, honest.send[0]!);
    const welcome = receive(genuine.state, proof).send[0]!;
    const forged = new Uint8Array(welcome.byteLength);
    forged[0] = welcome[0]!;
    const step = receive(honest.state, forged);
    assert.equal(codeOf(step.verdict), 'WRONG_SECRET');
    assert.deepEqual(step.send, [refusalFrame()]);
  });

  it('tells a stranger nothing: no cluster, no name, before his proof', () => {
    const listener = createAdmission({ ...listens, cluster: 'CLUSTER-NAME', hello: bytes('HELLO-NAME') });
    const sent = [...listener.send];
    sent.push(...receive(listener.state, createAdmission(dials).send[0]!).send);
    sent.push(...receive(listener.state, new Uint8Array(65).fill(2)).send);
    for (const frame of sent)
      for (const word of ['CLUSTER-NAME', 'HELLO-NAME', 'peer-']) assert.equal(contains(frame, word), false);
    assert.equal(sent.length, 2);
    assert.equal(sent[0]!.byteLength, 34);
    assert.deepEqual(sent[1], refusalFrame());
  });

  it('tells a rogue listener nothing before his proof', () => {
    const dialler = createAdmission({ ...dials, cluster: 'CLUSTER-NAME', hello: bytes('HELLO-NAME') });
    const sent = [...dialler.send, ...receive(dialler.state, createAdmission(listens).send[0]!).send];
    for (const frame of sent) for (const word of ['CLUSTER-NAME', 'HELLO-NAME']) assert.equal(contains(frame, word), false);
  });

  it('every refusal looks the same from outside', () => {
    const other = deriveKeys(bytes('another secret of 16'), 'c1');
    const strangers: [string, Uint8Array[]][] = [
      [
        'WRONG_SECRET',
        run({ ...dials, keys: other }, listens)
          .frames.filter((f) => f.from === 'dialler')
          .map((f) => f.bytes),
      ],
      [
        'OTHER_CLUSTER',
        run({ ...dials, cluster: 'c2' }, listens)
          .frames.filter((f) => f.from === 'dialler')
          .map((f) => f.bytes),
      ],
      ['NO_PROOF', [Uint8Array.of(9)]],
      ['NO_PROOF', [new Uint8Array(0)]],
      ['NO_PROOF', [Uint8Array.of(1)]],
      ['NO_PROOF', [Uint8Array.of(1, 1, 5)]],
      ['VERSION_UNKNOWN', [Uint8Array.of(1, 2, ...nonce(1))]],
      ['TOO_LARGE', [new Uint8Array(limits.handshakeFrameBytesMax + 1).fill(1)]],
      ['REPLAYED', [Uint8Array.of(1, 1, ...listens.nonce)]],
      ['NO_PROOF', [Uint8Array.of(2, ...nonce(1), ...nonce(1))]],
    ];
    for (const [code, frames] of strangers) {
      const { state } = createAdmission(listens);
      const answers: Uint8Array[] = [];
      let verdict: Verdict | null = null;
      for (const frame of frames) {
        const step = receive(state, frame);
        verdict ??= step.verdict;
        answers.push(...step.send);
      }
      assert.equal(codeOf(verdict), code);
      assert.deepEqual(answers, [refusalFrame()], code);
    }
  });

  it('a recorded handshake opens no second connection', () => {
    const { frames } = run(dials, listens);
    const replay = frames.filter((frame) => frame.from === 'dialler').map((frame) => frame.bytes);
    const { state } = createAdmission({ ...listens, nonce: nonce(3) });
    assert.equal(receive(state, replay[0]!).verdict, null);
    assert.equal(codeOf(receive(state, replay[1]!).verdict), 'WRONG_SECRET');
    const dialler = createAdmission({ ...dials, nonce: nonce(4) });
    const answers = frames.filter((frame) => frame.from === 'listener').map((frame) => frame.bytes);
    receive(dialler.state, answers[0]!);
    assert.equal(codeOf(receive(dialler.state, answers[1]!).verdict), 'WRONG_SECRET');
  });

  it('one’s own words reflected prove nothing', () => {
    for (const options of [dials, listens]) {
      const { state, send } = createAdmission(options);
      assert.equal(codeOf(receive(state, send[0]!).verdict), 'REPLAYED');
    }
    // With a nonce of his own: the dialler's proof comes back as if it were the listener's welcome.
    const dialler = createAdmission(dials);
    const proof = receive(dialler.state, createAdmission(listens).send[0]!).send[0]!;
    const asWelcome = Uint8Array.of(3, ...proof.subarray(1), ...new Uint8Array(32));
    assert.equal(codeOf(receive(dialler.state, asWelcome).verdict), 'WRONG_SECRET');
    // A dialler's proof played to the same node listening: roles are in the transcript.
    const listener = createAdmission({ ...listens, selfPeer: 'peer-d', otherPeer: 'peer-l' });
    receive(listener.state, createAdmission(dials).send[0]!);
    assert.equal(codeOf(receive(listener.state, proof).verdict), 'WRONG_SECRET');
  });

  it('talking to oneself is refused', () => {
    const { dialler, listener } = run({ ...dials, otherPeer: 'peer-d' }, { ...listens, selfPeer: 'peer-d' });
    assert.deepEqual([codeOf(dialler), codeOf(listener)], ['REPLAYED', 'REPLAYED']);
  });

  it('a proof counts only between exactly these two peers', () => {
    const mixed: [Partial<AdmissionOptions>, Partial<AdmissionOptions>][] = [
      [{ selfPeer: 'peer-x' }, {}],
      [{ otherPeer: 'peer-x' }, {}],
      [{}, { selfPeer: 'peer-x' }],
      [{}, { otherPeer: 'peer-x' }],
      // Not even where the two ids run together to the same text.
      [{ selfPeer: 'peer-dp', otherPeer: 'eer-l' }, {}],
    ];
    for (const [d, l] of mixed) assert.equal(codeOf(run({ ...dials, ...d }, { ...listens, ...l }).listener), 'WRONG_SECRET');
  });

  it('every frame cut anywhere, or one byte longer, is refused by its receiver', () => {
    const whole = run(dials, listens).frames;
    for (const [number, frame] of whole.entries()) {
      const to = frame.from === 'dialler' ? 'listener' : 'dialler';
      for (let length = 0; length < frame.bytes.byteLength; length++) {
        const end = run(dials, listens, (sent, at) => (at === number ? sent.subarray(0, length) : sent));
        assert.ok(refusedBy(end, to), `frame ${number} cut to ${length}`);
      }
      const end = run(dials, listens, (sent, at) => (at === number ? Uint8Array.of(...sent, 0) : sent));
      assert.ok(refusedBy(end, to), `frame ${number} with a byte more`);
    }
  });

  it('every single flipped bit of every frame is refused', () => {
    const whole = run(dials, listens).frames;
    for (const [number, frame] of whole.entries())
      for (let bit = 0; bit < frame.bytes.byteLength * 8; bit++) {
        const end = run(dials, listens, (sent, at) => (at === number ? flipped(sent, bit) : sent));
        // A changed challenge shows when the proof over it fails, so the refusal is the listener's, told to the dialler.
        const refused = [end.dialler, end.listener].filter((verdict) => verdict?.admitted === false);
        assert.ok(refused.length > 0, `frame ${number} bit ${bit}`);
        const to = frame.from === 'dialler' ? end.listener : end.dialler;
        assert.ok(to === null || !to.admitted, `frame ${number} bit ${bit} admitted its receiver`);
      }
  });

  it('what is lost admits nobody who waits for it', () => {
    for (let lost = 0; lost < 5; lost++) {
      const { frames } = run(dials, listens);
      const end = run(dials, listens, (sent, at) => (at === lost ? null : sent));
      const to = frames[lost]!.from === 'dialler' ? 'listener' : 'dialler';
      assert.notEqual(codeOf(end[to]), 'ADMITTED', `frame ${lost}`);
    }
  });

  it('keeps its refusal, and takes nothing after the end', () => {
    const refused = createAdmission(listens);
    const first = receive(refused.state, Uint8Array.of(7));
    assert.deepEqual(receive(refused.state, createAdmission(dials).send[0]!), { send: [], verdict: first.verdict });
    const ends = admitted();
    assert.equal(codeOf(receive(ends.listener, Uint8Array.of(4)).verdict), 'NO_PROOF');
  });

  it('a peer that claims success early or out of turn is refused', () => {
    for (const type of [2, 3, 4]) {
      const { state } = createAdmission(dials);
      assert.equal(codeOf(receive(state, Uint8Array.of(type, ...new Uint8Array(96))).verdict), 'NO_PROOF');
    }
    const listener = createAdmission(listens);
    receive(listener.state, createAdmission(dials).send[0]!);
    assert.equal(codeOf(receive(listener.state, createAdmission(dials).send[0]!).verdict), 'NO_PROOF');
  });

  it('an admitted peer with an oversized hello is refused', () => {
    const { state } = createAdmission(listens);
    const dialler = createAdmission(dials);
    receive(state, dialler.send[0]!);
    receive(state, receive(dialler.state, createAdmission(listens).send[0]!).send[0]!);
    const step = receive(state, Uint8Array.of(4, ...new Uint8Array(limits.helloBytesMax + 1 + 32)));
    assert.equal(codeOf(step.verdict), 'TOO_LARGE');
  });

  it('will not begin with a short secret, a bad nonce, a long hello or no peer', () => {
    const faults: [string, () => unknown][] = [
      ['SECRET_TOO_SHORT', () => deriveKeys(new Uint8Array(15), 'c1')],
      ['NONCE_MALFORMED', () => createAdmission({ ...dials, nonce: new Uint8Array(31) })],
      ['HELLO_TOO_LARGE', () => createAdmission({ ...dials, hello: new Uint8Array(limits.helloBytesMax + 1) })],
      ['PEER_UNKNOWN', () => createAdmission({ ...dials, otherPeer: '' })],
    ];
    for (const [code, begin] of faults)
      assert.throws(begin, (error) => error instanceof AdmissionFault && error.code === code, code);
  });

  it('every key differs, and the gossip key also by cluster', () => {
    const texts = [keys, deriveKeys(bytes('another secret of 16'), 'c1')].flatMap(({ dialler, listener, gossipKey }) =>
      [...Object.values(dialler), ...Object.values(listener), gossipKey].map((key) => Buffer.from(key).toString('hex')),
    );
    assert.equal(new Set(texts).size, 14);
    assert.notDeepEqual(deriveKeys(secret, 'c2').gossipKey, keys.gossipKey);
    assert.deepEqual(deriveKeys(secret, 'c1'), keys);
  });
});

const flipped = (frame: Uint8Array, bit: number): Uint8Array => {
  const changed = frame.slice();
  changed[bit >> 3]! ^= 1 << (bit & 7);
  return changed;
};

const refusedBy = (end: Run, to: 'dialler' | 'listener'): boolean => end[to]?.admitted === false;

const admitted = (): { dialler: AdmissionState; listener: AdmissionState } => {
  const dialler = createAdmission(dials);
  const listener = createAdmission(listens);
  receive(listener.state, dialler.send[0]!);
  const proof = receive(dialler.state, listener.send[0]!).send[0]!;
  const welcome = receive(listener.state, proof).send[0]!;
  receive(listener.state, receive(dialler.state, welcome).send[0]!);
  return { dialler: dialler.state, listener: listener.state };
};
