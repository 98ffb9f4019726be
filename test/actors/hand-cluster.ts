// Whole nodes in one process, with one clock and one network moved by hand: what is true here does not depend on the machine.
import type { NodeApi, NodeStatus, Outcome } from '../../actors/api.ts';
import { createNodeTree, type NodeTreeOptions } from '../../actors/node.ts';
import { noLookup, type RandomPort } from '../../actors/ports/index.ts';
import { type NodeSettings, settingsDefaults } from '../../actors/settings.ts';
import { nextUint32, randomFrom } from '../../machines/random.ts';
import { decodeEnvelope, type Envelope } from '../../machines/wire/envelope.ts';
import { createMemoryStorage, type MemoryStorage } from '../ports/memory-storage.ts';
import { createHandClock } from './hand-clock.ts';
import { createHandNetwork, type Letter } from './hand-network.ts';

export type HandNode = {
  name: string;
  peer: string;
  api: NodeApi;
  storage: MemoryStorage;
  lines: { level: string; code: string; message: string; facts: Record<string, unknown> }[];
  counts: Map<string, number>;
  /** What the network port was asked to drop. */
  dropped: string[];
};

const seededRandom = (seed: number): RandomPort => {
  const state = randomFrom(seed);
  return {
    uint32: () => nextUint32(state),
    bytes: (length) => Uint8Array.from({ length }, () => nextUint32(state) & 0xff),
  };
};

export const envelopeOf = ({ bytes }: Letter): Envelope => {
  const envelope = decodeEnvelope(bytes);
  if ('refused' in envelope) throw new Error(envelope.message);
  return envelope;
};

export type StartOptions = {
  bootstrap?: string[];
  contents?: ReturnType<MemoryStorage['contents']>;
  seed?: number;
  /** Of this node alone. */
  own?: Partial<NodeSettings>;
} & NodeTreeOptions;

export const createHandCluster = (settings: Partial<NodeSettings> = {}) => {
  const clock = createHandClock();
  const network = createHandNetwork();
  const nodes = new Map<string, HandNode>();
  const founders = ['n1', 'n2', 'n3'];
  /** A letter for which this answers true is lost. */
  let loses: (letter: Letter, envelope: Envelope) => boolean = () => false;

  const start = (
    name: string,
    { bootstrap = founders, contents = new Map(), seed, own = {}, ...options }: StartOptions = {},
  ): HandNode => {
    const peer = `p-${name}`;
    const storage = createMemoryStorage(contents, clock.later);
    const port = network.port(peer);
    const lines: HandNode['lines'] = [];
    const counts: HandNode['counts'] = new Map();
    const api = createNodeTree(
      {
        ...settingsDefaults,
        ...{ name, cluster: 'c', version: '0', bootstrap, join: [], groups: ['kv'], http: null },
        ...settings,
        ...own,
      },
      {
        ...{
          clock,
          network: port,
          lookup: noLookup,
          storage,
          random: seededRandom(seed ?? Number(name.slice(1)) * 1_000 + nodes.size),
        },
        sink: {
          log: (level, code, message, facts = {}) => void lines.push({ level, code, message, facts }),
          count(counter, labels = {}, by = 1) {
            const of = [counter, ...Object.values(labels)].join(' ');
            counts.set(of, (counts.get(of) ?? 0) + by);
          },
        },
      },
      options,
    );
    const node: HandNode = { name, peer, api, storage, lines, counts, dropped: port.dropped };
    nodes.set(name, node);
    clock.settle();
    for (const other of nodes.values()) if (other !== node) connect(node, other);
    return node;
  };

  const connect = (a: HandNode, b: HandNode): void => {
    const factsOf = ({ name, api }: HandNode) => ({ name, epoch: api.status().epoch });
    network.connect(a.peer, b.peer, { [a.peer]: factsOf(a), [b.peer]: factsOf(b) });
  };

  const deliver = (): void => {
    for (let count = 0; network.letters.length > 0; count++) {
      if (count > 100_000) throw new Error('they never stop writing to each other');
      if (loses(network.letters[0]!, envelopeOf(network.letters[0]!))) network.lose();
      else network.deliver();
      clock.settle();
    }
  };

  const pass = (ms: number): void => {
    for (let at = 0; at < ms; at++) {
      clock.pass(1);
      deliver();
    }
  };

  return {
    ...{ clock, network, nodes, start, connect, pass, deliver },
    lose(which: typeof loses): void {
      loses = which;
    },
    /** Lets time pass until it holds; throws if it does not in time. */
    until(holds: () => boolean, limitMs = 10_000): void {
      for (let ms = 0; !holds(); ms += 5) {
        if (ms > limitMs) throw new Error('it never came');
        pass(5);
      }
    },
    /** Cuts a node off without telling it of any end: crash, power cut. What its disk holds is returned. */
    kill(node: HandNode): ReturnType<MemoryStorage['contents']> {
      for (const other of nodes.values()) if (other !== node) network.disconnect(node.peer, other.peer);
      network.listen(node.peer, () => {});
      nodes.delete(node.name);
      return node.storage.contents();
    },
    form(): [HandNode, HandNode, HandNode] {
      const [a, b, c] = founders.map((name) => start(name)) as [HandNode, HandNode, HandNode];
      this.until(() => [a, b, c].every(({ api }) => api.status().state === 'ready'));
      return [a, b, c];
    },
    leader: (): HandNode => {
      for (const node of nodes.values()) if (groupOf(node)?.role === 'leader') return node;
      throw new Error('nobody leads');
    },
  };
};

export const groupOf = ({ api }: HandNode): NodeStatus['groups'][number] | undefined =>
  api.status().groups.find(({ id }) => id === 'kv');

/** Collects outcomes, and notices a second answer. */
export const collector = <Value>() => {
  const outcomes: Outcome<Value>[] = [];
  let asked = 0;
  return {
    outcomes,
    get asked() {
      return asked;
    },
    done(): (outcome: Outcome<Value>) => void {
      let answered = false;
      asked++;
      return (outcome) => {
        if (answered) throw new Error('answered twice');
        answered = true;
        outcomes.push(outcome);
      };
    },
    codes: (): string[] => outcomes.map((outcome) => (outcome.ok ? 'ok' : outcome.failure.code)),
  };
};

export const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
