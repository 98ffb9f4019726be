// Questions about actors that are put to many members side by side: everybody has the same time, and who does not answer is named.
import { type ActorAddress, addressText } from '../machines/entity/address.ts';
import { type Failure, failure } from '../machines/errors.ts';
import type { MemberView } from '../machines/membership/index.ts';
import type { Outcome } from './api.ts';
import { failureOfAsk, isThere } from './inspect-abroad.ts';
import { type ActorDescription, type ActorPage, inspectLimits, type ListedActor, type SilentNode } from './inspect-api.ts';
import { byAddress } from './inspect-local.ts';
import {
  type CheckedQuery,
  formQuery,
  inspectAddress,
  type LocalPage,
  parseDescription,
  parseOutcome,
  parsePage,
} from './inspect-wire.ts';
import type { Router } from './router.ts';
import type { Scope } from './supervise.ts';

type Done<Value> = (outcome: Outcome<Value>) => void;

type MembersArguments = { scope: Scope; router: Router; members: () => readonly MemberView[] };

export interface AskedMembers {
  /** `node`: only of that one. `own`: of this node, if it is asked too. */
  pages(own: LocalPage | null, node: string | null, query: CheckedQuery, timeoutMs: number, done: Done<ActorPage>): void;
  describe(address: ActorAddress, timeoutMs: number, done: Done<ActorDescription>): void;
}

/** Those up to the limit, and further copies of the last of them. */
const cut = (actors: readonly ListedActor[], limit: number): ListedActor[] => {
  let count = Math.min(limit, actors.length);
  while (count < actors.length && actors[count]!.address === actors[count - 1]!.address) count++;
  return actors.slice(0, count);
};

export const createAskedMembers = ({ scope, router, members }: MembersArguments): AskedMembers => {
  const there = (): MemberView[] => members().filter((member) => !member.self && member.name !== '' && isThere(member));

  const ask = <Value>(
    { peer, name }: MemberView,
    type: 'list' | 'describe',
    body: unknown,
    timeoutMs: number,
    parse: (value: unknown) => Value | null,
    done: Done<Value>,
  ): void =>
    router.ask(
      { peer, lane: 'calls', source: inspectAddress, target: inspectAddress, type, body, timeoutMs },
      scope.guard((why, answer) => {
        if (why !== null) return done({ ok: false, failure: failureOfAsk(why, name) });
        const outcome = parseOutcome(answer, parse);
        if (outcome === null) router.refuse(peer, 'MESSAGE_MALFORMED', 'what should describe actors does not');
        done(outcome ?? { ok: false, failure: failure('INTERNAL', `${name} answered with something that is none of ours`) });
      }),
    );

  const oneOf = (name: string): MemberView | null => there().find((member) => member.name === name) ?? null;

  /** The first that has it. */
  const anywhere = (address: ActorAddress, timeoutMs: number, done: Done<ActorDescription>): void => {
    const asked = there().slice(0, inspectLimits.membersMax);
    const failures: Failure[] = [];
    let isFound = false;
    const answer: Done<ActorDescription> = (outcome) => {
      if (isFound) return;
      if (outcome.ok) {
        isFound = true;
        return done(outcome);
      }
      failures.push(outcome.failure);
      if (failures.length < asked.length) return;
      done({ ok: false, failure: nowhere(address, asked.length + 1, failures) });
    };
    if (asked.length === 0) return done({ ok: false, failure: nowhere(address, 1, []) });
    const body = addressText(address);
    for (const member of asked) ask(member, 'describe', body, timeoutMs, parseDescription(member.name), answer);
  };

  return {
    pages(own, node, query, timeoutMs, done) {
      const all = there().filter(({ name }) => node === null || name === node);
      if (node !== null && all.length === 0) return done({ ok: false, failure: notKnown(node) });
      const asked = all.slice(0, inspectLimits.membersMax);
      const silent: SilentNode[] = all
        .slice(asked.length)
        .map(({ name }) => ({ node: name, failure: failure('OVERLOADED', 'too many members to ask all of them') }));
      const pages: LocalPage[] = own === null ? [] : [own];
      let left = asked.length;
      const finish = (): void => {
        // Behind the end of a page that is not whole, others may belong before what a member has told.
        const ends = pages.filter(({ more, actors }) => more && actors.length > 0).map(({ actors }) => actors.at(-1)!.address);
        const end = ends.sort()[0];
        const found = pages
          .flatMap(({ actors }) => actors)
          .filter(({ address }) => end === undefined || address <= end)
          .sort(byAddress);
        const actors = cut(found, query.limit);
        const more = actors.length < found.length || ends.length > 0;
        silent.sort((a, b) => (a.node < b.node ? -1 : 1));
        done({ ok: true, value: { actors, more, silent } });
      };
      if (left === 0) return finish();
      for (const member of asked)
        ask(member, 'list', formQuery(query), timeoutMs, parsePage(member.name), (outcome) => {
          if (outcome.ok) pages.push(outcome.value);
          else if (node !== null) return done(outcome);
          else silent.push({ node: member.name, failure: outcome.failure });
          if (--left === 0) finish();
        });
    },
    describe(address, timeoutMs, done) {
      if (address.node === null) return anywhere(address, timeoutMs, done);
      const member = oneOf(address.node);
      if (member === null) return done({ ok: false, failure: notKnown(address.node) });
      ask(member, 'describe', addressText(address), timeoutMs, parseDescription(member.name), done);
    },
  };
};

const notKnown = (node: string): Failure =>
  failure('MEMBER_NOT_FOUND', `no node is known as '${node.slice(0, 64)}' that is there`);

export const notHere = (address: ActorAddress, node: string): Failure =>
  failure('NOT_FOUND', `${addressText(address)} does not live at ${node} now`, { address: addressText(address), node });

const nowhere = (address: ActorAddress, asked: number, failures: readonly Failure[]): Failure => {
  const silent = failures.filter(({ code }) => code !== 'NOT_FOUND').length;
  const without = silent === 0 ? '' : `, and ${silent} of them did not answer`;
  const where = asked === 1 ? 'at the one node there is' : `at any of ${asked} nodes`;
  return failure('NOT_FOUND', `${addressText(address)} does not live ${where} now${without}`, {
    address: addressText(address),
    silent,
  });
};
