// The addresses that this node was told to begin with: each is dialled until somebody there has answered once. From then on the other
// is a member like others, kept or not; where all are lost, membership looks at these addresses again.
import type { ClockPort, NetworkEvent, RandomPort, SinkPort, Timer } from './ports/index.ts';

const pauseMsMin = 50;
const pauseMsMax = 2_000;
/** Told when it begins and then now and then: a member that is down for a day is one line every few minutes. */
const toldEvery = 128;

export interface Joining {
  begin(): void;
  dialled(event: Extract<NetworkEvent, { type: 'dialled' }>): void;
  stop(): void;
}

type Place = { failures: number; timer: Timer | null };

export const createJoining = (
  addresses: readonly string[],
  ports: { clock: ClockPort; random: RandomPort; sink: SinkPort; dial: (address: string) => void },
): Joining => {
  const { clock, random, sink, dial } = ports;
  const places = new Map<string, Place>(addresses.map((address) => [address, { failures: 0, timer: null }]));

  /** Between half and all of a time that doubles. */
  const pauseMs = (failures: number): number =>
    Math.min(pauseMsMax, pauseMsMin * 2 ** Math.min(failures - 1, 16)) * (0.5 + random.uint32() / 2 ** 33);

  return {
    begin() {
      for (const address of places.keys()) dial(address);
    },
    dialled({ addresses: dialled, peer, reason }) {
      const [address, more] = dialled;
      const place = address === undefined || more !== undefined ? undefined : places.get(address);
      if (place === undefined || place.timer !== null) return;
      if (peer !== null) return void places.delete(address!);
      place.failures++;
      if (place.failures === 1 || place.failures % toldEvery === 0)
        sink.log('info', 'DIAL_FAILED', reason ?? 'nobody answered', { addresses: address, attempt: place.failures });
      place.timer = clock.after(pauseMs(place.failures), () => {
        place.timer = null;
        dial(address!);
      });
    },
    stop() {
      for (const { timer } of places.values()) timer?.cancel();
      places.clear();
    },
  };
};
