// Why a transport could not be made. After that, faults are events of the port, never exceptions.
export type TransportFaultCode = 'IDENTITY_INVALID' | 'ADDRESS_INVALID' | 'LISTEN_FAILED' | 'SECRET_TOO_SHORT';

export class TransportFault extends Error {
  readonly code: TransportFaultCode;
  constructor(code: TransportFaultCode, message: string) {
    super(`${code}: ${message}`);
    this.name = 'TransportFault';
    this.code = code;
  }
}
