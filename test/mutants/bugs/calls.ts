// Bugs of calls, of what stands where they are executed, and of breakers: promises about what happened that do not hold, questions put
// twice, ends that are told twice or never, and doors that stand open or stay shut.
import type { Mutant } from '../mutant.ts';

const going = 'actors/calls-out.ts';
const trying = 'actors/call-attempts.ts';
const coming = 'actors/calls-in.ts';
const own = 'actors/calls-local.ts';
const breaker = 'machines/breaker/machine.ts';

const bug = (name: string, sentence: string, file: string, find: string, replace: string): Mutant => ({
  ...{ name, sentence, from: 'known-bugs', hunted: { scenario: 'calls' }, edits: [{ file, find, replace }] },
});

/** Found by seeds, one in dozens; since then their tests look for them. */
const found = (...given: Parameters<typeof bug>): Mutant => ({
  ...bug(...given),
  ...{ from: 'own-history', hunted: { laws: 'actors/calls-doubt' } },
});

export const calls: readonly Mutant[] = [
  bug(
    'results-not-remembered',
    'Whoever is asked the same again does it again.',
    ...([coming, 'recall(this.#args.memory, peer, message.requestId)', 'recall(this.#args.memory, peer, -1)'] as const),
  ),
  {
    name: 'asked-of-another-life',
    sentence: 'A process that began anew is asked for, and executes, what the one before it was asked for.',
    ...{ from: 'known-bugs', hunted: { scenario: 'calls' } },
    edits: [
      { file: coming, find: 'message.epoch > 0 && (', replace: 'message.epoch < 0 && (' },
      { file: trying, find: 'if (attempt.epoch !== epoch) this', replace: 'if (attempt.epoch < 0) this' },
    ],
  },
  bug(
    'answers-forgotten-early',
    'Results are forgotten as soon as they are told, before their caller has heard them.',
    ...(['actors/call-answers.ts', 'to.unheard.push(entry);', 'forget(memory, entry);'] as const),
  ),
  bug(
    'lost-goes-elsewhere',
    'What may not be repeated is put to another node when the one that was asked is lost.',
    ...([
      'machines/rpc/retry.ts',
      "if (end === 'lost') return idempotent ? 'elsewhere-costs' : 'same';",
      "if (end === 'lost') return 'elsewhere-costs';",
    ] as const),
  ),
  bug(
    'doubt-forgotten',
    'After an attempt that may have had its effect, the last refusal says that nothing happened.',
    ...([going, "if (how === 'lost') out.isInDoubt = true;", ''] as const),
  ),
  found(
    'refused-by-one-of-two',
    'What one of two nodes refuses ends the call as if nothing had happened at the other.',
    ...([going, 'out.isInDoubt || out.open.some((', 'out.isInDoubt || [].some(('] as const),
  ),
  found(
    'twice-is-malformed',
    'A call that comes twice, for its node heard late that a connection had been replaced, is held against that node.',
    ...([coming, 'if (underWay?.address === addressOf(message)) return', 'if (underWay === null) return'] as const),
  ),
  found(
    'refusals-remembered',
    'Who was refused before anything was done is refused for that again and again under the same id.',
    ...([
      coming,
      "if (typeof entry.id === 'string' && 'failure' in result && mayBeAskedAgain(result.failure.code)) forget",
      'if (result === null) forget',
    ] as const),
  ),
  found(
    'refusals-forgotten',
    'A refusal is forgotten before its caller has heard it, and the same message once more is executed.',
    ...([coming, "typeof entry.id === 'string' && 'failure' in result", "'failure' in result"] as const),
  ),
  bug(
    'asks-without-end',
    'A call is put to nodes that are too busy, however often they say so.',
    ...(['machines/rpc/limits.ts', 'attemptsMax: 3,', 'attemptsMax: 15,'] as const),
  ),
  bug(
    'deadline-begins-anew',
    'Whoever executes a call has a minute for it, whatever its caller has left.',
    ...([trying, 'Math.max(1, Math.floor(deadlineMs - nowMs))', 'Math.max(60_000, Math.floor(deadlineMs - nowMs))'] as const),
  ),
  bug(
    'inner-call-outlives',
    'A call within another has its own time, not what the other has left.',
    ...(['actors/calls.ts', 'Math.min(ownMs, within.deadlineMs)', 'ownMs'] as const),
  ),
  bug(
    'caller-waits-for-ever',
    'A call whose answer does not come never ends.',
    ...([going, 'this.#deadlines.add(out, prepared.deadlineMs);', ''] as const),
  ),
  bug(
    'own-call-waits-for-ever',
    'A call at home that its handler does not end never ends.',
    ...([own, 'this.#deadlines.add(local, deadlineMs);', ''] as const),
  ),
  bug(
    'cancel-not-told',
    'Whoever executes a call is not told that nobody wants it any more.',
    ...([trying, "if (state !== 'lost' && !isHeld) this.#args.post.say(peer, callTypes.cancel, number, 0);", ''] as const),
  ),
  bug(
    'handler-not-told',
    'A handler is not told that nobody wants its result any more.',
    ...(['actors/service-run.ts', 'this.#handler?.cancel();', ''] as const),
  ),
  bug(
    'slower-one-goes-on',
    'Of two that were asked the slower one is heard too.',
    ...([going, 'if (out.open.length > 0) this.#endOthers(out, null);', ''] as const),
  ),
  bug(
    'items-unasked',
    'A handler is told to make more items than its reader asked for.',
    ...([
      coming,
      'call.asked = Math.min(call.asked + items, rpcLimits.creditMax);',
      'call.asked = rpcLimits.creditMax;',
    ] as const),
  ),
  bug(
    'breaker-not-asked',
    'A call is made although the breaker refuses it.',
    ...([going, 'if (ticket === 0) {', 'if (ticket < 0) {'] as const),
  ),
  bug(
    'breaker-told-twice',
    'The end of an attempt that was lost and asked again is told to its breaker twice.',
    ...([trying, 'if (attempt.isSettled) return;', ''] as const),
  ),
  bug(
    'success-untold',
    'Only failures are told to breakers.',
    ...([
      trying,
      'if (ticket !== localTicket) breakers.settle(',
      'if (ticket !== localTicket && code !== null) breakers.settle(',
    ] as const),
  ),
  bug(
    'half-open-told-free',
    'Whoever chooses among peers is told that a half-open breaker has room, while its probe is under way.',
    ...([
      'actors/breakers.ts',
      'probes: options.probes - probesOut - probesDone',
      'probes: options.probes - probesDone',
    ] as const),
  ),
  {
    name: 'half-open-for-all',
    sentence: 'A half-open breaker lets every call through.',
    ...{ from: 'known-bugs', hunted: { scenario: 'calls' } },
    edits: [
      {
        file: breaker,
        find: 'breaker.probes.length + breaker.probesDone < breaker.options.probes',
        replace: 'breaker.probesDone < 1_000_000',
      },
      { file: 'actors/breakers.ts', find: 'probes: options.probes - probesOut - probesDone', replace: 'probes: 1 + probesOut' },
    ],
  },
  bug(
    'never-doubled',
    'A breaker is open for the same time, however often it opens.',
    ...([breaker, 'Math.min(openingsMax, breaker.openings + 1)', '1'] as const),
  ),
  bug(
    'failures-never-old',
    'Failures count however long ago they were.',
    ...(['machines/breaker/window.ts', 'mark < window.size;', 'mark < 10 * window.size;'] as const),
  ),
  bug(
    'old-times-count',
    'What a call says that was admitted before the breaker changed counts for what it is now.',
    ...([breaker, 'if (!probe && ticket !== breaker.epoch) return', 'if (!probe && ticket > breaker.epoch) return'] as const),
  ),
  bug(
    'half-open-is-shut',
    'Whoever chooses among peers is told that a half-open breaker is open.',
    ...([
      'actors/breakers.ts',
      "if (statusAt(breaker, nowMs) !== 'half-open') return open;",
      'if (statusAt(breaker, nowMs) !== breaker.status || nowMs >= 0) return open;',
    ] as const),
  ),
  bug(
    'busy-is-broken',
    'A node that is too busy counts as one that fails.',
    ...([
      'machines/breaker/outcomes.ts',
      "['UNREACHABLE', 'OUTCOME_UNKNOWN', ",
      "['OVERLOADED', 'UNREACHABLE', 'OUTCOME_UNKNOWN', ",
    ] as const),
  ),
  bug(
    'important-sheds-first',
    'When a service is full, what matters most has to make room.',
    ...(['machines/bulkhead/queue.ts', 'of importances.toReversed()) {', 'of importances) {'] as const),
  ),
  bug(
    'bulkhead-without-walls',
    'More calls run at a time than may.',
    ...([
      'machines/bulkhead/machine.ts',
      '!state.isStopped && running.size < options.runningMax[importance];',
      '!state.isStopped;',
    ] as const),
  ),
];
