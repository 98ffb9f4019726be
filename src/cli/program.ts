// The words of the command line. Every action imports what it needs when it runs, so that `polity kv get` does not wait for libp2p.
import { Command, CommanderError, Option } from 'commander';
import { options as configOptions } from '../config/options.ts';
import { version } from '../version.ts';
import { describeError, type ExitName, exitCodes, exitOf } from './exit.ts';

const exits = Object.values(exitCodes)
  .map(({ code, meaning }) => `  ${code}  ${meaning}`)
  .join('\n');

const collect = (value: string, before: string[] | undefined): string[] => [...(before ?? []), value];

/** Options of every command that talks to a node. */
const reaching = (command: Command): Command =>
  command
    .option('--node <url>', 'HTTP of a node, several with commas (default: POLITY_NODE or http://127.0.0.1:7501)')
    .option('--token-file <file>', 'file with the HTTP token (default: POLITY_TOKEN)')
    .option('--timeout <time>', 'how long to wait for an answer, e.g. 500ms or 10s', '5s')
    .option('--json', 'machine output');

const grouped = (command: Command): Command =>
  reaching(command).option('--group <name>', "group of the register service (default: 'kv')");

const reading = (command: Command): Command =>
  grouped(command).option('--consistency <how>', 'linearizable, lease or local (default: linearizable)');

const guarded = (command: Command): Command =>
  grouped(command)
    .option('--fence <lock:token>', 'only while this lock is held, LOCK:TERM.INDEX')
    .option('--idempotency-key <key>', 'the same key twice has one effect');

const conditional = (command: Command): Command =>
  guarded(command)
    .option('--if-value <value>', 'only if the key has this value')
    .option('--if-index <index>', 'only if the key was last written at this index; 0 = does not exist');

const addStart = (program: Command): void => {
  const start = program
    .command('start')
    .description('one node in the foreground')
    .option('--config <file>', 'JSON file with any of these options (default: POLITY_CONFIG)')
    .option('--check', 'print the configuration, secrets hidden, or what is wrong with it; start nothing');
  for (const { flag, value, help, kind, env } of configOptions) {
    const option = new Option(`${flag} <${value}>`, `${help} (${env})`);
    start.addOption(kind === 'list' || kind === 'sources' || kind === 'pairs' ? option.argParser(collect) : option);
  }
  start.action(async (options) => (await import('./start.ts')).start(options));
};

const addKv = (program: Command): void => {
  const kv = program.command('kv').description('keys and values');
  const load = () => import('./kv.ts');
  conditional(kv.command('put <key> [value]'))
    .description('write a value; - reads it from standard input')
    .option('--file <file>', 'take the value from a file')
    .option('--ttl <time>', 'the key vanishes after this time')
    .option('--lease <id>', 'the key vanishes with this lease')
    .action(async (key, value, options) => (await load()).put(key, value, options));
  reading(kv.command('get <key>'))
    .description('print a value')
    .option('--raw', 'exactly the bytes, without a line feed')
    .action(async (key, options) => (await load()).get(key, options));
  conditional(kv.command('del <key>'))
    .description('delete a key')
    .action(async (key, options) => (await load()).remove(key, options));
  guarded(kv.command('cas <key> <old> <new>'))
    .description('write a value only over this one')
    .action(async (key, old, next, options) => (await load()).cas(key, old, next, options));
  reading(kv.command('list [prefix]'))
    .description('keys in byte order')
    .option('--limit <n>', 'at most so many')
    .option('--keys-only', 'one key a line')
    .action(async (prefix, options) => (await load()).list(prefix ?? '', options));
  grouped(kv.command('watch [prefix]'))
    .description('what happens to keys, as it happens, until Ctrl-C')
    .option('--from <index>', 'begin with this index instead of now')
    .action(async (prefix, options) => (await load()).watch(prefix ?? '', options));
};

