// Admission to a cluster, run inside the connection upgrade after Noise and before anything else (decision 7). Noise has proved who
// the two peers are; here both prove that they hold the cluster secret, to exactly this peer, in this role, now:
//
//   both      challenge   version, 32 fresh random bytes
//   dialler   proof       MAC(transcript), MAC(transcript, cluster)
//   listener  welcome     MAC(transcript), MAC(transcript, cluster), hello, MAC(transcript, hello)
//   dialler   hello       hello, MAC(transcript, hello)
//
// The transcript names version, both peers by role and both challenges; each direction and purpose has its own key. So a recorded
// proof is worth nothing for another challenge, a reflected one nothing in the other direction, and one made for a man in the middle
// names his peer id. The dialler proves first: a stranger who dials gets a version and random bytes, then one fixed byte. A stranger
// who is dialled gets MACs under keys he has not. Names travel only towards who has proved himself. The pattern is that of
// challenge-response with role-separated MACs (Bellare & Rogaway 1993, MAP1).
import { limits } from '../wire/limits.ts';
import { createInk, dry, inkByte, inkBytes, inkText } from '../wire/octets.ts';
import { AdmissionFault, type AdmissionKeys, type DirectionKeys, isSameSecretly, macBytes, pureMac } from './keys.ts';

export const handshakeVersion = 1;
export const nonceBytes = 32;

export type AdmissionRole = 'dialler' | 'listener';

export type RefusalCode =
  /** The proof does not verify: another secret, another peer or a recording. */
  | 'WRONG_SECRET'
  /** Not a frame of this handshake at this point. */
  | 'NO_PROOF'
  /** Holds the secret, but means another cluster. */
  | 'OTHER_CLUSTER'
  /** Our own words came back to us. */
  | 'REPLAYED'
  | 'TOO_LARGE'
  | 'VERSION_UNKNOWN'
  /** The other end refused us; only its own log says why. */
  | 'REFUSED'
  /** The driver's: nothing came in time. */
  | 'TIMED_OUT';

export type Verdict =
  | { admitted: true; hello: Uint8Array }
  /** `message` is for the local log; the other end never sees it. */
  | { admitted: false; code: RefusalCode; message: string };

export type AdmissionOptions = {
  role: AdmissionRole;
  keys: AdmissionKeys;
  /** Name or id of the cluster: both ends must mean the same. */
  cluster: string;
  /** Peer ids that Noise has proved. */
  selfPeer: string;
  otherPeer: string;
  /** 32 random bytes, never used before. */
  nonce: Uint8Array;
  /** What the other end gets to know once it is admitted, at most `helloBytesMax`. */
  hello: Uint8Array;
};

export type AdmissionState = {
  readonly options: AdmissionOptions;
  /** The frame that must come next; 'over' once there is a verdict. */
  awaits: 'challenge' | 'proof' | 'welcome' | 'hello' | 'over';
  /** Known once both challenges are. */
  transcript: Uint8Array;
  verdict: Verdict | null;
};

export type AdmissionStep = { send: Uint8Array[]; verdict: Verdict | null };

const frameType = { refusal: 0, challenge: 1, proof: 2, welcome: 3, hello: 4 } as const;

/** All that a refused stranger ever gets. */
export const refusalFrame = (): Uint8Array => Uint8Array.of(frameType.refusal);

const nothing = new Uint8Array(0);
const ink = createInk();

const frameOf = (type: number, ...parts: readonly Uint8Array[]): Uint8Array => {
  const frame = new Uint8Array(1 + parts.reduce((sum, part) => sum + part.byteLength, 0));
  frame[0] = type;
  let at = 1;
  for (const part of parts) {
    frame.set(part, at);
    at += part.byteLength;
  }
  return frame;
};

