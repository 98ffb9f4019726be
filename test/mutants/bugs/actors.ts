// Bugs of actors: what was acknowledged and is lost, what is done twice, too early or never, and two of one where there may be one.
import type { Mutant } from '../mutant.ts';

const [fold, ledger, work, reign] = [
  ...(['machines/entity/ledger-fold.ts', 'machines/entity/ledger.ts'] as const),
  ...(['actors/actor-replica-work.ts', 'actors/actor-replica-reign.ts'] as const),
];
const request = 'machines/entity/post-request.ts';
const history = 'actors/actor-history.ts';

const bug = (name: string, sentence: string, file: string, find: string, replace: string): Mutant => ({
  ...{ name, sentence, from: 'known-bugs', hunted: { scenario: 'actors' }, edits: [{ file, find, replace }] },
});

/** Found by seeds of this scenario; since then a test looks for it. */
const found = (laws: string, ...given: Parameters<typeof bug>): Mutant => ({
  ...bug(...given),
  ...{ from: 'own-history', hunted: { laws } },
});

const journal = 'actors/actor-journal/journal';

export const actors: readonly Mutant[] = [
  bug(
    'effect-said-done',
    'A leader says in the log that an effect was run, and has not run it.',
    ...([work, 'this.#attempt(effect, told.kind, () => this.#run(folding, told));', ''] as const),
  ),
  bug(
    'outbox-of-old-leader',
    'A new leader leaves out the effects that stand in the outbox from before it.',
    ...([
      work,
      'for (const effect of record.outbox.values()) if (!',
      'for (const effect of record.outbox.values()) if (effect.index > this.#place.token.index && !',
    ] as const),
  ),
  bug(
    'effect-without-token',
    'Effects are run by whoever led when they were committed, whether its token holds or not.',
    ...([
      'actors/actor-replica-group.ts',
      'if (current.holds(token)) return true;',
      'if (token !== null) return true;',
    ] as const),
  ),
  bug(
    'delivery-ids-unread',
    'A replica that starts again from its disk has forgotten which deliveries its actors have had.',
    ...([
      'machines/entity/ledger-window.ts',
      'if (place >= window.first) addId(window.table, hash, numberOf(place));',
      'if (place < 0) addId(window.table, hash, numberOf(place));',
    ] as const),
  ),
  bug(
    'done-effects-lie-on',
    'A replica that starts again from its disk leaves there what is done of what was to be done when it stopped.',
    ...(['machines/entity/ledger-store.ts', 'written.outbox.add(effectKey(id));', ''] as const),
  ),
  bug(
    'delivered-again',
    'An event under an id that an actor has had is an event once more.',
    ...([
      ledger,
      'if (before !== undefined && entry.timeMs',
      'if (before !== undefined && before.failed !== null && entry.timeMs',
    ] as const),
  ),
  {
    ...{ name: 'timer-stays', sentence: 'A timer that has rung stays, and rings again.' },
    ...{ from: 'known-bugs', hunted: { scenario: 'actors' } },
    edits: [
      { file: fold, find: 'ownTimers(record, draft).delete(item.id);\n      return', replace: 'return' },
      { file: 'actors/actor-timers.ts', find: 'forget(timer);\n      return timer;', replace: 'return timer;' },
    ],
  },
  {
    ...{ name: 'timer-of-another-setting', sentence: 'A timer that was cleared and set anew rings when the first would have.' },
    ...{ from: 'known-bugs', hunted: { scenario: 'actors' } },
    edits: [
      {
        file: reign,
        find: 'if (dueMs > wallMs || this.#rung.has(rung)) continue;',
        replace: 'if (this.#rung.has(rung)) continue;',
      },
      {
        file: fold,
        find: 'if (timer?.set !== item.set || timer.dueMs > timeMs) return',
        replace: 'if (timer?.set !== item.set) return',
      },
    ],
  },
  bug(
    'failed-step-counts',
    'What an event did before it failed stays.',
    ...([fold, 'dropBody(record);\n  const { item, timeMs } = step;', 'const { item, timeMs } = step;'] as const),
  ),
  bug(
    'answer-of-nobody',
    'What was invoked under an earlier leader is not begun again.',
    ...([
      work,
      "if (rule === 'retry') this.#start(folding, path, invoked);\n    else {",
      "if (rule === 'retry' && invoked.index < token.index) return true;\n    if (rule === 'retry') this.#start(folding, path, invoked);\n    else {",
    ] as const),
  ),
  bug(
    'interrupted-begun-again',
    'A new leader begins again what its type says has failed with the old one.',
    ...([work, 'invoked.index < token.index ? ruleOf(', 'invoked.index < -token.index ? ruleOf('] as const),
  ),
  bug(
    'interrupted-without-cause',
    'What a leader was to begin itself is taken for interrupted.',
    ...([work, 'invoked.index < token.index ? ruleOf(', 'invoked.index >= 0 ? ruleOf('] as const),
  ),
  bug(
    'asked-as-failed',
    'An actor that wants to be asked about what was interrupted is told that it failed.',
    ...([fold, "item.path, item.how === 'ask', draft)", 'item.path, false, draft)'] as const),
  ),
  bug(
    'token-at-opening-only',
    'Whether the token of an actor in memory holds is asked when it is opened, and not before its turns.',
    ...([
      'actors/actor-cell.ts',
      'if (token !== null && !this.endsNow',
      'if (token !== null && token.term < 0 && !this.endsNow',
    ] as const),
  ),
  bug(
    'lease-without-end',
    'A leader holds its token until it hears of another, however long nobody has answered it.',
    ...([
      'actors/leadership.ts',
      'lease = { term, configurationIndex, untilMs: tokenUntilMs(state) };\n    return nowMs < lease.untilMs;',
      'lease = { term, configurationIndex, untilMs: tokenUntilMs(state) };\n    return true;',
    ] as const),
  ),
  bug(
    'local-not-synced',
    'A local actor acknowledges what is written and not on the disk.',
    ...([
      'actors/actor-log.ts',
      'this.#writer.write([{ key, value }, ...this.#mark()], { durable: true }, durable);',
      'this.#writer.write([{ key, value }, ...this.#mark()], { durable: false }, durable);',
    ] as const),
  ),
  bug(
    'local-timers-unread',
    'A local actor that is read from a snapshot has no timers.',
    ...([history, 'this.dues = new Map(record?.dues);', 'this.dues = new Map(record === null ? [] : undefined);'] as const),
  ),
  bug(
    'local-rot-passed-over',
    'What cannot be read of the log of a local actor is passed over, and it goes on without.',
    ...([
      'actors/actor-log.ts',
      'return end({ ok: false, message: `its log at ',
      'whyOf({ ok: false, message: `its log at ',
    ] as const),
  ),
  {
    ...{ name: 'local-gap-unseen', sentence: 'A local actor goes on with a log of which a part is missing.' },
    ...{ from: 'known-bugs', hunted: { scenario: 'actors' } },
    edits: [
      { file: 'actors/actor-log.ts', find: 'if (first !== expected) throw', replace: 'if (first < expected) throw' },
      {
        file: 'actors/actor-log.ts',
        find: 'if (!sameBytes(opened.previous, follows)) throw',
        replace: 'if (first === expected && !sameBytes(opened.previous, follows)) throw',
      },
    ],
  },
  {
    name: 'deadlines-counted-anew',
    sentence: 'Timers of a local actor that stand at an instant count anew when it is read again.',
    ...{ from: 'known-bugs', hunted: { scenario: 'actors' } },
    edits: [
      { file: history, find: "if (this.#policy === 'deadline') return;", replace: '' },
      {
        file: history,
        find: "return this.#policy !== 'deadline' && this.dues.size > 0;",
        replace: 'return this.dues.size > 0;',
      },
    ],
  },
  bug(
    'remaining-not-subtracted',
    'A local actor whose timers count what is left of them gives them all of their time again.',
    ...([history, "this.#policy === 'restart' ? delayMs :", "this.#policy !== 'deadline' ? delayMs :"] as const),
  ),
  bug(
    'remaining-goes-on',
    'A local actor whose timers count what is left of them counts the time of a crash, too.',
    ...([history, 'Math.max(0, dueMs - beforeMs)', 'Math.max(0, dueMs - this.atMs)'] as const),
  ),
  bug(
    'alarm-a-quarter-late',
    'Timers of local actors ring a quarter of their time late.',
    ...([
      'actors/actor-durable-core.ts',
      'Math.max(0, first - this.now())',
      'Math.max(0, (first - this.now()) * 1.25)',
    ] as const),
  ),
  bug(
    'local-ids-unread',
    'A local actor that is read from a snapshot does not know what it was delivered.',
    ...([history, 'this.ids = new Map(record?.ids);', 'this.ids = new Map(record === null ? [] : undefined);'] as const),
  ),
  bug(
    'answers-not-kept',
    'Who asks a replicated actor once more is answered from what it is by then.',
    ...([
      fold,
      'if (bytes !== null) record.answers = withAnswer(record.answers, seq, bytes);',
      'if (bytes?.byteLength === 0) record.answers = withAnswer(record.answers, seq, bytes);',
    ] as const),
  ),
  {
    ...bug(
      'answers-unread',
      'A replica that starts again from its disk has forgotten what its actors answered.',
      ...([
        'machines/entity/ledger-store.ts',
        'record.answers = read(answersKey(name))?.slice() ?? null;',
        'record.answers = null;',
      ] as const),
    ),
    hunted: { laws: 'machines/entity/ledger' },
  },
  bug(
    'answered-by-the-next',
    'Who asks once more what a removed actor was asked is answered from the state of the next of that name.',
    ...(['actors/actor-replica-live.ts', 'if (seq === 0) return {', 'if (seq < 0) return {'] as const),
  ),
  bug(
    'stop-forgets-ids',
    'What a local actor handled that was stopped since is done once more by the next of its name.',
    ...(['actors/actor-remains.ts', 'if (ids.length === 0) return null;', 'if (ids.length >= 0) return null;'] as const),
  ),
  found(
    ...([
      'actors/actor-journal/removal',
      'removed-unread-forgets-ids',
      'What stood in the log of a local actor that is removed unread is done once more by the next of its name.',
    ] as const),
    ...([
      'actors/actor-remains.ts',
      'if (!passedOver.has(number)) ids.set(id, atMs);',
      'if (passedOver.has(number)) ids.set(id, atMs);',
    ] as const),
  ),
  found(
    ...([
      'actors/actor-journal/removal',
      'opened-while-removed',
      'A local actor is read while what is left of it is being removed.',
    ] as const),
    ...([
      'actors/actor-journal.ts',
      'if (later !== undefined) return void later.push(',
      'if (later === null) return void later!.push(',
    ] as const),
  ),
  bug(
    'effect-ids-again',
    'A local actor that was stopped and is made again gives the ids of its effects again.',
    ...(['actors/actor-durable-core.ts', 'life: () => this.history?.incarnation ?? this.id,', 'life: () => this.id,'] as const),
  ),
  bug(
    'doubt-of-actors-forgotten',
    'Who asked an actor that may have handled it is told that it surely was not.',
    ...([
      request,
      'const doubt = state.isInDoubt && errorTable',
      "const doubt = state.phase === 'over' && errorTable",
    ] as const),
  ),
  found(
    ...(['actors/replica', 'digest-not-compared', 'Replicas of an actor do not look at what the leader is like.'] as const),
    ...([
      ledger,
      'if (own !== null) compare(ledger, record, own, digest);',
      'if (own?.seq === -1) compare(ledger, record, own, digest);',
    ] as const),
  ),
  found(
    ...([
      'machines/entity/ledger',
      'timer-of-a-clock-that-went-back',
      'A timer rings when the clock of its leader is there, though the time of its entry in the log is not.',
    ] as const),
    ...([
      fold,
      'if (timer?.set !== item.set || timer.dueMs > timeMs) return false;',
      'if (timer?.set !== item.set) return false;',
    ] as const),
  ),
  found(
    ...([
      'machines/entity/ledger',
      'removed-has-not-failed',
      'What a removed actor had refused is told to be done to who delivers it to the next of that name.',
    ] as const),
    ...([
      'machines/entity/ledger-window.ts',
      "? 'OUTCOME_UNKNOWN' : (codes.get(one.id) ?? null)",
      "? 'OUTCOME_UNKNOWN' : null",
    ] as const),
  ),
  found(
    ...([
      journal,
      'counted-before-it-woke',
      'What is written of an actor that is read and not woken yet takes from its timers what it slept.',
    ] as const),
    ...([
      'actors/actor-durable-core.ts',
      'return this.isWaking && this.history !== null ? this.history.atMs : this.now();',
      'return this.now();',
    ] as const),
  ),
  found(
    ...([journal, 'backoff-forgets-ids', 'A delivery that comes again while its actor begins anew is handled twice.'] as const),
    ...([history, 'if (this.isAgain(entry)) break;', ''] as const),
  ),
  found(
    ...([
      journal,
      'nothing-is-filled',
      'What an entry wanted is done for the one before it as well, which wanted nothing.',
    ] as const),
    ...([
      'actors/actor-body.ts',
      'if (effects.length === 0) return nothing;',
      'if (effects.length === 0) return effects;',
    ] as const),
  ),
  found(
    ...([
      journal,
      'pending-surely-not',
      'Who waits for an answer when an actor leaves is told that his event was not handled.',
    ] as const),
    ...([
      'actors/actor-durable-core.ts',
      'const told = errorTable[why.code].definite',
      "const told = why.code === 'INTERNAL'",
    ] as const),
  ),
  found(
    ...([
      journal,
      'refused-is-read',
      'What a disk refused is read again by the same process, and what it wants is done.',
    ] as const),
    ...(['actors/actor-journal.ts', 'if (this.#refused !== null) return this.#refused;', ''] as const),
  ),
  found(
    ...([
      'actors/actor-cell',
      'waits-unmade',
      'An actor in memory whose token is lost before it is made waits for that token for ever, and whoever opens it with it.',
    ] as const),
    ...(['actors/actor-cell.ts', 'if (this.hasBegun) {\n', 'if (this.hasBegun || token.index >= 0) {\n'] as const),
  ),
  found(
    ...([
      journal,
      'timers-put-off-by-rest',
      'A local actor whose timers count from when it is read leaves the memory while it has some.',
    ] as const),
    ...(['actors/actor-durable-leave.ts', 'timersWake: this.history?.countsFromWaking !== true', 'timersWake: true'] as const),
  ),
  found(
    ...([
      journal,
      'timers-put-off-by-stop',
      'A local actor whose timers count from when it is read is read when they were due.',
    ] as const),
    ...([
      'actors/actor-durable-leave.ts',
      'return this.history?.countsFromWaking === true ? 0 :',
      'return this.history === null ? 0 :',
    ] as const),
  ),
  found(
    ...([
      journal,
      'effects-of-another-entry',
      'What a local actor does once more after a crash is also done under an entry before it.',
    ] as const),
    ...([
      'actors/actor-body.ts',
      'if (effects.length === 0) return nothing;',
      'if (effects.length === 0) return effects;',
    ] as const),
  ),
  found(
    ...([
      journal,
      'snapshot-lost-unseen',
      'A local actor whose snapshot is lost is made anew, as if it had never been.',
    ] as const),
    ...([
      'actors/actor-log.ts',
      'if (this.#writer.get(this.#keys.wake) === undefined)',
      'if (this.#writer.get(this.#keys.wake) !== null)',
    ] as const),
  ),
  found(
    ...([
      'actors/actors-doors',
      'passive-watch',
      'A watcher of an actor that had left the memory is not told when it is stopped.',
    ] as const),
    ...([
      'actors/actor-directory.ts',
      "if (why === null && place.live === null) tell(place, { address, reason: 'stopped' });",
      '',
    ] as const),
  ),
  found(
    ...([
      'actors/actors-doors',
      'gone-says-not-done',
      'Who is asked again for what an actor in memory did says that it is elsewhere by now, and it is done there once more.',
    ] as const),
    ...(['actors/actor-serving.ts', 'if (this.#isAgain(peer, of, ask, event)) return;', ''] as const),
  ),
  found(
    ...([
      'actors/actors-doors',
      'said-to-a-full-lane',
      'Who was shown something and says so to a full lane is never shown anything again.',
    ] as const),
    ...([
      'actors/actor-following.ts',
      "if (post.say(peer, type, body, 0) !== 'lost') return true;",
      "if (this.#args.carrier.send(peer, type, body, 0, '', { left() {}, dropped() {} }) !== '') return true;",
    ] as const),
  ),
  found(
    ...(['actors/actors-doors', 'no-room-is-the-end', 'What finds no room on the way to a slow node is never said.'] as const),
    ...(['actors/actors.ts', 'return this.#putOff.drained(event.peer);', 'return;'] as const),
  ),
  found(
    ...([
      'actors/actors-doors',
      'no-room-is-on-its-way',
      'Who hears what an actor emits hears nothing any more after much of it found no room.',
    ] as const),
    ...(['machines/entity/post-hearing.ts', '  hearing.sent--;', '  void hearing;'] as const),
  ),
  found(
    ...([
      'actors/actor-replica-live',
      'answer-from-nothing',
      'Who asks a removed actor once more is answered from a state that is not there.',
    ] as const),
    ...([
      'actors/actor-replica-live.ts',
      'if (after === null && !this.#isReadable)',
      'if (after === null && this.#over !== null)',
    ] as const),
  ),
];
