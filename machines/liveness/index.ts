// Who is there, by beats between nodes (decision 13). A node that leads quiet groups beats to each of their followers at
// twice Raft's heartbeat interval, once for all groups; to every other peer it probes slowly, so that a half-open connection is
// noticed by silence and not by TCP's patience. Only beats of a led group wake Raft; a probe's silence drops the connection.
import { raftDefaults } from '../raft/types.ts';

/** A group this node leads quietly together with the peer. */
export type QuietGroup = { group: string; term: number };

/** What a beat says: quiet groups led (null = the same list as in the last beat on this connection) and whether to answer. */
export type Beat = { sequence: number; led: QuietGroup[] | null; answer: boolean };

type PeerState = {
  heardMs: number;
  beatAtMs: number;
  sequence: number;
  /** Sent on this connection and not yet answered. */
  asked: { sequence: number; atMs: number } | null;
  rttMs: number | null;
  /** When that was measured. */
  rttAtMs: number;
  /** What we lead with this peer, and whether the peer has been told on this connection. */
  leading: QuietGroup[];
  told: boolean;
  /** What the peer says that it leads quietly. */
  led: QuietGroup[];
  /** Groups in which we are quiet because the peer leads them, and since when. */
  following: { group: string; sinceMs: number }[];
};

export type LivenessOptions = {
  beatMs: number;
  /** A peer that leads quiet groups and is silent this long has lost them. */
  silentMs: number;
  /** A quiet group that its leader's node does not list in its beats this long after it became quiet is lost. */
  adoptMs: number;
  /** Interval of probes to peers without quiet groups. */
  probeMs: number;
  /** A connection silent this long is dropped. */
  dropMs: number;
  /** Every how many beats an answer is asked for. */
  answerEvery: number;
  /** A round trip is measured again after so long, even if the peer is heard without it. */
  rttEveryMs: number;
};

/**
 * What Raft's own times ask for, milliseconds. A quiet group waits for nothing but the end of its leader, so beats come half as often
 * as heartbeats (docs/decisions/0010).
 */
export const livenessOptions = (raft: { heartbeatMs: number; electionTimeoutMinMs: number }): LivenessOptions => ({
  beatMs: 2 * raft.heartbeatMs,
  silentMs: raft.electionTimeoutMinMs + 2.5 * raft.heartbeatMs,
  adoptMs: 1_000,
  probeMs: 1_000,
  dropMs: 3_500,
  answerEvery: 10,
  rttEveryMs: 10_000,
});

export const livenessDefaults = livenessOptions(raftDefaults);

export type LivenessState = { options: LivenessOptions; peers: Map<string, PeerState>; wokenMs: number };

export type LivenessEvent =
  | { type: 'wake' }
  | { type: 'peer-open' | 'peer-close'; peer: string }
  /** Any message of the peer arrived. */
  | { type: 'heard'; peer: string }
  | { type: 'beat'; peer: string; beat: Beat }
  | { type: 'answer'; peer: string; sequence: number }
  /** The quiet groups led with this peer changed. */
  | { type: 'leading'; peer: string; groups: QuietGroup[] }
  /** The groups that are quiet here and led by this peer changed. */
  | { type: 'following'; peer: string; groups: string[] };

export type LivenessEffect =
  | { type: 'send-beat'; peer: string; beat: Beat }
  | { type: 'send-answer'; peer: string; sequence: number }
  /** The peer no longer keeps these groups quiet: their followers must look after themselves. */
  | { type: 'lost'; peer: string; groups: string[] | 'all' }
  | { type: 'drop'; peer: string; silentMs: number };

export const createLiveness = (options: LivenessOptions, nowMs: number): LivenessState => ({
  options,
  peers: new Map(),
  wokenMs: nowMs,
});

/** When `wake` is wanted next. */
export const deadlineMs = (state: LivenessState): number => {
  let earliest = Number.POSITIVE_INFINITY;
  for (const peer of state.peers.values()) {
    earliest = Math.min(earliest, peer.beatAtMs, peer.heardMs + state.options.dropMs);
    for (const { group, sinceMs } of peer.following) {
      earliest = Math.min(earliest, peer.heardMs + state.options.silentMs);
      if (!leads(peer, group)) earliest = Math.min(earliest, sinceMs + state.options.adoptMs);
    }
  }
  return earliest;
};

export const rttMs = (state: LivenessState, peer: string): number | null => state.peers.get(peer)?.rttMs ?? null;

const leads = (peer: PeerState, group: string): boolean => peer.led.some((one) => one.group === group);

const sameGroups = (a: readonly QuietGroup[], b: readonly QuietGroup[]): boolean =>
  a.length === b.length && a.every((one, at) => one.group === b[at]!.group && one.term === b[at]!.term);

const beatPeer = (state: LivenessState, name: string, peer: PeerState, nowMs: number): LivenessEffect => {
  const { answerEvery } = state.options;
  peer.sequence++;
  const fast = peer.leading.length > 0;
  const answer = !fast || peer.sequence % answerEvery === 0;
  if (answer) peer.asked = { sequence: peer.sequence, atMs: nowMs };
  const led = peer.told ? null : peer.leading;
  peer.told = true;
  peer.beatAtMs = nowMs + intervalMs(state, peer);
  return { type: 'send-beat', peer: name, beat: { sequence: peer.sequence, led, answer } };
};

const intervalMs = ({ options }: LivenessState, peer: PeerState): number =>
  peer.leading.length > 0 ? options.beatMs : options.probeMs;

/**
 * Once somebody's beat is due, everybody's that comes within half an interval leaves with it: whatever they began with, soon all
 * leave in one turn. Being woken once for each is most of what an idle node costs.
 */
