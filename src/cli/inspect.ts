// `polity actors` and `polity inspect`: which actors live where, and one of them, live: its chart with the states that it is in, and what
// happens to it, as it happens.

import type { Client } from '../client/index.ts';
import type { InspectedEvent, ListActorsOptions, ShownActor } from '../client/inspection.ts';
import { PolityError } from '../errors.ts';
import { stateText } from './chart-tree.ts';
import { UsageError } from './exit.ts';
import { drawn, Story } from './inspect-story.ts';
import { ActorView } from './inspect-view.ts';
import { cell, print, printJson, table } from './output.ts';
import { countOf, type ReachOptions, withClient } from './reach.ts';

export type ActorsOptions = ReachOptions & {
  type?: string;
  prefix?: string;
  on?: string;
  all?: boolean;
  limit?: string;
  after?: string;
};

const note = (text: string): void => void process.stderr.write(`polity: ${text}\n`);

const rowOf = (actor: ShownActor, all: boolean): string[] => [
  cell(actor.address, 120),
  ...(all ? [cell(actor.node, 63)] : []),
  actor.state,
  cell(stateText(actor.value), 60),
  ...[String(actor.handled), String(actor.waiting), String(actor.restarts), actor.durability, actor.token ?? '-'],
];

export const actors = (options: ActorsOptions): Promise<void> =>
  withClient(options, async (client) => {
    const { type, prefix, on, all = false, limit, after } = options;
    if (all && on !== undefined) throw new UsageError('--all is every node, --on is one');
    const wanted: ListActorsOptions = {
      ...(type === undefined ? {} : { type }),
      ...(prefix === undefined ? {} : { prefix }),
      ...(after === undefined ? {} : { after }),
      ...(limit === undefined ? {} : { limit: countOf(limit, '--limit') }),
      ...(all ? { of: 'cluster' as const } : on === undefined ? {} : { of: { node: on } }),
    };
    const found = await client.inspection.list(wanted);
    if (options.json === true) return printJson(found);
    const head = [
      'ADDRESS',
      ...(all ? ['NODE'] : []),
      'STATE',
      'CHART',
      'HANDLED',
      'WAITING',
      'RESTARTS',
      'DURABILITY',
      'TOKEN',
    ];
    print(
      found.actors.length === 0
        ? 'no actors'
        : table(
            head,
            found.actors.map((actor) => rowOf(actor, all)),
          ),
    );
    for (const { node, code, detail } of found.silent) note(cell(`${node} did not say: ${code}: ${detail ?? ''}`, 200));
    if (found.next !== null) note(`there are more: --after '${found.next}'`);
  });

// ---------------------------------------------------------------- one of them, live

export type InspectOptions = ReachOptions & { type?: string; all?: boolean; correlation?: string; sample?: string };

const againMs = 1_000;
const drawEveryMs = 100;
const refreshMs = 2_000;

/** Broken off by the one or the other: asked again. What was refused stays refused. */
const isPassing = (error: unknown): boolean =>
  error instanceof PolityError && (error.code === 'UNREACHABLE' || error.code === 'NOT_READY' || error.code === 'STOPPING');

const sleep = (delayMs: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, delayMs);
    signal.addEventListener('abort', done, { once: true });
    if (signal.aborted) done();
  });

type Wanted = Parameters<Client['inspection']['follow']>[0];

type Reader = {
  on: (event: InspectedEvent) => void;
  /** The stream broke off, and is asked for again. */
  lost: (error: Error) => void;
  again: () => Promise<void>;
};

/** Until the signal; throws what is final. Who was never heard is not waited for, unless `isKnown`. */
const followed = async (
  client: Client,
  wanted: Wanted,
  signal: AbortSignal,
  reader: Reader,
  isKnown: boolean,
): Promise<void> => {
  let hasHeard = isKnown;
  for (let round = 0; !signal.aborted; round++) {
    try {
      if (round > 0) await reader.again();
      for await (const event of client.inspection.follow({ ...wanted, signal })) {
        hasHeard = true;
        reader.on(event);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!hasHeard || !isPassing(error)) throw error;
      reader.lost(error as Error);
      await sleep(againMs, signal);
    }
  }
};

const untilStopped = (): { signal: AbortSignal; stop: () => void; over: () => void } => {
  const controller = new AbortController();
  const stop = (): void => controller.abort();
  process.once('SIGINT', stop).once('SIGTERM', stop);
  return { signal: controller.signal, stop, over: () => void process.off('SIGINT', stop).off('SIGTERM', stop) };
};

