// A cluster is formed once (decision 10): when every node named in `bootstrap` is present, admitted and empty, the first-named
// writes a genesis that the others persist. A node that is not empty never bootstraps; it tells the genesis to whoever asks.
// An empty node whose name already belongs to another peer id has lost its disk and must be added anew.

export type GenesisNode = { name: string; peer: string; replicas: Record<string, string> };

export type Genesis = { clusterId: string; cluster: string; groups: string[]; nodes: GenesisNode[] };

/** What an empty node offers to the first-named; its replica ids are durable before it says them. */
export type Offer = { name: string; bootstrap: string[]; groups: string[]; replicas: Record<string, string> };

export type GenesisMessage =
  | { type: 'offer'; offer: Offer }
  /** An empty node outside of `bootstrap` asks which cluster this is. */
  | { type: 'ask'; name: string }
  /** `taken`: who owns which name in the groups' configurations now. */
  | { type: 'formed'; genesis: Genesis; taken: Record<string, string> };

export type GenesisPhase = 'empty' | 'forming' | 'formed' | 'identity-lost';

export type GenesisState = {
  cluster: string;
  self: GenesisNode;
  bootstrap: string[];
  groups: string[];
  phase: GenesisPhase;
  genesis: Genesis | null;
  /** By name; only names of `bootstrap`. */
  offers: Map<string, { peer: string; offer: Offer }>;
  connected: Set<string>;
  /** Connected peers that call themselves what this node is called: while there is one, nothing is formed under the name. */
  rivals: Set<string>;
  askAtMs: number;
  newClusterId: string;
};

export type GenesisEvent =
  | { type: 'wake' }
  | { type: 'peer-open' | 'peer-close'; peer: string }
  | { type: 'message'; peer: string; message: GenesisMessage }
  | { type: 'persisted' };

export type GenesisEffect =
  | { type: 'send'; peer: string; message: Exclude<GenesisMessage, { type: 'formed' }> }
  /** The actor adds the names taken. */
  | { type: 'send-formed'; peer: string; genesis: Genesis }
  /** Write durably, then answer `persisted`. */
  | { type: 'persist'; genesis: Genesis }
  /** `genesis.nodes` with this node's own entry: host these replicas. */
  | { type: 'formed'; genesis: Genesis }
  | { type: 'identity-lost'; owner: string }
  /** The name is free again (the old member was removed). */
  | { type: 'name-free' }
  | { type: 'warn'; code: string; message: string };

const askEveryMs = 500;

export const createGenesis = (args: {
  cluster: string;
  self: GenesisNode;
  bootstrap: string[];
  groups: string[];
  genesis: Genesis | null;
  /** Handed to the disk by an earlier incarnation of the actor: this node formed with it, `persisted` is still to come. */
  pending?: Genesis | null;
  /** Used only if this node writes the genesis. */
  newClusterId: string;
  nowMs: number;
}): GenesisState => ({
  cluster: args.cluster,
  self: args.self,
  bootstrap: args.bootstrap,
  groups: args.groups,
  phase: args.genesis !== null ? 'formed' : args.pending ? 'forming' : 'empty',
  genesis: args.genesis ?? args.pending ?? null,
  offers: new Map(),
  connected: new Set(),
  rivals: new Set(),
  askAtMs: args.nowMs,
  newClusterId: args.newClusterId,
});

export const deadlineMs = (state: GenesisState): number =>
  state.phase === 'formed' || state.phase === 'forming' ? Number.POSITIVE_INFINITY : state.askAtMs;

const question = (state: GenesisState): Exclude<GenesisMessage, { type: 'formed' }> =>
  state.phase === 'empty' && state.bootstrap.includes(state.self.name)
    ? { type: 'offer', offer: ownOffer(state) }
    : { type: 'ask', name: state.self.name };

const ownOffer = (state: GenesisState): Offer => ({
  name: state.self.name,
  bootstrap: state.bootstrap,
  groups: state.groups,
  replicas: state.self.replicas,
});

const sameList = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((one, at) => one === b[at]);

/** The first-named forms when everybody named is connected and empty. */
const tryForm = (state: GenesisState): GenesisEffect[] => {
  if (state.phase !== 'empty' || state.bootstrap[0] !== state.self.name || state.rivals.size > 0) return [];
  const nodes: GenesisNode[] = [];
  for (const name of state.bootstrap) {
    if (name === state.self.name) {
      nodes.push(state.self);
      continue;
    }
    const offered = state.offers.get(name);
    if (offered === undefined || !state.connected.has(offered.peer)) return [];
    nodes.push({ name, peer: offered.peer, replicas: offered.offer.replicas });
  }
  state.phase = 'forming';
  state.genesis = { clusterId: state.newClusterId, cluster: state.cluster, groups: state.groups, nodes };
  return [{ type: 'persist', genesis: state.genesis }];
};

