// The door of admission: who may connect (the handshake) and whose published messages count (the envelope), by the cluster secret.
export {
  createSeen,
  openPublished,
  type PublishedContext,
  type PublishedMessage,
  type PublishedRefusal,
  type PublishedRefusalCode,
  publishedOverheadBytesMax,
  type SeenLimits,
  type SeenState,
  sealPublished,
  seenDefaults,
} from './envelope.ts';
export {
  type AdmissionOptions,
  type AdmissionRole,
  type AdmissionState,
  type AdmissionStep,
  createAdmission,
  handshakeVersion,
  nonceBytes,
  type RefusalCode,
  receive,
  refusalFrame,
  type Verdict,
} from './handshake.ts';
export { AdmissionFault, type AdmissionKeys, deriveKeys, type Mac, secretBytesMin } from './keys.ts';
