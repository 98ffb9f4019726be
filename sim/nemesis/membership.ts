// Changes that an operator asks for at a bad moment: other members, another leader.
import type { GroupChange } from '../../actors/api.ts';
import type { Strike } from './scene.ts';

export const membershipFaults = {
  transfer({ nodes, groups }, chance) {
    const [through, to] = [chance.pick(nodes), chance.pick(nodes).name];
    const group = chance.pick(groups);
    const isAsked = through.enter('transfer', (api) =>
      api.changeGroup(group, { type: 'transfer', node: to }, { timeoutMs: 2_000 }, () => {}),
    );
    return isAsked ? { where: `${through.name}: to ${to}`, undo: null } : null;
  },
  membership({ nodes, groups, operator }, chance) {
    const [through, { name: node }] = [chance.pick(nodes), chance.pick(nodes)];
    const change = chance.pick<GroupChange>([
      { type: 'remove', node },
      { type: 'promote', node },
      { type: 'add', node, role: 'learner' },
      { type: 'add', node, role: 'voter' },
    ]);
    const group = chance.pick(groups);
    // A second operator beside the one who replaces somebody would undo his work.
    if (nodes.length < 3 || !operator.isIdle) return null;
    const isAsked = through.enter('membership', (api) => api.changeGroup(group, change, { timeoutMs: 4_000 }, () => {}));
    const role = change.type === 'add' ? ` as ${change.role}` : '';
    return isAsked ? { where: `${through.name}: ${change.type} ${node}${role}`, undo: null } : null;
  },
} as const satisfies Record<string, Strike>;
