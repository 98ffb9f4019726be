// What was sent to actors and reached none: the last of them to be looked at, and how many there were in all.
import { type ActorAddress, addressText } from '../machines/entity/address.ts';
import type { Failure } from '../machines/errors.ts';
import { actorLimits, type DeadLetter, type Trail } from './actor-api.ts';
import { Mailbox } from './actor-mailbox.ts';
import type { ClockPort, SinkPort } from './ports/index.ts';

export interface DeadLetters {
  /** `trail` null: nobody knows who sent it. */
  add(address: ActorAddress, event: { readonly type: string }, trail: Trail | null, reason: Failure['code']): void;
  /** Newest last. */
  view(): { readonly total: number; readonly recent: readonly DeadLetter[] };
}

export const createDeadLetters = ({ clock, sink }: { clock: ClockPort; sink: SinkPort }): DeadLetters => {
  const recent = new Mailbox<DeadLetter>();
  let total = 0;
  return {
    add(address, { type }, trail, reason) {
      total++;
      // Of the type, not of each actor: there are as many of those as there are keys.
      sink.count('dead_letters_total', { address: address.type });
      const event = String(type).slice(0, actorLimits.eventTypeCharsMax);
      const letter = { address: addressText(address), event, source: trail?.source ?? '', reason, atMs: clock.wallMs() };
      if (recent.size >= actorLimits.deadLettersKept) recent.shift();
      recent.push(letter, actorLimits.deadLettersKept);
    },
    view: () => ({ total, recent: recent.items() }),
  };
};
