// The door of rendezvous: boards on which members of a cluster find each other among strangers.
export { type Board, boardOf, boardsToRead, type Copies, lookAgainMs, type Placing, place, withdraw } from './board.ts';
export { rendezvousLimits } from './limits.ts';
export { formNotes, isFresh, mergeNotes, type Note, noteBytes, parseNotes } from './notes.ts';
