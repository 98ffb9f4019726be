// `polity status`, `members` and `group …`: what a cluster is, and changes of it.
import { setTimeout } from 'node:timers/promises';
import { cell, print, printJson, table } from './output.ts';
import { type ReachOptions, withClient } from './reach.ts';

type Fields = Record<string, unknown>;

const text = (value: unknown): string => (value === null || value === undefined ? '-' : String(value));
const list = (value: unknown): string => (Array.isArray(value) && value.length > 0 ? value.join(',') : '-');
const rowsOf = (value: unknown): Fields[] => (Array.isArray(value) ? (value as Fields[]) : []);

export const groupsTable = (groups: readonly Fields[]): string =>
  table(
    ['GROUP', 'ROLE', 'TERM', 'LEADER', 'COMMIT', 'APPLIED', 'VOTERS', 'LEARNERS', 'NOTE'],
    groups.map((group) => [
      ...[
        text(group.id),
        text(group.role),
        text(group.term),
        text(group.leader),
        text(group.commitIndex),
        text(group.appliedIndex),
      ],
      ...[list(group.voters), list(group.learners)],
      [group.joint === true ? 'joint' : '', group.quiet === true ? 'quiet' : '', text(group.halted).replace('-', '')]
        .filter(Boolean)
        .join(' '),
    ]),
  );

export const status = (options: ReachOptions): Promise<void> =>
  withClient(options, async (client) => {
    const now = await client.status();
    if (options.json === true) return printJson(now);
    const reason = now.reason === null ? '' : ` (${text(now.reason)})`;
    print(
      `${text(now.name)} of ${text(now.cluster)}: ${text(now.state)}${reason}, version ${text(now.version)}, start ${text(now.epoch)}`,
    );
    print(`peer id  ${text(now.peerId)}\nlisten   ${list(now.listen)}\nhttp     ${text(now.http)}\n`);
    print(groupsTable(rowsOf(now.groups)));
    const peers = rowsOf(now.peers).map((peer) => [
      ...[text(peer.name), peer.connected === true ? 'yes' : 'no', text(peer.rttMs), text(peer.peerId)],
    ]);
    if (peers.length > 0) print(`\n${table(['PEER', 'CONNECTED', 'RTT MS', 'PEER ID'], peers)}`);
    const troubled = rowsOf(now.actors).filter((actor) => actor.state !== 'running' || actor.restarts !== 0);
    const actors = troubled.map((actor) => [text(actor.address), text(actor.state), text(actor.restarts), text(actor.reason)]);
    if (actors.length > 0) print(`\n${table(['ACTOR', 'STATE', 'RESTARTS', 'REASON'], actors)}`);
    const breakers = rowsOf(now.breakers).map(({ node, peer, service, status: held }) => [
      ...[text(node ?? peer), text(service), text(held)],
    ]);
    if (breakers.length > 0) print(`\n${table(['NODE', 'SERVICE', 'BREAKER'], breakers)}`);
  });

const watchEveryMs = 500;

/** What is told of a member when it changes. */
const standingOf = (member: Fields): string => {
  const reach = member.self === true ? 'self' : member.connected === true ? 'connected' : 'not connected';
  const state = member.state === null ? '' : ` ${text(member.state)}`;
  return `${text(member.status)}${state}, ${reach}`;
};

const membersTable = (all: readonly Fields[]): string => {
  const rows = all.map((member) => {
    const groups = Object.entries((member.groups ?? {}) as Record<string, string>).map(([group, role]) => `${group}:${role}`);
    const connected = member.self === true ? 'self' : member.connected === true ? 'yes' : 'no';
    return [
      ...[text(member.name), text(member.status), text(member.state), connected, list(groups), list(member.leads)],
      // Words of other nodes: nothing in them may reach the terminal as a command.
      ...[
        text(member.rttMs),
        cell(text(member.region === '' ? null : member.region)),
        cell(list(member.tags)),
        text(member.peerId),
      ],
    ];
  });
  return table(['NAME', 'STATUS', 'STATE', 'CONNECTED', 'GROUPS', 'LEADS', 'RTT MS', 'REGION', 'TAGS', 'PEER ID'], rows);
};

/** By what a member is called here: its name, and where several have it, all but the first with their peer ids. */
const called = (all: readonly Fields[]): Map<string, Fields> => {
  const members = new Map<string, Fields>();
  for (const member of all) {
    const name = text(member.name);
    members.set(members.has(name) ? `${name} (${text(member.peerId)})` : name, member);
  }
  return members;
};

const standings = (all: readonly Fields[]): Map<string, string> =>
  new Map([...called(all)].map(([name, member]) => [name, standingOf(member)]));

/** A line for each member whose standing is another than before; answers how all stand now. */
const tellChanges = (before: ReadonlyMap<string, string>, all: readonly Fields[], json: boolean): Map<string, string> => {
  const now = standings(all);
  const atTime = new Date().toISOString();
  for (const [name, member] of called(all)) {
    const was = before.get(name) ?? null;
    if (was === now.get(name)) continue;
    if (json) printJson({ at: atTime, ...member });
    else print(`${atTime}  ${name}: ${now.get(name)}${was === null ? '' : ` (was ${was})`}`);
  }
  for (const [name, was] of before) {
    if (now.has(name)) continue;
    if (json) printJson({ at: atTime, name, status: 'forgotten' });
    else print(`${atTime}  ${name}: forgotten (was ${was})`);
  }
  return now;
};

export const members = (options: ReachOptions & { watch?: boolean }): Promise<void> =>
  withClient(options, async (client) => {
    const all = await client.members();
    if (options.json === true && options.watch !== true) return printJson({ members: all });
    if (options.json !== true) print(membersTable(all));
    if (options.watch !== true) return;
    const end = new AbortController();
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => end.abort());
    let known = options.json === true ? tellChanges(new Map(), all, true) : standings(all);
    while (!end.signal.aborted) {
      // The end of the waiting is the end of the command.
      await setTimeout(watchEveryMs, undefined, { signal: end.signal }).catch(() => {});
      if (!end.signal.aborted) known = tellChanges(known, await client.members(), options.json === true);
    }
  });

export const evict = (peerId: string, options: ReachOptions): Promise<void> =>
  withClient(options, async (client) => {
    await client.evict(peerId);
    if (options.json === true) printJson({ evicted: peerId });
    else print(`${peerId} is thrown out: members hold this peer id for evicted`);
  });

export const groupList = (options: ReachOptions): Promise<void> =>
  withClient(options, async (client) => {
    const groups = await client.groups.list();
    if (options.json === true) printJson({ groups });
    else print(groupsTable(groups));
  });

export const groupChange = (
  type: 'add' | 'remove' | 'promote' | 'transfer',
  group: string,
  node: string,
  options: ReachOptions & { learner?: boolean },
): Promise<void> =>
  withClient(options, async (client) => {
    const role = options.learner === true ? ('learner' as const) : ('voter' as const);
    const { index } = await client.groups.change(group, type === 'add' ? { type, node, role } : { type, node });
    if (options.json === true) return printJson({ group, node, change: type, index });
    const done = {
      add: `${node} is a ${role} of`,
      remove: `${node} left`,
      promote: `${node} votes in`,
      transfer: `${node} leads`,
    };
    print(`${done[type]} ${group} (index ${index})`);
  });
