// Results of topics as they travel between nodes (forms.ts): `[op, index, …]`, checked when they arrive.
import type { FencingToken } from '../types.ts';
import { topicLimits } from './limits.ts';
import type { Holder, Retention, TopicMessage, TopicResult, TopicSubscription, TopicView } from './types.ts';

const formToken = (token: FencingToken | null): unknown => (token === null ? null : [token.term, token.index]);
const formRetention = ({ messagesMax, bytesMax, ageMs }: Retention): unknown[] => [messagesMax, bytesMax, ageMs];
const formView = (view: TopicView): unknown => [
  ...[view.topic, view.id, view.first, view.next, view.bytes],
  ...[...formRetention(view.retention), view.subscriptions],
];
const formHolder = (holder: Holder | null): unknown =>
  holder === null ? null : [holder.node, holder.peer, holder.epoch, holder.consumer];
const formSubscription = ({ name, next, lost, holder, token }: TopicSubscription): unknown => [
  ...[name, next, lost, formHolder(holder), formToken(token)],
];

export const isTopicOp = (op: unknown): op is TopicResult['op'] => typeof op === 'string' && Object.hasOwn(lengths, op);

export const isTopicResult = (result: { op: string }): result is TopicResult => Object.hasOwn(lengths, result.op);

export const formTopicResult = (result: TopicResult): unknown => {
  const head = [result.op, result.index];
  switch (result.op) {
    case 'topic-configure':
    case 'topic-delete':
      return [...head, result.term, result.topic];
    case 'topic-publish':
      return [...head, result.term, result.topic, result.sequence, result.subscriptions];
    case 'topic-subscribe':
      return [...head, result.term, result.topic, result.subscription, result.id, result.next, formToken(result.token)];
    case 'topic-commit':
    case 'topic-release':
    case 'topic-unsubscribe':
      return [...head, result.term, result.topic, result.subscription];
    case 'topic-read': {
      const messages = result.messages.map(({ sequence, timeMs, body }) => [sequence, timeMs, body]);
      return [...head, result.id, result.first, result.next, messages, formToken(result.token)];
    }
    case 'topic-acknowledged':
      return [...head, result.acknowledged, result.needed, result.of, result.missing];
    case 'topic-get': {
      const { found } = result;
      return [...head, found === null ? null : [formView(found.view), found.subscriptions.map(formSubscription)]];
    }
    case 'topic-list':
      return [...head, result.items.map(formView), result.more];
  }
};

// ---------------------------------------------------------------- parsing

const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
const isName = (value: unknown): value is string =>
  typeof value === 'string' && value.length > 0 && value.length <= topicLimits.nameBytesMax;

/** Undefined for what is malformed. */
const parseToken = (form: unknown): FencingToken | null | undefined => {
  if (form === null) return null;
  if (!Array.isArray(form) || form.length !== 2) return undefined;
  const [term, index] = form as unknown[];
  return isCount(term) && isCount(index) ? { term, index } : undefined;
};

const parseHolder = (form: unknown): Holder | null | undefined => {
  if (form === null) return null;
  if (!Array.isArray(form) || form.length !== 4) return undefined;
  const [node, peer, epoch, consumer] = form as unknown[];
  if (!isName(node) || typeof peer !== 'string' || peer.length > topicLimits.peerCharsMax) return undefined;
  return isCount(epoch) && isName(consumer) ? { node, peer, epoch, consumer } : undefined;
};

/** Null if there are more than `max`, or one of them is malformed. */
const parseAll = <T>(forms: unknown, max: number, parse: (form: unknown) => T | null): T[] | null => {
  if (!Array.isArray(forms) || forms.length > max) return null;
  const items: T[] = [];
  for (const form of forms as unknown[]) {
    const item = parse(form);
    if (item === null) return null;
    items.push(item);
  }
  return items;
};

const parseView = (form: unknown): TopicView | null => {
  if (!Array.isArray(form) || form.length !== 9) return null;
  const [topic, ...counts] = form as unknown[];
  if (!isName(topic) || !counts.every(isCount)) return null;
  const [id, first, next, bytes, messagesMax, bytesMax, ageMs, subscriptions] = counts as [
    ...[number, number, number, number, number, number, number, number],
  ];
  return { topic, id, first, next, bytes, retention: { messagesMax, bytesMax, ageMs }, subscriptions };
};

