// Replicas that this node makes: those that the genesis gives it, and empty ones for groups that it is added to later; and how a leader
// asks another node to make one.
import { type Failure, failure } from '../machines/errors.ts';
import type { Genesis } from '../machines/genesis/index.ts';
import type { SnapshotMeta } from '../machines/raft/types.ts';
import { parseFailure } from '../machines/wire/failure.ts';
import type { Outcome } from './api.ts';
import { hostedOperation } from './identity.ts';
import type { PeerId, StorageOperation } from './ports/index.ts';
import { formGroup } from './raft-store.ts';
import type { Router } from './router.ts';
import type { Writer } from './writer.ts';

type Hosted = Outcome<{ replica: string }>;

/** The state of a group at its genesis: every node of the cluster votes. */
const genesisSnapshot = (genesis: Genesis, group: string): SnapshotMeta => {
  const members = genesis.nodes.flatMap((node) => {
    const replica = node.replicas[group];
    return replica === undefined ? [] : [{ replica, name: node.name, peer: node.peer }];
  });
  return {
    index: 0,
    term: 0,
    timeMs: 0,
    configuration: {
      voters: members.map((member) => member.replica),
      outgoing: null,
      learners: [],
      learnersNext: [],
      members: Object.fromEntries(members.map((member) => [member.replica, member])),
    },
  };
};

/** What makes this node's replicas of a cluster that was just formed. */
export const formOperations = (formed: Genesis, self: PeerId): StorageOperation[] => {
  const mine = formed.nodes.find((node) => node.peer === self);
  if (mine === undefined) return [];
  return formed.groups.flatMap((group) => {
    const replica = mine.replicas[group];
    if (replica === undefined) return [];
    return [hostedOperation(group, replica), ...formGroup(group, genesisSnapshot(formed, group))];
  });
};

export type HostingArguments = {
  name: string;
  /** Of the node's own actor. */
  address: string;
  self: PeerId;
  writer: Writer;
  router: Router;
  newId: () => string;
  genesis: () => Genesis | null;
  /** Replicas by group; what is made here is added. */
  hosted: Map<string, string>;
  onHosted: (group: string, replica: string) => void;
};

export interface Hosting {
  /** Makes an empty replica that waits for the leader's log; answers its id once it is durable. Asking twice is the same. */
  host(group: string, done: (outcome: Hosted) => void): void;
  /** Has another node do so, or this one. */
  ask(peer: PeerId, group: string, timeoutMs: number, done: (outcome: Hosted) => void): void;
}

export const createHosting = (args: HostingArguments): Hosting => {
  const { name, address, self, writer, router, newId, hosted } = args;
  /** Who waits for a replica that is being made. */
  const hosting = new Map<string, ((outcome: Hosted) => void)[]>();

  const make = (group: string, asked: readonly ((outcome: Hosted) => void)[]): void => {
    const replica = newId();
    writer.write([hostedOperation(group, replica), ...formGroup(group, null)], { durable: true }, (why) => {
      hosting.delete(group);
      if (why === null) {
        hosted.set(group, replica);
        args.onHosted(group, replica);
      }
      const outcome: Hosted =
        why === null
          ? { ok: true, value: { replica } }
          : { ok: false, failure: failure('STORAGE_FAILED', `${name} cannot store a replica: ${why.message}`) };
      for (const answer of asked) answer(outcome);
    });
  };

  const host = (group: string, done: (outcome: Hosted) => void): void => {
    const fail = (why: Failure): void => done({ ok: false, failure: why });
    const genesis = args.genesis();
    if (genesis === null) return fail(failure('NOT_READY', `${name} has not heard of the cluster's genesis yet`));
    if (!genesis.groups.includes(group)) return fail(failure('GROUP_NOT_FOUND', `${name} knows no group '${group}'`));
    const existing = hosted.get(group);
    if (existing !== undefined) return done({ ok: true, value: { replica: existing } });
    const others = hosting.get(group);
    if (others !== undefined) return void others.push(done);
    const asked = [done];
    hosting.set(group, asked);
    make(group, asked);
  };

  return {
    host,
    ask(peer, group, timeoutMs, done) {
      if (peer === self) return host(group, done);
      const question = { peer, lane: 'calls' as const, source: address, target: address, type: 'host', body: group, timeoutMs };
      router.ask(question, (why, body) => {
        const fail = (reason: Failure): void => done({ ok: false, failure: reason });
        if (why !== null)
          return fail(failure('NO_QUORUM', `the node to be added did not answer (${why.code}); nothing was changed`));
        if (Array.isArray(body) && body[0] === 'done' && typeof body[1] === 'string' && body[1].length <= 128)
          return done({ ok: true, value: { replica: body[1] } });
        fail((Array.isArray(body) ? parseFailure(body[1]) : null) ?? failure('INTERNAL', 'a malformed answer to host'));
      });
    },
  };
};
