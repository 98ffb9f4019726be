// Where peers live, on the disk: so that a restarted node finds them without being told. Only a help, written seldom and without a sync.
import { addressesOf, type LinksState } from '../machines/links/index.ts';
import { peersOperation, readPeers } from './identity.ts';
import type { PeerId, Ports, Timer } from './ports/index.ts';
import type { Writer } from './writer.ts';

const writtenMax = 1_000;
const writeEveryMs = 1_000;

export interface AddressBook {
  /** What was written before, in no order that favours anybody. */
  read(): [PeerId, string[]][];
  /** What is known may have changed: it is written soon. */
  note(): void;
  /** Writes what is not written yet. */
  stop(): void;
}

/** Who is needed first, then who lives, then anybody else; those that were thrown out are not looked for again. */
const worthWriting = (links: LinksState): Map<PeerId, string[]> => {
  const { known, needed } = links;
  const rankOf = ([peer, { standing }]: [PeerId, { standing: string }]): number =>
    needed.has(peer) ? 0 : standing === 'live' ? 1 : 2;
  const worth = [...known].filter(([peer, { standing }]) => standing !== 'evicted' && addressesOf(links, peer).length > 0);
  worth.sort((a, b) => rankOf(a) - rankOf(b));
  return new Map(worth.slice(0, writtenMax).map(([peer]) => [peer, [...addressesOf(links, peer)]]));
};

export const createAddressBook = (
  links: LinksState,
  ports: Pick<Ports, 'clock' | 'random' | 'sink' | 'storage'> & { writer: Writer },
): AddressBook => {
  const { clock, random, sink, storage, writer } = ports;
  let timer: Timer | null = null;
  let writtenAtMs = Number.NEGATIVE_INFINITY;
  let written = '';

  const write = (): void => {
    timer = null;
    writtenAtMs = clock.nowMs();
    const addresses = worthWriting(links);
    const text = [...addresses].join(' ');
    if (text === written) return;
    written = text;
    writer.write([peersOperation(addresses)], { durable: false }, () => {});
  };

  return {
    read() {
      const before = readPeers(storage, sink);
      for (let at = before.length - 1; at > 0; at--) {
        const other = random.uint32() % (at + 1);
        [before[at], before[other]] = [before[other]!, before[at]!];
      }
      return before.slice(0, writtenMax);
    },
    note() {
      timer ??= clock.after(Math.max(0, writtenAtMs + writeEveryMs - clock.nowMs()), write);
    },
    stop() {
      if (timer === null) return;
      timer.cancel();
      write();
    },
  };
};
