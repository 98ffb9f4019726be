// A replica and its messages as short text, for transcripts, traces and people.
import type { Progress } from './progress.ts';
import type { RaftState } from './state.ts';
import type { Configuration, Entry, RaftEffect, RaftMessage, ReplicaId, SnapshotMeta } from './types.ts';

export const describeConfiguration = (configuration: Configuration): string => {
  const set = (ids: readonly ReplicaId[]): string => `(${[...ids].sort().join(' ')})`;
  const outgoing = configuration.outgoing === null ? '' : `&&${set(configuration.outgoing)}`;
  const learners = configuration.learners.length === 0 ? '' : ` learners=${set(configuration.learners)}`;
  const next = configuration.learnersNext.length === 0 ? '' : ` next=${set(configuration.learnersNext)}`;
  return `${set(configuration.voters)}${outgoing}${learners}${next}`;
};

export const describe = (state: RaftState): string => {
  const { replica, role, term, vote, leader, log, durable, commit, applied } = state;
  const flags = `${state.quiet ? ' quiet' : ''}${state.halted ? ' halted' : ''}`;
  const who = `${replica} ${role} term=${term} vote=${vote ?? '-'} leader=${leader ?? '-'}`;
  const where = `log=[${log.firstIndex}..${log.lastIndex}] durable=${durable} commit=${commit} applied=${applied}`;
  return `${who} ${where} ${describeConfiguration(state.configuration)}${flags}`;
};

const describeEntry = ({ index, term, kind }: Entry): string => `${index}@${term}${kind === 'command' ? '' : `:${kind}`}`;

const describeEntries = (entries: readonly Entry[]): string => `[${entries.map(describeEntry).join(' ')}]`;

export const describeProgress = (id: ReplicaId, progress: Progress): string => {
  const flags = `${progress.probing ? ' probing' : ''}${progress.regressed ? ' regressed' : ''}${progress.quiet ? ' quiet' : ''}`;
  return `${id} ${progress.mode} match=${progress.match} next=${progress.next} inflight=${progress.inflight.length}${flags}`;
};

export const describeMessage = (message: RaftMessage): string => {
  const head = `${message.from}->${message.to} ${message.type} term=${message.term}`;
  switch (message.type) {
    case 'pre-vote':
    case 'vote':
      return `${head} last=${message.lastIndex}@${message.lastTerm}${message.transfer ? ' transfer' : ''}`;
    case 'pre-vote-reply':
    case 'vote-reply':
      return `${head} ${message.granted ? 'granted' : 'refused'}`;
    case 'append': {
      const entries = message.entries.map(
        (entry) => `${entry.index}@${entry.term}${entry.kind === 'command' ? '' : `:${entry.kind}`}`,
      );
      return `${head} prev=${message.prevIndex}@${message.prevTerm} entries=[${entries.join(' ')}] commit=${message.commit}`;
    }
    case 'append-reply':
      return message.conflict === null
        ? `${head} index=${message.index}`
        : `${head} refused=${message.index} hint=${message.conflict.index}@${message.conflict.term}`;
    case 'heartbeat':
      return `${head} commit=${message.commit} round=${message.round}${message.quiet ? ' quiet' : ''}`;
    case 'heartbeat-reply':
      return `${head} round=${message.round} index=${message.index}${message.quiet ? ' quiet' : ''}`;
    case 'snapshot':
      return `${head} meta=${message.meta.index}@${message.meta.term}`;
    case 'time-out-now':
      return head;
  }
};

export const describeEffect = (effect: RaftEffect): string => {
  switch (effect.type) {
    case 'send':
      return `send ${describeMessage(effect.message)}`;
    case 'persist': {
      const hard = effect.hardState === null ? '' : ` term=${effect.hardState.term} vote=${effect.hardState.vote ?? '-'}`;
      const snapshot = effect.snapshot === null ? '' : ` snapshot=${effect.snapshot.index}@${effect.snapshot.term}`;
      const entries = effect.entries.length === 0 ? '' : ` ${describeEntries(effect.entries)}`;
      const messages = effect.messages.map((message) => `\n  then ${describeMessage(message)}`).join('');
      return `persist #${effect.token}${hard}${snapshot}${entries}${messages}`;
    }
    case 'apply':
      return `apply ${describeEntries(effect.entries)}`;
    case 'drop-log':
      return `drop-log ..${describeMeta(effect.meta)}`;
    case 'send-snapshot':
      return `send-snapshot to ${effect.to}, at least ${effect.minIndex}`;
    case 'expect-snapshot':
      return `expect-snapshot of ${effect.from}: ${describeMeta(effect.meta)}`;
    case 'proposed':
      return `proposed #${effect.ref} at ${effect.index}@${effect.term}`;
    case 'read-ready':
    case 'reconfigured':
      return `${effect.type} #${effect.ref} at ${effect.index}`;
    case 'proposal-rejected':
    case 'read-rejected':
      return `${effect.type} #${effect.ref} ${effect.reason}, leader ${effect.leader ?? '-'}`;
    case 'reconfigure-rejected':
      return `${effect.type} #${effect.ref} ${effect.reason}: ${effect.message}`;
    case 'transferred':
      return `transferred #${effect.ref}`;
    case 'transfer-rejected':
      return `${effect.type} #${effect.ref} ${effect.reason}`;
    case 'changed':
      return 'changed';
    case 'warn':
      return `warn ${effect.code}: ${effect.message}`;
  }
};

const describeMeta = ({ index, term, configuration }: SnapshotMeta): string =>
  `${index}@${term} ${describeConfiguration(configuration)}`;
