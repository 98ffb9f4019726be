// The mesh alone, in a world of its own: many nodes that run membership and nothing else.

export type { Spread } from './figures.ts';
export { faultsOfMesh, type MeshFault } from './fire.ts';
export { type Cost, type FalsePositive, Mesh, type MeshOptions, meshDefaults } from './mesh.ts';
export type { Contact, MeshNode } from './node.ts';
export {
  type MeshEvent,
  type MeshKnobs,
  type MeshResult,
  type MeshRunOptions,
  meshTimeMsDefault,
  runMeshSeed,
} from './swarm.ts';
export * from './trials.ts';
export { type MeshTwice, runMeshTwice } from './twice.ts';