const parseSubscription = (form: unknown): TopicSubscription | null => {
  if (!Array.isArray(form) || form.length !== 5) return null;
  const [name, next, lost, holderForm, tokenForm] = form as unknown[];
  const holder = parseHolder(holderForm);
  const token = parseToken(tokenForm);
  if (!isName(name) || !isCount(next) || !isCount(lost) || holder === undefined || token === undefined) return null;
  return { name, next, lost, holder, token };
};

const parseMessage = (form: unknown): TopicMessage | null => {
  if (!Array.isArray(form) || form.length !== 3) return null;
  const [sequence, timeMs, body] = form as unknown[];
  if (!isCount(sequence) || !isCount(timeMs) || !(body instanceof Uint8Array)) return null;
  return body.byteLength > topicLimits.bodyBytesMax ? null : { sequence, timeMs, body };
};

/** How many elements the form of each result has. */
const lengths: Record<TopicResult['op'], number> = {
  'topic-configure': 4,
  'topic-delete': 4,
  'topic-publish': 6,
  'topic-subscribe': 8,
  'topic-commit': 5,
  'topic-release': 5,
  'topic-unsubscribe': 5,
  'topic-read': 7,
  'topic-acknowledged': 6,
  'topic-get': 3,
  'topic-list': 4,
};

/** Null for what is malformed. */
export const parseTopicResult = (form: readonly unknown[]): TopicResult | null => {
  const [op, index, ...rest] = form;
  if (!isTopicOp(op) || form.length !== lengths[op] || !isCount(index)) return null;
  switch (op) {
    case 'topic-read':
      return parsePage(index, rest);
    case 'topic-acknowledged':
      return parseAcknowledged(index, rest);
    case 'topic-get':
      return parseFound(index, rest[0]);
    case 'topic-list': {
      const items = parseAll(rest[0], topicLimits.listItemsMax, parseView);
      return items !== null && typeof rest[1] === 'boolean' ? { op, items, more: rest[1], index } : null;
    }
    default:
      return parseWritten(op, index, rest);
  }
};

type WrittenOp = Exclude<TopicResult['op'], 'topic-read' | 'topic-acknowledged' | 'topic-get' | 'topic-list'>;

const parseWritten = (op: WrittenOp, index: number, [term, topic, ...more]: unknown[]): TopicResult | null => {
  if (!isCount(term) || !isName(topic)) return null;
  const at = { index, term };
  switch (op) {
    case 'topic-configure':
    case 'topic-delete':
      return { op, topic, ...at };
    case 'topic-publish': {
      const [sequence, subscriptions] = more;
      return isCount(sequence) && isCount(subscriptions) ? { op, topic, sequence, subscriptions, ...at } : null;
    }
    case 'topic-subscribe': {
      const [subscription, id, next, tokenForm] = more;
      const token = parseToken(tokenForm);
      if (!isName(subscription) || !isCount(id) || !isCount(next) || token === undefined) return null;
      return { op, topic, subscription, id, next, token, ...at };
    }
    case 'topic-commit':
    case 'topic-release':
    case 'topic-unsubscribe':
      return isName(more[0]) ? { op, topic, subscription: more[0], ...at } : null;
  }
};

const parsePage = (index: number, [id, first, next, forms, tokenForm]: unknown[]): TopicResult | null => {
  const messages = parseAll(forms, topicLimits.pageMessagesMax, parseMessage);
  const token = parseToken(tokenForm);
  if (!isCount(id) || !isCount(first) || !isCount(next) || messages === null || token === undefined) return null;
  return { op: 'topic-read', id, first, next, messages, token, index };
};

const parseAcknowledged = (index: number, [acknowledged, needed, of, forms]: unknown[]): TopicResult | null => {
  const missing = parseAll(forms, topicLimits.missingMax, (form) => (isName(form) ? form : null));
  if (!isCount(acknowledged) || !isCount(needed) || !isCount(of) || missing === null) return null;
  return { op: 'topic-acknowledged', acknowledged, needed, of, missing, index };
};

const parseFound = (index: number, form: unknown): TopicResult | null => {
  if (form === null) return { op: 'topic-get', found: null, index };
  if (!Array.isArray(form) || form.length !== 2) return null;
  const [viewForm, forms] = form as unknown[];
  const view = parseView(viewForm);
  const subscriptions = parseAll(forms, topicLimits.subscriptionsMax, parseSubscription);
  return view === null || subscriptions === null ? null : { op: 'topic-get', found: { view, subscriptions }, index };
};
