// What `polity dev` shows: a table that redraws itself in a terminal, plain lines elsewhere. Rows in, text out.
import { table } from './output.ts';

export type DevRow = {
  name: string;
  state: string;
  role: string;
  term: string;
  leader: string;
  commit: string;
  applied: string;
  pid: string;
  http: string;
  isLeader: boolean;
  isDown: boolean;
};

const head = ['NODE', 'STATE', 'ROLE', 'TERM', 'LEADER', 'COMMIT', 'APPLIED', 'PID', 'HTTP'];

export const devTable = (rows: readonly DevRow[]): string =>
  table(
    head,
    rows.map((row) => [row.name, row.state, row.role, row.term, row.leader, row.commit, row.applied, row.pid, row.http]),
  );

const bold = (text: string): string => `\x1b[1m${text}\x1b[0m`;
const dim = (text: string): string => `\x1b[2m${text}\x1b[0m`;

/** Any node takes a request, but one that starts or waits would only say so. */
const serves = (row: DevRow): boolean => !row.isDown && row.state === 'ready';

/** The lines below the table: what a visitor may try, with words that work as they stand. */
export const hintLines = (rows: readonly DevRow[], nodeDefault: string): string[] => {
  const up = rows.filter(serves);
  const [first] = up;
  const leader = up.find((row) => row.isLeader);
  if (first === undefined || leader === undefined) return [];
  const other = up.findLast((row) => !row.isLeader && row.http !== nodeDefault) ?? first;
  return [
    'Try in another terminal:',
    `  npx polity kv put greeting hello${first.http === nodeDefault ? '' : ` --node ${first.http}`}`,
    `  npx polity kv get greeting --node ${other.http}`,
    `  kill -9 ${leader.pid}    # ${leader.name}, the leader${rows.length < 3 ? '' : ': watch another lead within a second'}`,
  ];
};

/** What is unusual about the cluster as it stands, and what to do about it. `voters`: the group's, as far as anybody knows. */
export const noteLines = (rows: readonly DevRow[], voters: readonly string[], nodeDefault: string): string[] => {
  const ready = rows.filter(serves);
  const running = voters.filter((name) => rows.some((row) => row.name === name && !row.isDown)).length;
  const needed = Math.floor(voters.length / 2) + 1;
  const [first] = ready;
  const outside = ready.filter((row) => row.role === 'none').map((row) => row.name);
  const isLed = ready.some((row) => row.isLeader);
  return [
    ...(running >= needed
      ? []
      : [`No quorum: ${running} of ${voters.length} voters run (${voters.join(', ')}), and ${needed} are needed.`]),
    ...(outside.length === 0 || !isLed
      ? []
      : [
          `Not members of kv: ${outside.join(', ')}. To add one: npx polity group add kv ${outside[0]}` +
            (first!.http === nodeDefault ? '' : ` --node ${first!.http}`),
        ]),
  ];
};

export const keysLine = 'r brings dead nodes back at once (else after 3 s), q or Ctrl-C stops all';

/** Draws over what it drew before; a resized or narrow terminal cuts lines instead of wrapping them. */
export class LiveView {
  readonly #out: NodeJS.WriteStream;
  #height = 0;

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
  }

  draw(rows: readonly DevRow[], title: string, below: readonly string[]): void {
    const columns = Math.max(20, this.#out.columns ?? 80);
    const cut = (line: string): string => (line.length > columns ? `${line.slice(0, columns - 1)}…` : line);
    const [headLine, ...lines] = devTable(rows).split('\n').map(cut);
    const body = [
      ...[bold(cut(title)), '', dim(headLine!)],
      ...lines.map((line, at) => (rows[at]!.isLeader ? bold(line) : rows[at]!.isDown ? dim(line) : line)),
      ...['', ...below.map(cut)],
    ];
    const up = this.#height > 1 ? `\x1b[${this.#height - 1}A\r` : '\r';
    this.#out.write(`\x1b[?25l${this.#height === 0 ? '' : up}${body.map((line) => `${line}\x1b[K`).join('\n')}\x1b[J`);
    this.#height = body.length;
  }

  /** Leaves what was drawn and goes below it. */
  end(): void {
    this.#out.write(`${this.#height === 0 ? '' : '\n'}\x1b[?25h`);
    this.#height = 0;
  }
}
