// What a person asks of the breakers of a node, and tells them (row B3). Told by hand they hold until somebody says otherwise, so how
// many may be held is limited: the others must have room.
import {
  type Breaker,
  type BreakerEffect,
  type BreakerStatus,
  type Breakers,
  command,
  viewOf,
} from '../machines/breaker/index.ts';
import { type Failure, failure } from '../machines/errors.ts';
import type { Outcome } from './api.ts';
import type { ClockPort, PeerId, SinkPort } from './ports/index.ts';
import type { BreakerReport, BreakersApi } from './service-api.ts';

export const breakerCommandLimits = { heldMax: 4_096, nodeCharsMax: 128, serviceCharsMax: 128 } as const;

const limits = breakerCommandLimits;

export type BreakerEntry = { readonly peer: PeerId; readonly service: string; readonly breaker: Breaker };

/** A breaker that is not closed, or is held closed by hand. */
export type NotableBreaker = Pick<BreakerReport, 'peer' | 'node' | 'service' | 'status'>;

type BreakersApiArguments = {
  table: Breakers;
  clock: ClockPort;
  sink: SinkPort;
  nameOf: (peer: PeerId) => string | null;
  peerCalled: (node: string) => PeerId | null;
  reportsMax: number;
  /** Those that are not closed or are held by hand. */
  current: () => BreakerEntry[];
  /** Made if there is none. */
  breaker: (peer: PeerId, service: string) => Breaker;
  tell: (peer: PeerId, service: string, breaker: Breaker, effects: readonly BreakerEffect[]) => void;
};

export const isHeld = (status: BreakerStatus): boolean => status === 'forced-open' || status === 'forced-closed';

const isText = (value: unknown, charsMax: number): boolean =>
  typeof value === 'string' && value.length >= 1 && value.length <= charsMax && !value.includes('\n');

const problemOf = ({ node, service }: { node: unknown; service: unknown }, what: unknown): Failure | null => {
  if (!isText(node, limits.nodeCharsMax)) return failure('INVALID_REQUEST', 'node is the name of a node, or its peer id');
  if (service !== null && !isText(service, limits.serviceCharsMax))
    return failure(
      'INVALID_REQUEST',
      `service is a name of at most ${limits.serviceCharsMax} characters, or null: all of them`,
    );
  if (what !== 'open' && what !== 'close' && what !== 'reset')
    return failure('INVALID_REQUEST', "a breaker can be told to 'open', to 'close', or to 'reset'");
  return null;
};

const entryOf = (name: string, breaker: Breaker): BreakerEntry => {
  const [peer = '', service = ''] = name.split('\n');
  return { peer, service, breaker };
};

const placeOf = ({ node, peer, service }: BreakerReport): string => `${node ?? peer}\n${service}`;
const byPlace = (a: BreakerReport, b: BreakerReport): number => (placeOf(a) < placeOf(b) ? -1 : 1);

export const createBreakersApi = (args: BreakersApiArguments): BreakersApi => {
  const { table, clock, sink, nameOf, peerCalled, current } = args;

  const report = ({ peer, service, breaker }: BreakerEntry, nowMs: number): BreakerReport => {
    const { status, isForced, counts } = viewOf(breaker, nowMs);
    return {
      ...{ peer, node: nameOf(peer), service, status, isForced },
      openForMs: status === 'open' ? Math.ceil(breaker.untilMs - nowMs) : 0,
      ...{ failures: counts.failed, refused: counts.refused },
    };
  };

  const toTell = (peer: PeerId, service: string | null): BreakerEntry[] =>
    service === null
      ? [...table.of].filter(([name]) => name.startsWith(`${peer}\n`)).map(([name, breaker]) => entryOf(name, breaker))
      : [{ peer, service, breaker: args.breaker(peer, service) }];

  const roomProblem = (told: readonly BreakerEntry[]): Failure | null => {
    const most = Math.min(limits.heldMax, table.breakersMax - 1);
    const held = current().filter(({ breaker }) => isHeld(breaker.status)).length;
    const more = told.filter(({ breaker }) => !isHeld(breaker.status)).length;
    return held + more > most ? failure('OVERLOADED', `${held} breakers are held by hand, of at most ${most}`) : null;
  };

  const commandBreaker = (...[which, what]: Parameters<BreakersApi['commandBreaker']>): Outcome<number> => {
    const refuse = (why: Failure): Outcome<number> => ({ ok: false, failure: why });
    const problem = problemOf(which, what);
    if (problem !== null) return refuse(problem);
    const peer = peerCalled(which.node);
    if (peer === null) return refuse(failure('MEMBER_NOT_FOUND', `no node is known as '${which.node}'`));
    const told = toTell(peer, which.service);
    const tooMany = what === 'reset' ? null : roomProblem(told);
    if (tooMany !== null) return refuse(tooMany);
    for (const { service, breaker } of told) {
      const effects: BreakerEffect[] = [];
      command(breaker, clock.nowMs(), what, effects);
      args.tell(peer, service, breaker, effects);
    }
    const facts = { peer, service: which.service };
    sink.log('info', 'BREAKER_COMMAND', `${told.length} breakers of calls to ${which.node} were told to ${what}`, facts);
    return { ok: true, value: told.length };
  };

  return {
    commandBreaker,
    breakers() {
      const chosen = current().slice(0, args.reportsMax);
      for (const [name, breaker] of table.of) {
        if (chosen.length >= args.reportsMax) break;
        if (breaker.status === 'closed' && breaker.counts.failed > 0) chosen.push(entryOf(name, breaker));
      }
      const nowMs = clock.nowMs();
      return chosen.map((entry) => report(entry, nowMs)).sort(byPlace);
    },
  };
};
