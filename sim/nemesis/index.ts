// The door of the nemesis.
export { Atlas } from './atlas.ts';
export { countOfFaults, drawnFaults, type Fault, type FaultDone, faults, Nemesis, type NemesisOptions } from './nemesis.ts';
export { Scene } from './scene.ts';
