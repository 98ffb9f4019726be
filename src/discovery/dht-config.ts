// The text behind `dht:` in the configuration: which bootstrap hosts, where to listen, whether private networks are meant.
import { addressProblem, peerOfAddress } from '../address.ts';
import { reachOf } from './dht-reach.ts';

export type DhtConfig = {
  /** Where hosts of the DHT are, to begin with; as many as may be down at once, and one more. */
  bootstrap: string[];
  /** None: this host asks and writes, and keeps nothing for others. */
  listen: string[];
  /** What the DHT is told instead of what is listened on. */
  announce: string[];
  /** Addresses of private networks and of this machine are dialled and told on. */
  isLan: boolean;
};

const addressesMax = 8;
const lists = ['bootstrap', 'listen', 'announce'] as const;

const addressListProblem = (name: (typeof lists)[number], addresses: readonly string[]): string | null => {
  if (addresses.length > addressesMax) return `has more than ${addressesMax} addresses as ${name}`;
  for (const address of addresses) {
    const problem = addressProblem(address);
    if (problem !== null) return `has ${name}=${address}, which ${problem}`;
    if (name !== 'bootstrap' && peerOfAddress(address) !== null)
      return `has ${name}=${address}, but its host has a new peer id at each start`;
    if (name === 'listen' && !/^\/ip[46]\//.test(address)) return `has listen=${address}, which must begin with /ip4 or /ip6`;
  }
  return null;
};

/** Who listens on every address or on a private one, and neither says `lan` nor what to announce, could be reached by nobody. */
const reachProblem = ({ listen, announce, isLan }: DhtConfig): string | null => {
  const hosts = listen.map((address) => address.split('/')[2]!);
  const isHidden = hosts.length > 0 && hosts.every((host) => reachOf(host) === 'lan');
  return isHidden && announce.length === 0 && !isLan
    ? 'listens on private addresses only: add lan, or announce= with the address that others reach'
    : null;
};

export const parseDhtConfig = (text: string): DhtConfig | { problem: string } => {
  if (text !== '' && !text.startsWith('?')) return { problem: 'must go on with ? and parameters' };
  const parameters = new URLSearchParams(text);
  for (const name of parameters.keys())
    if (name !== 'lan' && !lists.some((list) => list === name)) return { problem: `has the unknown parameter ${name}` };
  if (parameters.getAll('lan').some((value) => value !== '')) return { problem: 'has lan with a value, but it takes none' };
  const [bootstrap, listen, announce] = lists.map((name) => parameters.getAll(name)) as [string[], string[], string[]];
  const config = { bootstrap, listen, announce, isLan: parameters.has('lan') };
  for (const name of lists) {
    const problem = addressListProblem(name, config[name]);
    if (problem !== null) return { problem };
  }
  if (bootstrap.length === 0 && listen.length === 0) return { problem: 'has neither bootstrap= nor listen=' };
  if (announce.length > 0 && listen.length === 0) return { problem: 'has announce= but no listen=' };
  const problem = reachProblem(config);
  return problem === null ? config : { problem };
};
