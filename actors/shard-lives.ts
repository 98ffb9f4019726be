// Actors of the cluster that live at this node, by group, with the token under which each was opened. When this node does not lead the group
// any more under that token, all of them are released; until then `holds` keeps them from running, so this may take its turns.
import type { FencingToken } from '../machines/register/types.ts';
import type { LiveActor } from './actor-api.ts';
import type { ClockPort, SinkPort } from './ports/index.ts';

const releasesPerTurn = 500;

export interface ShardLives {
  add(group: string, actor: LiveActor, token: FencingToken): void;
  delete(group: string, actor: LiveActor): void;
  count(group: string): number;
  /** Lets go of all that were opened under another token than this. */
  settle(group: string, reign: FencingToken | null): void;
}

export const isSameToken = (a: FencingToken | null, b: FencingToken | null): boolean =>
  a === b || (a !== null && b !== null && a.term === b.term && a.index === b.index);

const released = (): void => {};

export const createShardLives = ({ clock, sink }: { clock: ClockPort; sink: SinkPort }): ShardLives => {
  const groups = new Map<string, Map<LiveActor, FencingToken>>();
  const leaving: LiveActor[] = [];

  const release = (): void => {
    for (const actor of leaving.splice(0, releasesPerTurn)) actor.release('moved', released);
    if (leaving.length > 0) clock.after(0, release);
  };

  const leave = (actors: readonly LiveActor[]): void => {
    if (actors.length === 0) return;
    sink.count('actors_moved_total', {}, actors.length);
    const isUnderWay = leaving.length > 0;
    for (const actor of actors) leaving.push(actor);
    if (!isUnderWay) clock.soon(release);
  };

  return {
    add(group, actor, token) {
      const lives = groups.get(group) ?? new Map<LiveActor, FencingToken>();
      groups.set(group, lives.set(actor, token));
    },
    delete: (group, actor) => void groups.get(group)?.delete(actor),
    count: (group) => groups.get(group)?.size ?? 0,
    settle(group, reign) {
      const lives = groups.get(group);
      if (lives === undefined || lives.size === 0) return;
      const lost = [...lives].filter(([, token]) => !isSameToken(token, reign)).map(([actor]) => actor);
      for (const actor of lost) lives.delete(actor);
      leave(lost);
    },
  };
};
