import { networkSuite } from '../../ports/network-suite.ts';
import { realWorld } from './world.ts';

networkSuite('network port over libp2p, lanes as streams', () => realWorld('auto'));
networkSuite('network port over libp2p, lanes over gossipsub', () => realWorld('gossipsub'));
