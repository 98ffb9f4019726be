// Changes that an operator asks for at a bad moment: other members, another leader.
import type { GroupChange, Outcome } from '../../actors/api.ts';
import type { SimulatedNode } from '../node.ts';
import type { Scene, Strike } from './scene.ts';

const timeoutMs = 4_000;
const transferMs = 2_000;

/**
 * Not while a disk is lost, or lies: members without it might be too few, and a second operator beside the one who replaces it would
 * undo his work.
 */
export const mayChange = ({ operator, atlas }: Scene): boolean => operator.isIdle && atlas.isWhole;

/** Asks for other members through this node; no disk is lost meanwhile. False: it is not up. */
export const askForChange = (
  { atlas, world }: Scene,
  through: SimulatedNode,
  group: string,
  change: GroupChange,
  then: (outcome: Outcome<unknown>) => void = () => {},
): boolean => {
  const end = atlas.changing();
  const isAsked = through.enter('membership', (api) =>
    api.changeGroup(group, change, { timeoutMs }, (outcome) => {
      // What is unknown may still happen.
      if (outcome.ok || outcome.failure.code !== 'OUTCOME_UNKNOWN') end();
      then(outcome);
    }),
  );
  if (isAsked) world.after(timeoutMs, end);
  else end();
  return isAsked;
};

export const askToLead = (through: SimulatedNode, group: string, { name }: SimulatedNode): boolean =>
  through.enter('transfer', (api) =>
    api.changeGroup(group, { type: 'transfer', node: name }, { timeoutMs: transferMs }, () => {}),
  );

export const membershipFaults = {
  transfer({ nodes, groups }, chance) {
    const [through, to] = [chance.pick(nodes), chance.pick(nodes)];
    const isAsked = askToLead(through, chance.pick(groups), to);
    return isAsked ? { where: `${through.name}: to ${to.name}`, undo: null } : null;
  },
  membership(scene, chance) {
    const { nodes, groups } = scene;
    const [through, { name: node }] = [chance.pick(nodes), chance.pick(nodes)];
    const change = chance.pick<GroupChange>([
      { type: 'remove', node },
      { type: 'promote', node },
      { type: 'add', node, role: 'learner' },
      { type: 'add', node, role: 'voter' },
    ]);
    const group = chance.pick(groups);
    const comesBack = change.type === 'remove' && chance.happens(0.5);
    if (nodes.length < 3 || !mayChange(scene)) return null;
    const isAsked = askForChange(scene, through, group, change, ({ ok }) => {
      if (comesBack && ok) askForChange(scene, through, group, { type: 'add', node, role: 'learner' });
    });
    const role = change.type === 'add' ? ` as ${change.role}` : comesBack ? ' for a while, to learn' : '';
    return isAsked ? { where: `${through.name}: ${change.type} ${node}${role}`, undo: null } : null;
  },
} as const satisfies Record<string, Strike>;
