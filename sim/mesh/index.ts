// The mesh alone, in a world of its own: many nodes that run membership and nothing else.
export { type Cost, type FalsePositive, Mesh, type MeshOptions, meshDefaults } from './mesh.ts';
export type { Contact, MeshNode } from './node.ts';
export { type MeshRun, type MeshRunOptions, meshRunDefaults, runMeshSeed } from './swarm.ts';
export * from './trials.ts';