/** Who mistyped an address would wait for ever, and not know why. */
const noteWhere = async (client: Client, address: string): Promise<void> => {
  try {
    await client.inspection.describe(address);
  } catch (error) {
    if (!(error instanceof PolityError) || error.code !== 'NOT_FOUND') throw error;
    note(`${error.message}; it is followed when it comes`);
  }
};

/** One line for each thing that happens. */
const inLines = async (client: Client, wanted: Wanted, json: boolean): Promise<void> => {
  const { signal, over } = untilStopped();
  const story = new Story();
  const on = (event: InspectedEvent): void => {
    if (json) return printJson(event);
    const told = story.tell(event);
    if (told !== null) print(drawn(told.line, Number.POSITIVE_INFINITY, false));
  };
  const lost = (error: Error): void => note(error.message);
  await followed(client, wanted, signal, { on, lost, again: () => Promise.resolve() }, false);
  over();
};

/** The whole screen, drawn anew after what happens and when its size changes. */
class Screen {
  readonly #out = process.stdout;
  readonly #colors = process.env.NO_COLOR === undefined;
  readonly #view: ActorView;
  #timer: NodeJS.Timeout | null = null;
  #isOver = false;

  constructor(view: ActorView) {
    this.#view = view;
    // The other screen, so that what was there before comes back.
    this.#out.write('\x1b[?1049h\x1b[?25l');
    this.#out.on('resize', this.#draw);
    this.#draw();
  }

  readonly #draw = (): void => {
    this.#timer = null;
    if (this.#isOver) return;
    const columns = Math.max(20, this.#out.columns ?? 80);
    const rows = Math.max(4, this.#out.rows ?? 24);
    const lines = this.#view.lines(columns, rows).map((line) => `${drawn(line, columns, this.#colors)}\x1b[K`);
    this.#out.write(`\x1b[H${lines.join('\r\n')}\x1b[J`);
  };

  changed(): void {
    this.#timer ??= setTimeout(this.#draw, drawEveryMs);
  }

  end(): void {
    this.#isOver = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#out.off('resize', this.#draw);
    this.#out.write('\x1b[?25h\x1b[?1049l');
  }
}

const keysEnd = (stop: () => void): (() => void) => {
  const { stdin } = process;
  if (!stdin.isTTY) return () => {};
  const onKeys = (keys: Buffer): void => {
    // In raw mode Ctrl-C is a key.
    const text = keys.toString('latin1');
    if (text.includes('q') || text.includes('\x03')) stop();
  };
  stdin.setRawMode(true);
  stdin.resume();
  stdin.on('data', onKeys);
  return () => {
    stdin.off('data', onKeys);
    stdin.setRawMode(false);
    stdin.pause();
  };
};

const onScreen = async (client: Client, address: string, wanted: Wanted): Promise<void> => {
  const view = new ActorView(address, await client.inspection.describe(address));
  const { signal, stop, over } = untilStopped();
  const endKeys = keysEnd(stop);
  const screen = new Screen(view);
  // What no event tells: how many wait, how often it began anew.
  const refresh = setInterval(() => {
    client.inspection.describe(address, { signal }).then(
      (now) => {
        view.refresh(now);
        screen.changed();
      },
      () => {},
    );
  }, refreshMs);
  try {
    await followed(
      client,
      wanted,
      signal,
      {
        on(event) {
          view.apply(event);
          screen.changed();
        },
        lost(error) {
          view.trouble(error.message);
          screen.changed();
        },
        async again() {
          view.refresh(await client.inspection.describe(address, { signal }));
          view.trouble(null);
        },
      },
      true,
    );
  } finally {
    clearInterval(refresh);
    screen.end();
    endKeys();
    over();
  }
};

export const inspect = (address: string | undefined, options: InspectOptions): Promise<void> =>
  withClient(options, async (client) => {
    const { type, all = false, correlation, sample } = options;
    if ((address === undefined) === (type === undefined))
      throw new UsageError('name the address of an actor, or --type of all that are to be followed');
    if (all && type === undefined) throw new UsageError('--all is for --type; an actor is followed wherever it lives');
    const wanted = {
      ...(address === undefined ? {} : { addresses: [address] }),
      ...(type === undefined ? {} : { types: [type], everywhere: all }),
      ...(correlation === undefined ? {} : { correlation }),
      ...(sample === undefined ? {} : { perSecond: countOf(sample, '--sample') }),
    };
    if (address !== undefined && options.json !== true && process.stdout.isTTY) return onScreen(client, address, wanted);
    if (address !== undefined) await noteWhere(client, address);
    return inLines(client, wanted, options.json === true);
  });
