// An authority of the test's own and a certificate for the loopback, made by openssl, as Node can make keys but no certificates.
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Why there can be no test with it, or false. */
export const withoutOpenssl = (): string | false =>
  spawnSync('openssl', ['version']).status === 0 ? false : 'no openssl on the PATH: apt-get install openssl';

/** `user`: what proves who asks, as YAML. */
export const kubeconfig = (server: string, user: string, ca = ''): string => `
apiVersion: v1
kind: Config
clusters: [{name: here, cluster: {server: '${server}'${ca === '' ? '' : `, certificate-authority: '${ca}'`}}}]
users: [{name: me, user: {${user}}}]
contexts: [{name: one, context: {cluster: here, user: me}}]
current-context: one
`;

export type Issued = { cert: string; key: string };

export class Authority {
  readonly caFile: string;
  readonly #directory: string;
  readonly #keyFile: string;
  #configs = 0;

  constructor(directory: string, name = 'ca') {
    this.#directory = directory;
    this.caFile = join(directory, `${name}.crt`);
    this.#keyFile = join(directory, `${name}.key`);
    this.#run('req', '-x509', '-days', '2', '-subj', `/CN=${name}`, '-keyout', this.#keyFile, '-out', this.caFile);
  }

  get ca(): string {
    return readFileSync(this.caFile, 'utf8');
  }

  /** For servers on 127.0.0.1, and for clients. */
  issue(name: string): Issued & { certFile: string; keyFile: string } {
    const [keyFile, certFile, asked, about] = ['key', 'crt', 'csr', 'ext'].map((end) =>
      join(this.#directory, `${name}.${end}`),
    );
    this.#run('req', '-subj', `/CN=${name}`, '-keyout', keyFile!, '-out', asked!);
    writeFileSync(about!, 'subjectAltName=IP:127.0.0.1\n');
    const by = ['-CA', this.caFile, '-CAkey', this.#keyFile, '-CAcreateserial', '-extfile', about!];
    execFileSync('openssl', ['x509', '-req', '-days', '2', '-in', asked!, '-out', certFile!, ...by], { stdio: 'ignore' });
    const [cert, key] = [readFileSync(certFile!, 'utf8'), readFileSync(keyFile!, 'utf8')];
    return { cert, key, certFile: certFile!, keyFile: keyFile! };
  }

  /** The file of a kubeconfig with a token, that trusts this authority. */
  configFor(server: string, token: string): string {
    const file = join(this.#directory, `config-${++this.#configs}`);
    writeFileSync(file, kubeconfig(server, `token: ${token}`, this.caFile), { mode: 0o600 });
    return file;
  }

  #run(...words: string[]): void {
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    execFileSync('openssl', [words[0]!, ...key, ...words.slice(1)], { stdio: 'ignore' });
  }
}