const addRun = (program: Command): void => {
  program
    .command('run [file]')
    .description('run a graph of calls and tell each step as it ends; - reads it from standard input; Ctrl-C gives it up')
    .option('--check', 'only say whether it would run now')
    .option('--durable <id>', 'keep it in the cluster under this id: it goes on when a node is lost, and after Ctrl-C')
    .option('--keep <time>', 'how long a durable run is remembered once it has ended (default: 10m)')
    .option('--attach <id>', 'look at a durable run that was begun before, from its first step on')
    .option('--cancel <id>', 'give a durable run up; what had happened is undone')
    .option('--principal <name>', 'for whom')
    .option('--node <url>', 'HTTP of a node, several with commas (default: POLITY_NODE or http://127.0.0.1:7501)')
    .option('--token-file <file>', 'file with the HTTP token (default: POLITY_TOKEN)')
    .option('--json', 'machine output, one object a step')
    .action(async (file, options) => (await import('./run.ts')).run(file, options));
};

const placed = (command: Command): Command =>
  reaching(command)
    .option('--type <type>', 'register, latest, counter, tally, flag, off-flag, set, map, tree, list or text')
    .option('--at <keys>', 'what is inside of the tree of this key: KEY/KEY…, of the type that --type names');

const addReplica = (program: Command): void => {
  const replica = program.command('replica').description('data that every node may change without asking');
  const load = () => import('./replica.ts');
  const shown = (command: Command): Command =>
    placed(command).option('--conflicts <how>', 'of a register: last-writer (default), highest-node, union or keep-all');
  const valued = (command: Command): Command =>
    placed(command).option('--as <form>', 'what VALUE or ELEMENT is: text, json or base64', 'text');
  shown(replica.command('get <key>'))
    .description('print a value as one node knows it; --type only if the key is several things')
    .option('--entry <key>', 'one value of a map')
    .action(async (key, options) => (await load()).get(key, options));
  valued(replica.command('set <key> <words...>'))
    .description(
      'VALUE of a register (if --type says nothing) or latest; on|off of a flag; ENTRY VALUE of a map; - is standard input',
    )
    .action(async (key, words, options) => (await load()).change('set', key, words, options));
  valued(replica.command('add <key> [words...]'))
    .description('ELEMENT to a set (if --type says nothing), N (1) to a counter or tally, VALUE to a list, TEXT to a text')
    .option('--index <n>', 'where in a list or text (default: at the end)')
    .action(async (key, words, options) => (await load()).change('add', key, words, options));
  valued(replica.command('remove <key> [words...]'))
    .description('ELEMENT of a set (if --type says nothing), ENTRY of a map, INDEX [COUNT] of a list or text, or what is --at')
    .option('--all', 'everything in a set or tree')
    .action(async (key, words, options) => (await load()).change('remove', key, words, options));
  shown(replica.command('watch <key>'))
    .description('what it is, now and after each change, until Ctrl-C')
    .action(async (key, options) => (await load()).watch(key, options));
  reaching(replica.command('list [prefix]'))
    .description('what one node knows, by type and key')
    .option('--type <type>', 'only of this type')
    .option('--limit <n>', 'at most so many')
    .action(async (prefix, options) => (await load()).list(prefix ?? '', options));
  reaching(replica.command('summary'))
    .description('how much one node holds')
    .action(async (options) => (await load()).summary(options));
  const loadMembers = () => import('./replica-members.ts');
  reaching(replica.command('members'))
    .description('the replicas for which nothing that was removed is forgotten before they know of it')
    .action(async (options) => (await loadMembers()).members(options));
  reaching(replica.command('retire <replica>'))
    .description('go on without a replica, by its id or the name of its node; what only it had is lost')
    .action(async (named, options) => (await loadMembers()).retire(named, options));
};