const warn = (code: string, message: string): GenesisEffect[] => [{ type: 'warn', code, message }];

/** Two nodes that call themselves alike would each form a cluster of the same others. */
const onRival = (state: GenesisState, peer: string): GenesisEffect[] => {
  if (state.connected.has(peer)) state.rivals.add(peer);
  return warn('NAME_TAKEN', `${peer} calls itself ${state.self.name} too; nothing is formed while it is connected`);
};

const onOffer = (state: GenesisState, peer: string, offer: Offer): GenesisEffect[] => {
  if (state.phase === 'formed' && state.genesis !== null) return [{ type: 'send-formed', peer, genesis: state.genesis }];
  if (offer.name === state.self.name) return onRival(state, peer);
  if (state.phase !== 'empty' || state.bootstrap[0] !== state.self.name) return [];
  const complete = state.groups.every((group) => Object.hasOwn(offer.replicas, group));
  const named = state.bootstrap.includes(offer.name);
  if (!sameList(offer.bootstrap, state.bootstrap) || !sameList(offer.groups, state.groups) || !complete || !named)
    return warn(
      'BOOTSTRAP_MISMATCH',
      `${offer.name} bootstraps [${offer.bootstrap}] with groups [${offer.groups}], this node [${state.bootstrap}] with [${state.groups}]`,
    );
  const earlier = state.offers.get(offer.name);
  if (earlier !== undefined && earlier.peer !== peer && state.connected.has(earlier.peer))
    return warn('NAME_TAKEN', `two nodes call themselves ${offer.name}; the later one is ignored`);
  state.offers.set(offer.name, { peer, offer });
  return tryForm(state);
};

const onFormed = (state: GenesisState, genesis: Genesis, taken: Record<string, string>): GenesisEffect[] => {
  if (genesis.cluster !== state.cluster)
    return warn('OTHER_CLUSTER', `a peer belongs to ${genesis.cluster}, this node to ${state.cluster}`);
  if (state.phase === 'formed' && state.genesis?.clusterId !== genesis.clusterId)
    return warn('OTHER_CLUSTER', `a peer's cluster was formed apart: ${genesis.clusterId}`);
  if (state.phase === 'formed' || state.phase === 'forming') return [];
  const { name, peer, replicas } = state.self;
  const owner = Object.hasOwn(taken, name) ? taken[name] : undefined;
  if (owner !== undefined && owner !== peer) {
    if (state.phase === 'identity-lost') return [];
    state.phase = 'identity-lost';
    return [{ type: 'identity-lost', owner }];
  }
  const effects: GenesisEffect[] = state.phase === 'identity-lost' ? [{ type: 'name-free' }] : [];
  const mine = genesis.nodes.find((node) => node.peer === peer);
  if (mine !== undefined && Object.entries(mine.replicas).some(([group, id]) => replicas[group] !== id))
    return warn('REPLICA_MISMATCH', 'the genesis names replicas that this node never offered');
  state.phase = 'forming';
  state.genesis = genesis;
  return [...effects, { type: 'persist', genesis }];
};

const ask = (state: GenesisState, nowMs: number): GenesisEffect[] => {
  if (state.phase !== 'empty' && state.phase !== 'identity-lost') return [];
  state.askAtMs = nowMs + askEveryMs;
  return [...state.connected].map((peer) => ({ type: 'send', peer, message: question(state) }));
};

export const step = (state: GenesisState, nowMs: number, event: GenesisEvent): GenesisEffect[] => {
  switch (event.type) {
    case 'wake':
      if (nowMs < state.askAtMs) return [];
      return [...tryForm(state), ...ask(state, nowMs)];
    case 'peer-open':
      state.connected.add(event.peer);
      if (state.phase !== 'empty' && state.phase !== 'identity-lost') return [];
      return [{ type: 'send', peer: event.peer, message: question(state) }];
    case 'peer-close':
      state.connected.delete(event.peer);
      state.rivals.delete(event.peer);
      return [];
    case 'persisted': {
      if (state.phase !== 'forming' || state.genesis === null) return [];
      state.phase = 'formed';
      const genesis = state.genesis;
      const others = genesis.nodes.filter((node) => node.peer !== state.self.peer && state.connected.has(node.peer));
      return [
        { type: 'formed', genesis },
        ...others.map((node): GenesisEffect => ({ type: 'send-formed', peer: node.peer, genesis })),
      ];
    }
    case 'message': {
      const { message, peer } = event;
      if (message.type === 'offer') return onOffer(state, peer, message.offer);
      if (message.type === 'formed') return onFormed(state, message.genesis, message.taken);
      if (message.name === state.self.name && state.phase !== 'formed') return onRival(state, peer);
      return state.phase === 'formed' && state.genesis !== null ? [{ type: 'send-formed', peer, genesis: state.genesis }] : [];
    }
  }
};