const dueForBeats = (state: LivenessState, nowMs: number): Set<PeerState> => {
  const peers = [...state.peers.values()];
  if (!peers.some((peer) => nowMs >= peer.beatAtMs)) return new Set();
  return new Set(peers.filter((peer) => nowMs >= peer.beatAtMs - intervalMs(state, peer) / 2));
};

const loseGroups = (peer: PeerState, name: string, groups: string[]): LivenessEffect => {
  peer.following = peer.following.filter(({ group }) => !groups.includes(group));
  return { type: 'lost', peer: name, groups };
};

const onWake = (state: LivenessState, nowMs: number): LivenessEffect[] => {
  const effects: LivenessEffect[] = [];
  const { options } = state;
  // This process was held up (SIGSTOP, a long pause): the silence is ours, so everybody gets one more interval (Lifeguard).
  const heldUp = nowMs - state.wokenMs > options.dropMs;
  state.wokenMs = nowMs;
  const due = dueForBeats(state, nowMs);
  for (const [name, peer] of state.peers) {
    if (heldUp) peer.heardMs = nowMs - Math.min(nowMs - peer.heardMs, options.silentMs);
    const silent = nowMs - peer.heardMs;
    if (silent >= options.dropMs) {
      effects.push({ type: 'drop', peer: name, silentMs: silent });
      peer.heardMs = nowMs;
    }
    const lost = peer.following.filter(
      ({ group, sinceMs }) => silent >= options.silentMs || (!leads(peer, group) && nowMs - sinceMs >= options.adoptMs),
    );
    if (lost.length > 0)
      effects.push(
        loseGroups(
          peer,
          name,
          lost.map(({ group }) => group),
        ),
      );
    if (due.has(peer)) effects.push(beatPeer(state, name, peer, nowMs));
  }
  return effects;
};

/**
 * Whoever is asked need not ask: of two peers that probe each other one goes on and the other waits, twice as long as the first takes,
 * unless its own measure of the round trip is old.
 */
const spareProbe = ({ options }: LivenessState, peer: PeerState, nowMs: number): void => {
  // Two that ask at the same moment go on both.
  if (peer.leading.length > 0 || peer.asked !== null) return;
  if (peer.rttMs === null || nowMs - peer.rttAtMs >= options.rttEveryMs) return;
  peer.beatAtMs = Math.max(peer.beatAtMs, nowMs + 2 * options.probeMs);
};

const onBeat = (peer: PeerState, name: string, beat: Beat): LivenessEffect[] => {
  const effects: LivenessEffect[] = [];
  if (beat.led !== null) {
    const before = peer.led;
    peer.led = beat.led;
    const gone = before.filter(({ group }) => !leads(peer, group)).map(({ group }) => group);
    const lost = peer.following.filter(({ group }) => gone.includes(group)).map(({ group }) => group);
    if (lost.length > 0) effects.push(loseGroups(peer, name, lost));
  }
  if (beat.answer) effects.push({ type: 'send-answer', peer: name, sequence: beat.sequence });
  return effects;
};

export const step = (state: LivenessState, nowMs: number, event: LivenessEvent): LivenessEffect[] => {
  if (event.type === 'wake') return onWake(state, nowMs);
  if (event.type === 'peer-open') {
    state.peers.set(event.peer, {
      ...{ heardMs: nowMs, beatAtMs: nowMs, sequence: 0, asked: null, rttMs: null, rttAtMs: nowMs },
      ...{ leading: [], told: false, led: [], following: [] },
    });
    return [];
  }
  const peer = state.peers.get(event.peer);
  if (peer === undefined) return [];
  if (event.type === 'peer-close') {
    state.peers.delete(event.peer);
    return [{ type: 'lost', peer: event.peer, groups: 'all' }];
  }
  if (event.type === 'leading') {
    if (sameGroups(peer.leading, event.groups)) return [];
    peer.leading = event.groups;
    peer.told = false;
    return [beatPeer(state, event.peer, peer, nowMs)];
  }
  if (event.type === 'following') {
    peer.following = event.groups.map(
      (group) => peer.following.find((one) => one.group === group) ?? { group, sinceMs: nowMs },
    );
    return [];
  }
  peer.heardMs = nowMs;
  if (event.type === 'beat') {
    spareProbe(state, peer, nowMs);
    return onBeat(peer, event.peer, event.beat);
  }
  if (event.type === 'answer' && peer.asked?.sequence === event.sequence) {
    peer.rttMs = nowMs - peer.asked.atMs;
    peer.rttAtMs = nowMs;
    peer.asked = null;
  }
  return [];
};

/** Wire form: `[sequence, answer, led]` with led null or `[[group, term], …]`. */
export const formBeat = (beat: Beat): unknown => [
  beat.sequence,
  beat.answer,
  beat.led === null ? null : beat.led.map(({ group, term }) => [group, term]),
];

const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;

/** Null when malformed. `groupsMax` bounds the list. */
export const parseBeat = (body: unknown, groupsMax: number): Beat | null => {
  if (!Array.isArray(body) || body.length !== 3) return null;
  const [sequence, answer, led] = body as unknown[];
  if (!isCount(sequence) || typeof answer !== 'boolean') return null;
  if (led === null) return { sequence, answer, led: null };
  if (!Array.isArray(led) || led.length > groupsMax) return null;
  const groups: QuietGroup[] = [];
  for (const item of led as unknown[]) {
    if (!Array.isArray(item) || typeof item[0] !== 'string' || item[0].length > 63 || !isCount(item[1])) return null;
    groups.push({ group: item[0], term: item[1] });
  }
  return { sequence, answer, led: groups };
};