const addQueue = (program: Command): void => {
  const queue = program
    .command('queue')
    .description('work queues: each message to one receiver at a time, until one is done with it');
  const load = () => import('./queue.ts');
  grouped(queue.command('send <queue> [body]'))
    .description('put a message in; - reads it from standard input')
    .option('--file <file>', 'take the body from a file')
    .option('--delay <time>', 'out of sight for so long first')
    .option('--ordering <key>', 'after all others of this key, never beside them')
    .option('--dedup <id>', 'once, however often it is sent under this id within five minutes')
    .action(async (name, body, options) => (await load()).send(name, body, options));
  grouped(queue.command('receive <queue>'))
    .description('take messages out of sight and print them with their receipts')
    .option('--max <n>', 'at most so many, 1 to 100', '1')
    .option('--wait <time>', 'how long to wait for the first')
    .option('--visibility <time>', 'how long they stay out of sight')
    .option('--ack', 'they are done at once')
    .option('--raw', 'exactly the bytes, without a line feed')
    .action(async (name, options) => (await load()).receive(name, options));
  grouped(queue.command('ack <queue> <receipt>'))
    .description('it is done')
    .action(async (name, receipt, options) => (await load()).ack(name, receipt, options));
  grouped(queue.command('nack <queue> <receipt>'))
    .description('give it back')
    .option('--delay <time>', 'out of sight for so long first')
    .option('--reason <text>', 'why, for people')
    .action(async (name, receipt, options) => (await load()).nack(name, receipt, options));
  grouped(queue.command('extend <queue> <receipt> <time>'))
    .description('keep it out of sight for so long from now')
    .action(async (name, receipt, time, options) => (await load()).extend(name, receipt, time, options));
  grouped(queue.command('list'))
    .description('the queues of a group')
    .action(async (options) => (await load()).list(options));
  grouped(queue.command('stats <queue>'))
    .description('how many messages stand where, and its options')
    .action(async (name, options) => (await load()).stats(name, options));
  grouped(queue.command('configure <queue>'))
    .description('make a queue, or change it')
    .option('--visibility <time>', 'how long what was received stays out of sight')
    .option('--max-deliveries <n>', 'what came back so often is a dead letter')
    .option('--dedup <time>', 'how long ids are remembered')
    .option('--retention <time>', 'what is older is removed; none: nothing is')
    .option('--messages-max <n>', 'messages it holds at most')
    .action(async (name, options) => (await load()).configure(name, options));
  grouped(queue.command('dead <queue>'))
    .description('its dead letters, the oldest first')
    .option('--limit <n>', 'at most so many', '100')
    .option('--after <message>', 'begin behind this one')
    .action(async (name, options) => (await load()).dead(name, options));
  grouped(queue.command('redrive <queue> [messages...]'))
    .description('give dead letters a new life, these or all')
    .action(async (name, messages, options) => (await load()).redrive(name, messages, options));
  grouped(queue.command('purge <queue> [messages...]'))
    .description('remove dead letters, these or all of them, or everything')
    .option('--dead', 'dead letters')
    .option('--all', 'everything, also what is being worked on')
    .action(async (name, messages, options) => (await load()).purge(name, messages, options));
  grouped(queue.command('delete <queue>'))
    .description('remove a queue that is empty')
    .action(async (name, options) => (await load()).remove(name, options));
};

const addTopic = (program: Command): void => {
  const topic = program.command('topic').description('topics: what is published is handled by every subscription');
  const load = () => import('./topic.ts');
  grouped(topic.command('publish <topic> [value]'))
    .description('publish JSON, or a text that is none; - reads it from standard input')
    .option('--file <file>', 'take the value from a file')
    .option('--delivery <promise>', 'at-least-once, quorum or fire-and-forget', 'at-least-once')
    .option('--id <id>', 'once, however often it is published under this id within ten minutes')
    .option('--acknowledgements <n>', 'with quorum: by so many subscriptions, not the most of them')
    .action(async (name, value, options) => (await load()).publish(name, value, options));
  grouped(topic.command('subscribe <topic>'))
    .description('print what is published until interrupted')
    .option('--subscription <name>', 'a durable subscription: what was printed is handled')
    .option('--from <where>', 'new, oldest or the number of a message', 'new')
    .option('--delivery <promise>', 'at-least-once, quorum or fire-and-forget', 'at-least-once')
    .option('--count <n>', 'end after so many messages')
    .action(async (name, options) => (await load()).subscribe(name, options));
  grouped(topic.command('list'))
    .description('the topics of a group')
    .action(async (options) => (await load()).list(options));
  grouped(topic.command('subscriptions <topic>'))
    .description('its named subscriptions: how far each is, who handles it')
    .action(async (name, options) => (await load()).subscriptions(name, options));
  grouped(topic.command('configure <topic>'))
    .description('make a topic, or change how much of it is kept')
    .option('--messages-max <n>', 'so many messages')
    .option('--bytes-max <n>', 'so many bytes')
    .option('--age <time>', 'no longer than this')
    .action(async (name, options) => (await load()).configure(name, options));
  grouped(topic.command('skip <topic> <subscription> <next>'))
    .description('pass over what nobody can handle: go on with message <next>; nobody may be handling it')
    .action(async (name, subscription, next, options) => (await load()).skip(name, subscription, next, options));
  grouped(topic.command('unsubscribe <topic> <subscription>'))
    .description('remove a named subscription for good')
    .action(async (name, subscription, options) => (await load()).unsubscribe(name, subscription, options));
  grouped(topic.command('delete <topic>'))
    .description('remove a topic with its messages and subscriptions')
    .action(async (name, options) => (await load()).remove(name, options));
};