/** Begins a handshake; `send` are the frames to send at once. Throws an AdmissionFault where this node's own part is unfit. */
export const createAdmission = (options: AdmissionOptions): { state: AdmissionState; send: Uint8Array[] } => {
  const { nonce, hello, selfPeer, otherPeer } = options;
  if (nonce.byteLength !== nonceBytes) throw new AdmissionFault('NONCE_MALFORMED', `a challenge has ${nonceBytes} bytes`);
  if (hello.byteLength > limits.helloBytesMax)
    throw new AdmissionFault('HELLO_TOO_LARGE', `a hello of ${hello.byteLength} bytes, at most ${limits.helloBytesMax}`);
  if (selfPeer === '' || otherPeer === '') throw new AdmissionFault('PEER_UNKNOWN', 'both ends need a peer id');
  const state: AdmissionState = { options, awaits: 'challenge', transcript: nothing, verdict: null };
  return { state, send: [frameOf(frameType.challenge, Uint8Array.of(handshakeVersion), nonce)] };
};

/** Takes one whole frame of the other end. After a verdict there is nothing more to receive. */
export const receive = (state: AdmissionState, frame: Uint8Array): AdmissionStep => {
  if (state.verdict !== null) return { send: [], verdict: state.verdict.admitted ? afterTheEnd : state.verdict };
  const step = advance(state, frame);
  if (step.verdict !== null) {
    state.verdict = step.verdict;
    state.awaits = 'over';
  }
  return step;
};

const afterTheEnd: Verdict = { admitted: false, code: 'NO_PROOF', message: 'a handshake frame after the handshake' };

const refuse = (code: RefusalCode, message: string): AdmissionStep => ({
  send: code === 'REFUSED' ? [] : [refusalFrame()],
  verdict: { admitted: false, code, message },
});

const advance = (state: AdmissionState, frame: Uint8Array): AdmissionStep => {
  if (frame.byteLength > limits.handshakeFrameBytesMax)
    return refuse('TOO_LARGE', `a handshake frame of ${frame.byteLength} bytes, at most ${limits.handshakeFrameBytesMax}`);
  const type = frame[0];
  if (type === frameType.refusal && frame.byteLength === 1)
    return refuse('REFUSED', 'the other end refused this node; its log says why');
  if (state.awaits === 'over' || type !== frameType[state.awaits])
    return refuse('NO_PROOF', `a frame of type ${type ?? 'none'} where a ${state.awaits} must come`);
  const body = frame.subarray(1);
  switch (state.awaits) {
    case 'challenge':
      return onChallenge(state, body);
    case 'proof':
      return onProof(state, body);
    case 'welcome':
      return onWelcome(state, body);
    case 'hello':
      return onHello(state, body);
  }
};

// ---------------------------------------------------------------- what is proved

const directionOf = ({ keys }: AdmissionOptions, role: AdmissionRole): DirectionKeys => keys[role];
const otherRole = (role: AdmissionRole): AdmissionRole => (role === 'dialler' ? 'listener' : 'dialler');

const transcriptOf = ({ role, selfPeer, otherPeer, nonce }: AdmissionOptions, otherNonce: Uint8Array): Uint8Array => {
  const dials = role === 'dialler';
  inkText(ink, 'polity admission');
  inkByte(ink, handshakeVersion);
  inkText(ink, dials ? selfPeer : otherPeer);
  inkText(ink, dials ? otherPeer : selfPeer);
  inkBytes(ink, dials ? nonce : otherNonce);
  inkBytes(ink, dials ? otherNonce : nonce);
  return dry(ink);
};

const macWith = (key: Uint8Array, transcript: Uint8Array, extra: Uint8Array): Uint8Array => {
  inkBytes(ink, transcript);
  return pureMac(key, dry(ink, extra));
};

const proofOf = (state: AdmissionState, role: AdmissionRole): Uint8Array =>
  macWith(directionOf(state.options, role).proof, state.transcript, nothing);

const clusterOf = (state: AdmissionState, role: AdmissionRole): Uint8Array => {
  inkText(ink, state.options.cluster);
  return macWith(directionOf(state.options, role).cluster, state.transcript, dry(ink));
};

const helloMacOf = (state: AdmissionState, role: AdmissionRole, hello: Uint8Array): Uint8Array =>
  macWith(directionOf(state.options, role).hello, state.transcript, hello);

