// The door of the transport: the network port over libp2p 3, with admission by the cluster secret.
import type { NetworkPort } from '../../actors/ports/index.ts';
import { Transport, type TransportOptions } from './transport.ts';

export { secretBytesMin } from '../../machines/admission/index.ts';
export { TransportFault, type TransportFaultCode } from './fault.ts';
export { generateIdentity, peerIdOf } from './identity.ts';
export { type TransportLimits, transportLimits } from './limits.ts';
export type { TransportOptions } from './transport.ts';

/** Listens; `start` lets members in and begins to dial. Throws a TransportFault that says what is wrong. */
export const createTransport = (options: TransportOptions): Promise<NetworkPort> => Transport.open(options);