const addLocks = (program: Command): void => {
  const load = () => import('./locks.ts');
  const lock = program.command('lock').description('locks with fencing tokens');
  grouped(lock.command('acquire <name>'))
    .description('take a lock on a lease')
    .option('--ttl <time>', 'life of the lease that is made for it', '30s')
    .option('--lease <id>', 'use this lease instead')
    .option('--owner <text>', 'who holds it, for people')
    .action(async (name, options) => (await load()).lockAcquire(name, options));
  grouped(lock.command('release <name>'))
    .description('give a lock back')
    .option('--token <token>', 'TERM.INDEX as it was granted')
    .action(async (name, options) => (await load()).lockRelease(name, options));
  reading(lock.command('get <name>'))
    .description('who holds a lock')
    .action(async (name, options) => (await load()).lockGet(name, options));
  grouped(lock.command('run <name> <command...>'))
    .description('hold a lock while a command runs; the command finds POLITY_FENCE in its environment')
    .option('--ttl <time>', 'how long the lock outlives this process', '15s')
    .option('--wait <time>', 'how long to wait for the lock')
    .option('--owner <text>', 'who holds it, for people')
    .passThroughOptions()
    .action(async (name, command, options) => (await load()).lockRun(name, command, options));
  const lease = program.command('lease').description('leases that keys and locks hang on');
  grouped(lease.command('grant'))
    .description('make a lease')
    .option('--ttl <time>', 'how long it lives without a renewal', '30s')
    .option('--lease <id>', 'its id (default: made up)')
    .action(async (options) => (await load()).leaseGrant(options));
  grouped(lease.command('renew <id>'))
    .description('give it its whole life again')
    .action(async (id, options) => (await load()).leaseRenew(id, options));
  grouped(lease.command('revoke <id>'))
    .description('end it, with all keys and locks on it')
    .action(async (id, options) => (await load()).leaseRevoke(id, options));
  reading(lease.command('get <id>'))
    .description('how long it lives')
    .action(async (id, options) => (await load()).leaseGet(id, options));
};

const addBreakers = (program: Command): void => {
  const load = () => import('./breaker.ts');
  const breaker = program.command('breaker').description('which services of other nodes a node does not call');
  reaching(breaker.command('list'))
    .description('those that are not called, or that failed')
    .action(async (options) => (await load()).list(options));
  for (const [what, description] of [
    ['open', 'call a service of a node no more, or none that it offers'],
    ['close', 'call it, whatever fails'],
    ['reset', 'call it, and forget what failed'],
  ] as const)
    reaching(breaker.command(`${what} <node> [service]`))
      .description(description)
      .action(async (node, service, options) => (await load()).command(what, node, service, options));
};