// ---------------------------------------------------------------- step by step

const onChallenge = (state: AdmissionState, body: Uint8Array): AdmissionStep => {
  const { options } = state;
  if (body.byteLength === 0) return refuse('NO_PROOF', 'an empty challenge');
  if (body[0] !== handshakeVersion)
    return refuse('VERSION_UNKNOWN', `handshake version ${body[0]}, ours is ${handshakeVersion}`);
  const otherNonce = body.subarray(1);
  if (otherNonce.byteLength !== nonceBytes) return refuse('NO_PROOF', `a challenge of ${otherNonce.byteLength} bytes`);
  if (options.selfPeer === options.otherPeer) return refuse('REPLAYED', 'the other end has our own peer id');
  if (isSameSecretly(otherNonce, options.nonce)) return refuse('REPLAYED', 'the other end sends our own challenge back');
  state.transcript = transcriptOf(options, otherNonce);
  if (options.role === 'listener') {
    state.awaits = 'proof';
    return { send: [], verdict: null };
  }
  state.awaits = 'welcome';
  return { send: [frameOf(frameType.proof, proofOf(state, 'dialler'), clusterOf(state, 'dialler'))], verdict: null };
};

/** What is wrong with the other end's proof, or null. Both MACs are computed in any case. */
const checkProof = (state: AdmissionState, body: Uint8Array): AdmissionStep | null => {
  const role = otherRole(state.options.role);
  const holdsSecret = isSameSecretly(body.subarray(0, macBytes), proofOf(state, role));
  const meansCluster = isSameSecretly(body.subarray(macBytes, 2 * macBytes), clusterOf(state, role));
  if (!holdsSecret) return refuse('WRONG_SECRET', 'its proof does not verify: another secret, or not made for this connection');
  return meansCluster ? null : refuse('OTHER_CLUSTER', `it holds the secret but is not of cluster '${state.options.cluster}'`);
};

const onProof = (state: AdmissionState, body: Uint8Array): AdmissionStep => {
  if (body.byteLength !== 2 * macBytes) return refuse('NO_PROOF', `a proof of ${body.byteLength} bytes`);
  const refusal = checkProof(state, body);
  if (refusal !== null) return refusal;
  state.awaits = 'hello';
  const { hello } = state.options;
  const proofs = [proofOf(state, 'listener'), clusterOf(state, 'listener')];
  return { send: [frameOf(frameType.welcome, ...proofs, hello, helloMacOf(state, 'listener', hello))], verdict: null };
};

const onWelcome = (state: AdmissionState, body: Uint8Array): AdmissionStep => {
  if (body.byteLength < 3 * macBytes) return refuse('NO_PROOF', `a welcome of ${body.byteLength} bytes`);
  const refusal = checkProof(state, body);
  if (refusal !== null) return refusal;
  const admitted = admit(state, body.subarray(2 * macBytes));
  if (admitted.verdict?.admitted !== true) return admitted;
  const { hello } = state.options;
  return { send: [frameOf(frameType.hello, hello, helloMacOf(state, 'dialler', hello))], verdict: admitted.verdict };
};

const onHello = (state: AdmissionState, body: Uint8Array): AdmissionStep => admit(state, body);

/** `body` is the other end's hello and its MAC. */
const admit = (state: AdmissionState, body: Uint8Array): AdmissionStep => {
  const length = body.byteLength - macBytes;
  if (length < 0) return refuse('NO_PROOF', `a hello of ${body.byteLength} bytes`);
  if (length > limits.helloBytesMax) return refuse('TOO_LARGE', `a hello of ${length} bytes, at most ${limits.helloBytesMax}`);
  const hello = body.slice(0, length);
  const mac = helloMacOf(state, otherRole(state.options.role), hello);
  if (!isSameSecretly(body.subarray(length), mac)) return refuse('WRONG_SECRET', 'the MAC of its hello does not verify');
  return { send: [], verdict: { admitted: true, hello } };
};
