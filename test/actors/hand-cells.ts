// Cells on a clock that a test moves by hand, with actors that are defined in one line.
import type { AnyActorLogic, EventObject } from 'xstate';
import { type ActorDefinition, type ActorEnd, type LiveActor, restartDefault } from '../../actors/actor-api.ts';
import { type CellsArguments, createCells } from '../../actors/actor-cells.ts';
import { createDeadLetters } from '../../actors/actor-dead-letters.ts';
import type { Outcome } from '../../actors/api.ts';
import type { ActorAddress } from '../../machines/entity/address.ts';
import { createHandClock, quietSink } from './hand-clock.ts';

export const nobody = { source: '', correlation: '' };

export const addressOf = (type: string, key = '1'): ActorAddress => ({ type, key, node: 'n1' });

export const definitionOf = (name: string, logic: AnyActorLogic, more: Partial<ActorDefinition> = {}): ActorDefinition => ({
  ...{
    name,
    version: 1,
    logic,
    durability: 'none',
    placement: 'node',
    input: () => undefined,
    replies: {},
    restart: restartDefault,
  },
  ...{ mailboxMax: 1_000, passivateAfterMs: null, remember: false, timers: 'deadline', resume: {}, migrate: {}, redact: [] },
  ...more,
});

export const hostCells = (more: Partial<CellsArguments> = {}) => {
  const clock = createHandClock();
  const sink = quietSink();
  const deadLetters = createDeadLetters({ clock, sink });
  const random = { uint32: () => 0, bytes: (length: number) => new Uint8Array(length) };
  const cells = createCells({ clock, sink, random, deadLetters, ...more });

  const begin = (definition: ActorDefinition, key = '1', parent: ActorAddress | null = null): Outcome<LiveActor> => {
    let opened: Outcome<LiveActor> | null = null;
    const keep = (outcome: Outcome<LiveActor>): void => void (opened = outcome);
    cells.open(definition, addressOf(definition.name, key), null, keep, false, parent);
    clock.settle();
    return opened!;
  };
  const open = (definition: ActorDefinition, key = '1', parent: ActorAddress | null = null): LiveActor => {
    const opened = begin(definition, key, parent);
    if (!opened.ok) throw new Error(opened.failure.message);
    return opened.value;
  };
  return {
    ...{ clock, sink, cells, begin, open },
    deadLetters: () => deadLetters.view().recent.map(({ address, event, reason }) => `${address} ${event} ${reason}`),
  };
};

export const sendAll = (live: LiveActor, ...types: string[]): void => {
  for (const type of types) live.send({ type }, nobody);
};

/** What was answered, in the end: one entry for each time that it was. */
export const ask = (live: LiveActor, event: EventObject, leftMs = 5_000): Outcome<unknown>[] => {
  const outcomes: Outcome<unknown>[] = [];
  live.deliver(event, { id: null, wantsReply: true, leftMs, trail: nobody }, (outcome) => void outcomes.push(outcome));
  return outcomes;
};

export const deliver = (live: LiveActor, event: EventObject): Outcome<unknown>[] => {
  const outcomes: Outcome<unknown>[] = [];
  const how = { id: null, wantsReply: false, leftMs: 5_000, trail: nobody };
  live.deliver(event, how, (outcome) => void outcomes.push(outcome));
  return outcomes;
};

export const codeOf = (outcome: Outcome<unknown> | undefined): string | undefined =>
  outcome === undefined ? undefined : outcome.ok ? `ok ${JSON.stringify(outcome.value)}` : outcome.failure.code;

export const endsOf = (live: LiveActor): (ActorEnd | 'moved')[] => {
  const ends: (ActorEnd | 'moved')[] = [];
  live.subscribe(
    () => {},
    (end) => void ends.push(end),
  );
  return ends;
};