const addCall = (program: Command): void => {
  program
    .command('call <service> <method> [json]')
    .description('call a service, wherever it is offered; the input is JSON, - reads it from standard input')
    .option('--node <url>', 'HTTP of a node, several with commas (default: POLITY_NODE or http://127.0.0.1:7501)')
    .option('--token-file <file>', 'file with the HTTP token (default: POLITY_TOKEN)')
    .option('--timeout <time>', 'how long the call may take, at most 60s', '30s')
    .option('--json', 'machine output')
    .option('--stream', 'the result is a stream: one item a line')
    .option('--version <range>', 'of the service, e.g. ^1.2.0 (default: the newest release)')
    .option('--at <name>', 'only at this node')
    .option('--principal <name>', 'for whom: his limits hold')
    .option('--strategy <name>', 'which of several nodes')
    .option('--key <text>', 'what the strategy sticky keeps together')
    .option('--request-id <id>', 'the same id twice has one effect at the node that executes it')
    .option('--idempotent', 'twice is the same as once: ask another node if an answer is lost')
    .action(async (service, method, json, options) => (await import('./call.ts')).call(service, method, json, options));
};

const addActor = (program: Command): void => {
  const load = () => import('./actor.ts');
  const actor = program.command('actor').description('actors, by address: TYPE/KEY, or TYPE/KEY@NODE for one of a node');
  reaching(actor.command('send <address> <event>'))
    .description('send an event, at most once; it is JSON, or its type alone; - reads it from standard input')
    .action(async (address, event, options) => (await load()).send(address, event, options));
  reaching(actor.command('deliver <address> <event>'))
    .description('send an event, and wait until it is handled')
    .option('--id <id>', 'the same id twice has one effect')
    .action(async (address, event, options) => (await load()).deliver(address, event, options));
  reaching(actor.command('ask <address> <event>'))
    .description('send an event, and print the reply')
    .option('--id <id>', 'the same id twice has one effect')
    .action(async (address, event, options) => (await load()).ask(address, event, options));
  reaching(actor.command('snapshot <address>'))
    .description('print its state')
    .option('--select <path>', 'a part of it, e.g. context.count')
    .action(async (address, options) => (await load()).snapshot(address, options));
  reaching(actor.command('watch <address>'))
    .description('print its state, and what it becomes, one a line, until it ends')
    .option('--select <path>', 'a part of it, e.g. context.count')
    .action(async (address, options) => (await load()).watch(address, options));
  reaching(actor.command('reset <address>'))
    .description('let a replicated actor go on that was stopped because replicas of it differ')
    .action(async (address, options) => (await load()).reset(address, options));
  reaching(actor.command('shards [address]'))
    .description('which groups hold the actors of the cluster, who leads them and why; or where one actor is')
    .action(async (address, options) => (await import('./shards.ts')).shards(address, options));
  reaching(actor.command('stop <address>'))
    .description('end it for good, with what is durable of it; the next event makes it anew')
    .option('--hard', 'what waits in its mailbox is not handled any more, and one that cannot be read is removed unread')
    .action(async (address, options) => (await load()).stop(address, options));
};

const addInspection = (program: Command): void => {
  const load = () => import('./inspect.ts');
  reaching(program.command('actors'))
    .description("which actors live where, the runtime's own among them (type polity)")
    .option('--type <type>', 'only of this type')
    .option('--prefix <text>', 'only those whose key begins so')
    .option('--on <node>', 'those of the node of this name')
    .option('--all', 'those of every node')
    .option('--limit <n>', 'at most so many (default: 100)')
    .option('--after <address>', 'those behind this one')
    .action(async (options) => (await load()).actors(options));
  reaching(program.command('inspect [address]'))
    .description(
      'an actor, live: its chart, its context, and what happens to it, until q or Ctrl-C; lines where there is no terminal',
    )
    .option('--type <type>', 'instead: all actors of this type, in lines')
    .option('--all', 'with --type: of every node')
    .option('--correlation <id>', 'only what belongs to this, from actor to actor')
    .option('--sample <n>', 'at most so many events a second from each node (default: 500)')
    .action(async (address, options) => (await load()).inspect(address, options));
};

