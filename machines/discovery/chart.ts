// What is known of one place, as a chart that a person can read; the machine moves by it.
import { createMachine, transition } from 'xstate';
import type { PlaceStatus } from './types.ts';

export type PlaceEvent = {
  type: /** A source, the members or the disk say that somebody lives there. */
    | 'SAID'
    /** Admission proved who lives there. */
    | 'PROVED'
    /** Somebody else answered there. */
    | 'REFUTED'
    /** Nobody says so any more, and there is no connection. */
    | 'UNSAID'
    /** Unsaid for too long to be served. */
    | 'GIVEN_UP';
};

const proved = { PROVED: 'confirmed' } as const;

export const placeChart = createMachine({
  types: {} as { events: PlaceEvent },
  id: 'place',
  initial: 'found',
  states: {
    found: { on: { ...proved, UNSAID: 'stale' } },
    confirmed: { on: { REFUTED: 'found', UNSAID: 'stale' } },
    // Served while sources are asked again (row D3). What it was proved to be before says nothing of who lives there now.
    stale: { on: { ...proved, SAID: 'found', GIVEN_UP: 'lost' } },
    lost: { on: { ...proved, SAID: 'found' } },
  },
});

/** Where an event leads from here; where the chart has no arrow, nowhere. */
export const moved = (status: PlaceStatus, type: PlaceEvent['type']): PlaceStatus => {
  const [snapshot] = transition(placeChart, placeChart.resolveState({ value: status }), { type });
  return snapshot.value as PlaceStatus;
};
