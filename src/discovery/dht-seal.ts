// What strangers keep for a cluster, as bytes. A board is named by the public half of a signing key that all members derive from the
// cluster's secret and the hour (as Tor's v3 onion services blind theirs), so a stranger can neither compute the name nor link two of
// them, yet every node of the DHT can check that only the board's own cluster writes there: garbage, forgeries and other clusters'
// values are refused where they would be stored, by people who can read none of it. Inside the signature is AES-256-GCM, and inside
// that one fixed length, so that nobody sees how many members there are. Members trust each other here as everywhere.
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPrivateKey,
  createPublicKey,
  randomBytes,
  sign,
  verify,
} from 'node:crypto';
import { type Board, formNotes, type Note, parseNotes, rendezvousLimits } from '../../machines/rendezvous/index.ts';

const formVersion = 1;
const nonceBytes = 12;
const tagBytes = 16;
const signatureBytes = 64;
/** The length of the notes, the notes, zeroes. */
const plainBytes = 2 + rendezvousLimits.boardBytesMax;
const headBytes = 1 + 8;
const sealedBytes = headBytes + nonceBytes + plainBytes + tagBytes;

/** Every value of every board has this length. */
export const boardValueBytes = sealedBytes + signatureBytes;

export const boardNamespace = 'polity';
const keyPattern = /^\/polity\/([0-9a-f]{64})$/;
const signedPurpose = Buffer.from('polity dht board 1');

/** How old a value may be where it is stored, and how far ahead of the storing node's clock. */
const storedAgeMsMax = rendezvousLimits.hourMs + rendezvousLimits.lifeMs;
const storedAheadMsMax = rendezvousLimits.lifeMs;

export type BoardKeys = {
  /** Under which name the DHT keeps it. */
  key: Uint8Array;
  /** PKCS #8, DER. */
  signing: Buffer;
  sealing: Buffer;
};

// RFC 8410 §7 and §4: what stands before the 32 bytes of an Ed25519 key.
const privateHead = Buffer.from('302e020100300506032b657004220420', 'hex');
const publicHead = Buffer.from('302a300506032b6570032100', 'hex');

const subkey = (secret: Uint8Array, purpose: string, { hour, index }: Board): Buffer =>
  createHmac('sha256', secret).update(`${purpose} ${hour} ${index}`).digest();

/** `secret`: derived from the cluster's for this purpose alone. */
export const deriveBoard = (secret: Uint8Array, board: Board): BoardKeys => {
  const signing = Buffer.concat([privateHead, subkey(secret, 'sign', board)]);
  const named = createPublicKey(createPrivateKey({ key: signing, format: 'der', type: 'pkcs8' }));
  const raw = named.export({ format: 'der', type: 'spki' }).subarray(publicHead.byteLength);
  return { key: Buffer.from(`/${boardNamespace}/${raw.toString('hex')}`), signing, sealing: subkey(secret, 'seal', board) };
};

const signedOf = (key: Uint8Array, sealed: Uint8Array): Buffer => Buffer.concat([signedPurpose, key, sealed]);

/** `versionMs` orders the values of one board; strangers see it. */
export const sealNotes = (board: BoardKeys, versionMs: number, notes: readonly Note[]): Uint8Array => {
  const text = formNotes(notes);
  const plain = Buffer.alloc(plainBytes);
  plain.writeUInt16BE(text.byteLength);
  plain.set(text, 2);
  const head = Buffer.alloc(headBytes + nonceBytes);
  head[0] = formVersion;
  head.writeBigUInt64BE(BigInt(versionMs), 1);
  head.set(randomBytes(nonceBytes), headBytes);
  const cipher = createCipheriv('aes-256-gcm', board.sealing, head.subarray(headBytes)).setAAD(
    Buffer.concat([board.key, head.subarray(0, headBytes)]),
  );
  const sealed = Buffer.concat([head, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  const signing = createPrivateKey({ key: board.signing, format: 'der', type: 'pkcs8' });
  return Buffer.concat([sealed, sign(null, signedOf(board.key, sealed), signing)]);
};

/** By which the values of one board are ordered. Only for what `boardValueProblem` finds nothing wrong with. */
export const versionMsOf = (value: Uint8Array): number =>
  Number(new DataView(value.buffer, value.byteOffset, value.byteLength).getBigUint64(1));

/** Of two values of one board, the later one stands; at one time, the same one everywhere. */
export const isLater = (one: Uint8Array, other: Uint8Array): boolean =>
  versionMsOf(one) - versionMsOf(other) > 0 || (versionMsOf(one) === versionMsOf(other) && Buffer.compare(one, other) > 0);

/** What every node of the DHT can say against a value, knowing no secret; null if nothing. */
export const boardValueProblem = (key: Uint8Array, value: Uint8Array, nowMs: number): string | null => {
  const named = keyPattern.exec(Buffer.from(key).toString('latin1'))?.[1];
  if (named === undefined) return 'the key is no board';
  if (value.byteLength !== boardValueBytes || value[0] !== formVersion) return 'the value has no form of ours';
  const ageMs = nowMs - versionMsOf(value);
  if (ageMs > storedAgeMsMax || ageMs < -storedAheadMsMax) return 'the value is of another time';
  const publicKey = createPublicKey({
    key: Buffer.concat([publicHead, Buffer.from(named, 'hex')]),
    format: 'der',
    type: 'spki',
  });
  const isSigned = verify(null, signedOf(key, value.subarray(0, sealedBytes)), publicKey, value.subarray(sealedBytes));
  return isSigned ? null : 'the value is not signed by the key that names the board';
};

/** What a value of this board says; null if it was not sealed by a member, or says nothing that can be read. */
export const openNotes = (board: BoardKeys, value: Uint8Array): Note[] | null => {
  if (value.byteLength !== boardValueBytes) return null;
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  const from = headBytes + nonceBytes;
  try {
    const decipher = createDecipheriv('aes-256-gcm', board.sealing, bytes.subarray(headBytes, from))
      .setAAD(Buffer.concat([board.key, bytes.subarray(0, headBytes)]))
      .setAuthTag(bytes.subarray(from + plainBytes, sealedBytes));
    const plain = Buffer.concat([decipher.update(bytes.subarray(from, from + plainBytes)), decipher.final()]);
    const length = plain.readUInt16BE();
    return length > rendezvousLimits.boardBytesMax ? null : parseNotes(plain.subarray(2, 2 + length));
  } catch {
    return null;
  }
};
