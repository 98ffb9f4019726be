// The words of discovery: where members may live, as many sources say it, and what is known of each place. Nothing that is found is
// proved; admission alone confirms (row D4).

export type PeerId = string;

/** One place where a member may live, as one source says it. */
export type Finding = {
  /** Its libp2p peer id, where the source says one. */
  peer: PeerId | null;
  /** Its name, where the source says one; for people. */
  name: string | null;
  /** Multiaddrs to dial, at least one; those with a peer id have this one. */
  addresses: string[];
  /** RFC 2782: the lowest priority first, and among equals in proportion to weight (0 to 65535 each). 0 where a source knows none. */
  priority: number;
  weight: number;
  /** False: the source's own check says that it does not work now. */
  healthy: boolean;
  /** How long this may be believed, in milliseconds. */
  ttlMs: number;
};

/** What is known of a place; chart.ts says how it changes. */
export type PlaceStatus = 'found' | 'confirmed' | 'stale' | 'lost';

export type DiscoveryOptions = {
  /** A source that has not answered by then has failed (row D2). */
  queryTimeoutMs: number;
  /** Results of one look-up (row D2). */
  resultsMax: number;
  /** Places kept (row D3). */
  placesMax: number;
  /** What nobody says any more is served for so long, and remembered as lost for so long after that. */
  staleMs: number;
  lostMs: number;
  /** Pauses after a source failed, or a place could not be reached: doubling between these. */
  retryMinMs: number;
  retryMaxMs: number;
  /** Who is connected to nobody asks and dials at least this often. */
  aloneEveryMs: number;
  /** Dials under way at once. */
  dialsMax: number;
};

export type DiscoveryEvent =
  | { type: 'answered'; source: string; findings: readonly Finding[]; emptyTtlMs: number }
  | { type: 'failed'; source: string; code: string; message: string }
  /** Admission proved who this is; `addresses` as it tells them itself. */
  | { type: 'met'; peer: PeerId; name: string; addresses: readonly string[] }
  | { type: 'parted'; peer: PeerId }
  /** What members tell each other (peer exchange): this one lives there; or does not live any more. */
  | { type: 'told'; peer: PeerId; name: string; addresses: readonly string[] }
  | { type: 'untold'; peer: PeerId }
  /** Never to be served again. */
  | { type: 'evicted'; peer: PeerId }
  /** How a dial of exactly these addresses ended: who answered and was admitted, or null and why not. */
  | { type: 'dialled'; addresses: readonly string[]; peer: PeerId | null; reason?: string | null }
  /** Somebody wants to know (row D2); answered once by 'looked-up'. */
  | { type: 'lookup'; id: number; timeoutMs: number; resultsMax: number }
  | { type: 'wake' };

/** A place as others see it. */
export type PlaceView = {
  peer: PeerId | null;
  name: string | null;
  addresses: string[];
  state: PlaceStatus;
  /** Who says so now, in the order of their names; 'exchange' are the members, 'memory' is the disk. */
  sources: string[];
  priority: number;
  weight: number;
  healthy: boolean;
  /** How long it has been in this state. */
  forMs: number;
};

export type SourceView = {
  source: string;
  state: 'asking' | 'answered' | 'failed' | 'unasked';
  /** Of the last failure, if it has not answered since. */
  lastError: { code: string; message: string } | null;
  /** How long ago it answered; null = never. */
  answeredMsAgo: number | null;
  findings: number;
};

export type SourceFailure = { source: string; code: string; message: string };

export type DiscoveryEffect =
  | { type: 'query'; source: string; timeoutMs: number }
  | { type: 'dial'; addresses: string[] }
  /** All that are served now; given to membership, which finds lost members by them. */
  | { type: 'contacts'; contacts: { peer: PeerId | null; addresses: string[] }[] }
  | { type: 'persist'; places: RememberedPlace[] }
  | { type: 'looked-up'; id: number; places: PlaceView[]; failures: SourceFailure[] }
  | { type: 'moved'; peer: PeerId | null; addresses: string[]; before: PlaceStatus | null; after: PlaceStatus | null }
  /** A place could not be reached; said at first and then now and then. */
  | { type: 'unreached'; peer: PeerId | null; addresses: string[]; failures: number; reason: string | null }
  /** A source begins to fail or answers again; not said each time. */
  | { type: 'source'; source: string; failure: { code: string; message: string } | null };

/** What the disk keeps of a place. */
export type RememberedPlace = Pick<Finding, 'peer' | 'name' | 'addresses' | 'priority' | 'weight'>;
