// Who a node is on the network: an Ed25519 key whose public half is its peer id. Kept by the caller beside the node's data;
// the bytes are libp2p's own protobuf form, so that other tools can read them.
import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from '@libp2p/crypto/keys';
import type { PrivateKey } from '@libp2p/interface';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import type { PeerId } from '../../actors/ports/index.ts';
import { TransportFault } from './fault.ts';

/** A fresh identity as bytes; a secret, to be stored where only the node can read it. */
export const generateIdentity = async (): Promise<Uint8Array> => privateKeyToProtobuf(await generateKeyPair('Ed25519'));

export const loadIdentity = (identity: Uint8Array): PrivateKey => {
  let key: PrivateKey;
  try {
    key = privateKeyFromProtobuf(identity);
  } catch {
    throw new TransportFault('IDENTITY_INVALID', 'the identity is not a private key in libp2p form');
  }
  if (key.type !== 'Ed25519') throw new TransportFault('IDENTITY_INVALID', `the identity is a ${key.type} key, not Ed25519`);
  return key;
};

/** The peer id of an identity, as it appears in multiaddrs after /p2p/. */
export const peerIdOf = (identity: Uint8Array): PeerId => peerIdFromPrivateKey(loadIdentity(identity)).toString();
