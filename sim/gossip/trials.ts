// What is asked of a crowd, each question for itself: tests hold the answers to bounds, the bench writes them down.
import { Crowd, type CrowdOptions } from './crowd.ts';

export type Spread = {
  /** Until half of all, 99 of 100, and all have heard it. */
  halfMs: number;
  mostMs: number;
  allMs: number;
  /** Of how many it was lost on its way and came by an exchange. */
  repaired: number;
  hops: number;
};

/** One announcement, and how long it takes to everybody. */
export const spread = (given: Partial<CrowdOptions>, limitMs = 120_000): Spread => {
  const crowd = new Crowd(given);
  crowd.begin();
  const beganMs = crowd.nowMs;
  const atMs: number[] = [];
  let isDone = false;
  crowd.judge.listen = () => {
    atMs.push(crowd.nowMs - beganMs);
    isDone = atMs.length === crowd.nodes.length;
  };
  crowd.say(crowd.nodes[0]!, 600_000);
  crowd.world.run(limitMs, () => isDone);
  const at = (share: number): number => atMs[Math.ceil(share * crowd.nodes.length) - 1] ?? Number.POSITIVE_INFINITY;
  const repaired = crowd.nodes.reduce((sum, { state }) => sum + state!.counts.repaired, 0);
  return { halfMs: at(0.5), mostMs: at(0.99), allMs: at(1), repaired, hops: crowd.hops };
};

export type Load = { bytesPerNodeSecond: number; pushBytesPerNodeSecond: number; crowd: Crowd };

/** So many milliseconds in which somebody announces something every so often; nobody if `everyMs` is Infinity. */
export const load = (given: Partial<CrowdOptions>, { forMs, everyMs }: { forMs: number; everyMs: number }): Load => {
  const crowd = new Crowd(given);
  crowd.begin();
  // Something is known of somebody in nearly every bucket, and exchanges have had the time to become seldom.
  for (const node of crowd.nodes.slice(0, 256)) crowd.say(node, 3_000_000);
  crowd.pass(180_000);
  crowd.takeCost();
  const who = crowd.world.chance('who');
  const endMs = crowd.nowMs + forMs;
  while (crowd.nowMs < endMs) {
    crowd.pass(Math.min(everyMs, endMs - crowd.nowMs));
    if (everyMs !== Number.POSITIVE_INFINITY) crowd.say(who.pick(crowd.nodes), 30_000);
  }
  const { bytes, pushBytes } = crowd.takeCost();
  const perNodeSecond = (of: number): number => of / crowd.nodes.length / (forMs / 1_000);
  return { bytesPerNodeSecond: perNodeSecond(bytes), pushBytesPerNodeSecond: perNodeSecond(pushBytes), crowd };
};

/** A node that starts, and how long it takes to hear all that holds. */
export const newcomer = (given: Partial<CrowdOptions>, announcements: number): number => {
  const crowd = new Crowd(given);
  crowd.begin();
  const who = crowd.world.chance('who');
  const [late, ...others] = crowd.nodes;
  crowd.crash(late!);
  for (let at = 0; at < announcements; at++) crowd.say(who.pick(others), 3_000_000);
  crowd.pass(30_000);
  crowd.start(late!);
  return crowd.passUntil(() => crowd.judge.whyNotAllHeard(crowd.up) === null, 60_000) ?? Number.POSITIVE_INFINITY;
};

/** Two halves that heard nothing of each other for a while, and how long it takes until all have heard all. */
export const halves = (given: Partial<CrowdOptions>, announcements: number): number => {
  const crowd = new Crowd(given);
  crowd.begin();
  const who = crowd.world.chance('who');
  crowd.partition([crowd.nodes.slice(0, crowd.nodes.length / 2)]);
  for (let at = 0; at < announcements; at++) {
    crowd.say(who.pick(crowd.nodes), 3_000_000);
    crowd.pass(100);
  }
  crowd.pass(30_000);
  crowd.heal();
  return crowd.passUntil(() => crowd.judge.whyNotAllHeard(crowd.up) === null, 120_000) ?? Number.POSITIVE_INFINITY;
};
