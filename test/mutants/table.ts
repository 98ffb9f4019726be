// What the hunts found, for a terminal and for docs/internals/simulator.md.
import type { Hunt } from './hunt.ts';
import type { Mutant } from './mutant.ts';

const seconds = (ms: number): string => `${Math.round(ms / 1_000)} s`;

/** What judges of replicated data say (sim/replica/), without the object and the change. */
const ofReplicas: readonly (readonly [RegExp, string])[] = [
  [/ has lost | have lost /, 'what was acknowledged is lost'],
  [/ again, which went with /, 'what was taken away is back'],
  [/ again, which it had seen go/, 'what was seen to go is back'],
  [/ was the replica /, 'a replica id changes without damage'],
  [/^all replicas hold the same/, 'all replicas hold the same'],
  [/ believes a stamp /, 'a stamp from the future is believed'],
  [/ nobody overruled |to that was overruled/, 'a flag shows the side that loses'],
  [/ after a change /, 'a change does what it would do alone'],
];

/** What judges of calls promise (sim/calls/); what follows says of which call. */
const ofCalls = [
  ...['a call ends once', 'a call ends in time', 'what is executed ends in time', 'what may not be repeated is done once'],
  ...['a request id has one effect', 'a definite failure did nothing', 'who is told ok has it', 'results are of the call'],
  ...['items come in order', 'items are asked for', 'a stream is whole', 'attempts are bounded', 'deadlines shrink'],
  ...[
    'nothing waits beyond bounds',
    'what matters most gets through',
    'every call is settled',
    'no call goes round its breaker',
  ],
  ...['what nobody wants is not executed', 'services are called everywhere', 'nothing is executed for nobody'],
];

/** The words before the colon say which promise, invariant or demand: the rest is of this one run. */
export const judgeOf = (what: string): string => {
  const invariant = /InvariantBroken: ([a-z-]+)/.exec(what)?.[1];
  if (invariant !== undefined) return `invariant ${invariant}`;
  const promise = /^([a-z]+(?:-[a-z]+)+) of '/.exec(what)?.[1];
  if (promise !== undefined) return promise;
  const ofReplica = ofReplicas.find(([told]) => told.test(what))?.[1];
  if (ofReplica !== undefined) return ofReplica;
  if (/^n\d+ finds .* of itself and offers /.test(what)) return 'a node does not find what it offers';
  const ofCall = ofCalls.find((rule) => what.startsWith(rule));
  if (ofCall !== undefined) return ofCall;
  if (what.startsWith('breaker: ')) return 'a breaker is not what its twin is';
  const said = /\bsays ([A-Z_]+)/.exec(what)?.[1];
  if (said !== undefined) return `a replica says ${said}`;
  if (
    /^(?:n\d+ serves a write|every node is|clients are served|all agree who offers what|every call ends|all nodes hold|the cluster forms)/.test(
      what,
    )
  )
    return what.split(':')[0]!.replace(/^n\d+ /, 'a node ');
  return what;
};

export const lineOf = ({ mutant, kill, seeds, virtualMs, wallMs }: Hunt): string => {
  const name = (mutant ?? '(nothing planted)').padEnd(28);
  const cost = `${String(seeds).padStart(4)} seeds, ${seconds(virtualMs).padStart(7)} virtual, ${seconds(wallMs).padStart(6)}`;
  return kill === null
    ? `${name} ${cost}  held`
    : `${name} ${cost}  ${kill.as}${kill.seed === null ? '' : ` in seed ${kill.seed}`}: ${kill.what}`;
};

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('`', "'");

export const markdownOf = (mutants: readonly Mutant[], hunts: readonly Hunt[]): string => {
  const rows = mutants.flatMap(({ name, sentence }) => {
    const found = hunts.find((hunt) => hunt.mutant === name);
    if (found === undefined) return [];
    const { kill, seeds, virtualMs } = found;
    const end =
      kill === null
        ? `survived ${seeds} seeds | |`
        : kill.seed === null
          ? `| | law: ${cell(kill.what)}`
          : `${seeds} | ${seconds(virtualMs)} | ${kill.as}: ${cell(judgeOf(kill.what))}`;
    return [`| \`${name}\` | ${cell(sentence)} | ${kill === null ? end.replace(' | |', ` | ${seconds(virtualMs)} |`) : end} |`];
  });
  return ['| mutant | what is wrong | seeds | virtual time | found as |', '| --- | --- | --- | --- | --- |', ...rows].join(
    '\n',
  );
};
