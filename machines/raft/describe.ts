// A replica and its messages as short text, for transcripts, traces and people.
import type { RaftState } from './state.ts';
import type { Configuration, RaftEffect, RaftMessage, ReplicaId } from './types.ts';

export const describeConfiguration = (configuration: Configuration): string => {
  const set = (ids: readonly ReplicaId[]): string => `(${[...ids].sort().join(' ')})`;
  const outgoing = configuration.outgoing === null ? '' : `&&${set(configuration.outgoing)}`;
  const learners = configuration.learners.length === 0 ? '' : ` learners=${set(configuration.learners)}`;
  const next = configuration.learnersNext.length === 0 ? '' : ` next=${set(configuration.learnersNext)}`;
  return `${set(configuration.voters)}${outgoing}${learners}${next}`;
};

export const describe = (state: RaftState): string => {
  const flags = `${state.quiet ? ' quiet' : ''}${state.halted ? ' halted' : ''}`;
  const log = `[${state.log.firstIndex}..${state.log.lastIndex}]`;
  return `${state.replica} ${state.role} term=${state.term} vote=${state.vote ?? '-'} leader=${state.leader ?? '-'} log=${log} durable=${state.durable} commit=${state.commit} applied=${state.applied}${flags}`;
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
      const entries = message.entries.map((entry) => `${entry.index}@${entry.term}${entry.kind === 'command' ? '' : `:${entry.kind}`}`);
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
      const entries = effect.entries.map((entry) => `${entry.index}@${entry.term}`).join(' ');
      const hard = effect.hardState === null ? '' : ` term=${effect.hardState.term} vote=${effect.hardState.vote ?? '-'}`;
      const snapshot = effect.snapshot === null ? '' : ` snapshot=${effect.snapshot.index}@${effect.snapshot.term}`;
      const messages = effect.messages.map((message) => `\n    then ${describeMessage(message)}`).join('');
      return `persist #${effect.token}${hard}${snapshot}${entries === '' ? '' : ` [${entries}]`}${messages}`;
    }
    case 'apply':
      return `apply ${effect.entries[0]!.index}..${effect.entries.at(-1)!.index}`;
    case 'drop-log':
      return `drop-log ..${effect.meta.index}`;
    case 'changed':
      return 'changed';
    default:
      return JSON.stringify(effect);
  }
};