const addCluster = (program: Command): void => {
  const load = () => import('./cluster.ts');
  reaching(program.command('status'))
    .description('what a node says of itself')
    .action(async (options) => (await load()).status(options));
  reaching(program.command('members'))
    .description('everybody a node knows: who is alive, suspect, failed, left')
    .option('--watch', 'and every change, as it comes')
    .action(async (options) => (await load()).members(options));
  reaching(program.command('discover [sources...]'))
    .description('where members may live: what these sources say, asked now and without a node, or what a node knows')
    .option('--max <n>', 'at most so many', '10')
    .option('--ask', 'have the node ask its sources now')
    .option('--cluster <name>', "the cluster's name, for sources (default: POLITY_CLUSTER or polity)")
    .option('--secret-file <file>', 'file with the cluster secret, for sources that need it (default: POLITY_SECRET_FILE)')
    .action(async (sources, options) => (await import('./discover.ts')).discover(sources, options));
  reaching(program.command('route [name]'))
    .description('how a node reaches another: straight on or over whom, and why; by name or peer id')
    .option('--ask', 'look for a way if none is known')
    .option('--offers <offer>', 'instead: where a node would go for what is offered under this name')
    .option('--range <range>', 'of versions, with --offers')
    .option('--prefer <node>', 'this node before nearer ones, with --offers')
    .action(async (name, options) => (await import('./route.ts')).route(name, options));
  reaching(program.command('services [name]'))
    .description('who offers what; with a name: its versions, their methods and owners')
    .option('--kind <kind>', 'service, function, topic, queue or node')
    .option('--version <range>', "semver, e.g. '^1.2.0'")
    .option('--capability <words>', 'that it must have, with commas')
    .option('--resource <pairs>', 'that it must have: NAME=AMOUNT (at least) or NAME=WORD, with commas')
    .option('--tag <words>', 'that it must have, with commas')
    .option('--on <node>', 'only those of this node, by name or peer id')
    .option('--limit <n>', 'at most so many')
    .option('--watch', 'what is offered, and every change, until Ctrl-C')
    .action(async (name, options) => (await import('./services.ts')).services(name, options));
  reaching(program.command('evict <peer-id>'))
    .description('throw a member out')
    .action(async (peerId, options) => (await load()).evict(peerId, options));
  const group = program.command('group').description('groups and their members');
  reaching(group.command('list'))
    .description('groups as a node sees them')
    .action(async (options) => (await load()).groupList(options));
  reaching(group.command('add <group> <node>'))
    .description('make a node a member; it must be connected')
    .option('--learner', 'without a vote')
    .action(async (name, node, options) => (await load()).groupChange('add', name, node, options));
  for (const [type, description] of [
    ['remove', 'take a node out'],
    ['promote', 'give a learner a vote'],
    ['transfer', 'make a voter the leader'],
  ] as const)
    reaching(group.command(`${type} <group> <node>`))
      .description(description)
      .action(async (name, node, options) => (await load()).groupChange(type, name, node, options));
};

const addCare = (program: Command): void => {
  grouped(program.command('backup <file>'))
    .description('a consistent copy of a group')
    .action(async (file, options) => (await import('./backup.ts')).backup(file, options));
  grouped(program.command('restore <file>'))
    .description('put the keys of a backup into a cluster whose group is empty')
    .option('--leave-actors', 'go on without the replicated actors of the backup, which cannot be put back')
    .action(async (file, options) => (await import('./backup.ts')).restore(file, options));
  program
    .command('recover')
    .description('offline, after a majority is lost for good: say who votes from now on, and what that gives up')
    .option('--data <dir>', 'directory of a surviving node, which must be stopped')
    .option('--group <name>', 'the group', 'kv')
    .option(
      '--voters <name>',
      'nodes that survive, this one among them (default: this one alone)',
      (value: string, before: string[] | undefined) => [...(before ?? []), ...value.split(',').filter((name) => name !== '')],
    )
    .option('--accept-data-loss', 'really do it')
    .option('--json', 'machine output')
    .action(async (options) => (await import('./recover.ts')).recover(options));
};

