// Where actors of one node are: at the node that their address names. Actors that the cluster places are nowhere for this placing.

import type { Placing, Whereabouts } from '../../actors/actor-api.ts';
import type { PeerId } from '../../actors/ports/index.ts';
import { addressText } from '../../machines/entity/address.ts';
import { failure } from '../../machines/errors.ts';

export type NodePlacingArguments = {
  name: string;
  /** Who has this name and can be told something, at once or by a connection that is opened for it. */
  peerNamed: (name: string) => PeerId | null;
  /** A member of this name is or was there. */
  isKnown: (name: string) => boolean;
};

const againMs = 250;
const nowhere = (why: Extract<Whereabouts, { where: 'nowhere' }>['failure']): Whereabouts => ({
  ...{ where: 'nowhere', failure: why, againMs },
});

export const createNodePlacing = ({ name, peerNamed, isKnown }: NodePlacingArguments): Placing => ({
  locate({ placement }, address) {
    if (placement === 'sharded' || placement === 'singleton')
      return nowhere(failure('NOT_READY', `nothing places ${addressText(address)}`));
    const { node } = address;
    if (node === null || node === name) return { where: 'here', token: null };
    const peer = peerNamed(node);
    if (peer !== null) return { where: 'at', peer, node };
    if (isKnown(node)) return nowhere(failure('UNREACHABLE', `${node} cannot be reached`, { node }));
    return nowhere(failure('MEMBER_NOT_FOUND', `no member is called ${node}`, { node }));
  },
  holds: () => true,
  onChanged: () => () => {},
});
