// A source of discovery as src/discovery/lookup.ts runs it, in small: begun again after a pause when it cannot go on, ended by one
// signal, and everything that it said is kept for the test.
import type { Announcement, Finding, LogLevel, SinkPort } from '../../../actors/ports/index.ts';
import { type Answer, LookupFault, type Source, type SourceKind } from '../../../src/discovery/source.ts';
import { sleep, until } from '../../e2e/cluster.ts';

export type Line = { level: LogLevel; code: string; message: string };

export const patienceMs = 20_000;
const againMs = 50;

export class Run implements AsyncDisposable {
  readonly lines: Line[] = [];
  readonly faults: LookupFault[] = [];
  readonly answers: Answer[] = [];
  readonly name: string;
  readonly source: Source;
  readonly #ends = new AbortController();
  readonly #tasks: Promise<void>[] = [];

  private constructor(name: string, source: Source, lines: Line[]) {
    this.name = name;
    this.source = source;
    this.lines = lines;
  }

  static async open(kind: SourceKind, text: string, cluster = 'c1', self = 'peerself'): Promise<Run> {
    const plan = kind.parse(text);
    if ('problem' in plan) throw new Error(`${text} ${plan.problem}`);
    const lines: Line[] = [];
    const sink: SinkPort = { log: (level, code, message) => lines.push({ level, code, message }), count: () => undefined };
    const source = await plan.open({ cluster, self, deriveKey: () => new Uint8Array(32), sink });
    return new Run(plan.name, source, lines);
  }

  /** The peers of the last answer, as `name` or `name!` when it is said not to work. */
  get names(): string[] {
    return (this.answers.at(-1)?.findings ?? []).map(({ name, healthy }) => `${name}${healthy ? '' : '!'}`).sort();
  }

  async query(limitMs = patienceMs): Promise<Finding[]> {
    return (await this.source.query(AbortSignal.timeout(limitMs))).findings;
  }

  /** The fault that a question ends with. */
  async fault(limitMs = patienceMs): Promise<LookupFault> {
    const said = await this.source.query(AbortSignal.timeout(limitMs)).then(
      () => new Error('it answered'),
      (error: unknown) => error,
    );
    if (said instanceof LookupFault) return said;
    throw said;
  }

  #keep(task: (signal: AbortSignal) => Promise<void>): void {
    const { signal } = this.#ends;
    const again = async (): Promise<void> => {
      while (!signal.aborted)
        try {
          await task(signal);
          if (!signal.aborted) throw new Error('it resolved before it was ended');
        } catch (error) {
          if (!(error instanceof LookupFault)) throw error;
          this.faults.push(error);
          await sleep(againMs);
        }
    };
    this.#tasks.push(again());
  }

  follow(): void {
    this.#keep((signal) => this.source.follow!((answer) => this.answers.push(answer), signal));
  }

  announce(self: Announcement): void {
    this.#keep((signal) => this.source.announce!(self, signal));
  }

  /** Until the last answer names exactly these. */
  async sees(...names: string[]): Promise<void> {
    await until(
      `${this.name} sees ${names.join(', ') || 'nobody'}`,
      () => `${this.names}` === `${names.sort()}`,
      patienceMs,
    ).catch((error: Error) => {
      const faults = this.faults.map(({ code, message }) => `${code} ${message}`);
      throw new Error(`${error.message}; it sees ${this.names.join(', ') || 'nobody'}; faults: ${faults.join('; ') || 'none'}`);
    });
  }

  async stop(): Promise<void> {
    this.#ends.abort();
    await Promise.all(this.#tasks);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** Fit for announcing; each number another peer. */
export const member = (number: number, cluster = 'c1'): Announcement => {
  const peer = `12D3KooWTest${number}`;
  const addresses = [`/ip4/127.0.0.1/tcp/${7_400 + number}/p2p/${peer}`];
  return { name: `n${number}`, peer, cluster, version: '1.2.3', addresses };
};