const addTools = (program: Command): void => {
  const load = () => import('./check.ts');
  program
    .command('check <file>')
    .description(
      'is a recorded history linearizable? - reads it from standard input; exit 0 yes, 1 no, 2 undecided, 3 unreadable',
    )
    .requiredOption('--model <model>', 'register or kv')
    .option('--timeout <time>', 'how long to try', '60s')
    .option('--json', 'machine output')
    .action(async (file, options) => (await load()).check(file, options));
  program
    .command('sim')
    .description('clusters on virtual time with seeded faults; exit 0 held, 127 crash, 128 liveness, 129 correctness')
    .option('--scenario <name>', 'a named mixture of faults (default: the seed draws one)')
    .option('--faults <names>', 'only these, with commas, or none')
    .option('--works <names>', 'what clients are busy with, with commas (default: drawn)')
    .option('--nodes <n>', 'how many (default: drawn)')
    .option('--seed <n>', 'which run (default: a random one)')
    .option('--seeds <a..b>', 'many runs')
    .option('--time <time>', 'virtual time under fire (default: 20s)')
    .option('--without <numbers>', 'leave out these faults, e.g. 1,2,5..9')
    .option('--clients <n>', 'how many (default: drawn)')
    .option('--operations <n>', 'calls of each client, at most')
    .option(
      '--plant <bug>',
      'break a promise on purpose, to see what a failure looks like: lying-disk or forgotten-vote; of actors: chance-in-actors; of a mesh: hasty',
    )
    .option('--workers <n>', 'how many seeds at a time (default: one for each core)')
    .option('--twice', 'run each seed twice and compare')
    .option('--shrink [time]', 'leave out what the first failure does not need, for so long (default: 60s)')
    .option('--report <file>', 'draw the first run that fails, or the last, as one HTML file')
    .option('--trace <file>', 'write every event of that run, one JSON object a line')
    .option('--tla <file>', 'write its Raft events for TLA+ trace validation (etcd-io/raft)')
    .option('--history <file>', 'write what its clients saw, for `polity check`')
    .option('--soak <time>', 'new seeds for so long')
    .option('--failures <file>', 'append what fails in a soak')
    .option('--list', 'name the scenarios, faults and works')
    .option('--json', 'machine output, one object a seed')
    .action(async (options) => (await import('./sim/command.ts')).sim(options));
  program
    .command('bench [words...]')
    .description('measure this machine (in a checkout)')
    .helpOption(false)
    .allowUnknownOption()
    .passThroughOptions()
    .action(async (words: string[]) => (await load()).bench(words));
};

export const createProgram = (): Command => {
  const program = new Command('polity')
    .description('an actor runtime for clusters with no master, no broker and no database')
    .version(version, '--version')
    .showHelpAfterError('(--help says more)')
    .enablePositionalOptions()
    .addHelpText('after', `\nExit codes:\n${exits}\n`);
  program
    .command('dev')
    .description('a cluster of real processes on this machine')
    .option('--nodes <n>', 'how many', '5')
    .option('--dir <dir>', 'where their data lies', '.polity')
    .option('--base-port <port>', 'node i listens on this + i, its HTTP on this + 100 + i', '7400')
    .addOption(
      new Option('--actors <file>', 'a module whose exported actors all nodes host; may be repeated').argParser(collect),
    )
    .option('--actor-groups <n>', 'groups that actors are spread over, fixed when the cluster is formed; 0: kv holds them', '0')
    .action(async (options) => (await import('./dev.ts')).dev(options));
  addStart(program);
  addCluster(program);
  addCall(program);
  addActor(program);
  addBreakers(program);
  addInspection(program);
  addKv(program);
  addReplica(program);
  addQueue(program);
  addRun(program);
  addTopic(program);
  addLocks(program);
  addCare(program);
  addTools(program);
  const quiet = (command: Command): void => {
    command.exitOverride();
    for (const sub of command.commands) quiet(sub);
  };
  quiet(program);
  return program;
};

/** Runs one command line and sets the exit code; never throws. */
export const run = async (argv: readonly string[]): Promise<void> => {
  // A reader that went away (`| head`) is no failure of ours.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
  const end = (exit: ExitName): void => {
    process.exitCode = exitCodes[exit].code;
  };
  try {
    await createProgram().parseAsync(argv);
  } catch (error) {
    // Commander has said what is wrong; asking for help is no mistake.
    if (error instanceof CommanderError) return end(error.exitCode === 0 ? 'ok' : 'usage');
    console.error(describeError(error, argv.includes('--json')));
    end(exitOf(error));
  }
};
