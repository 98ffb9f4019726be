// A list of things to do that several people share and that each may change at any time: alone, cut off, on a train. Whoever meets again
// has the same list, with everything that anybody wrote.
//
//   node examples/todo.ts NAME PORT [PORT OF ANOTHER …]
//
// Start `anna 7471 7472` and `ben 7472 7471` in two terminals, stop one, change the list in the other, start it again. Commands, a line
// each: add TITLE, done N, undo N, rename N TITLE, remove N.
import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import { createNode, type ReplicaFlag, type ReplicaLwwRegister, type ReplicaOrMap } from 'polity';

/** Two people who rename one thing: the last writer wins. One removes what the other ticks meanwhile: it stays, ticked. */
type Thing = ReplicaOrMap<{ title: ReplicaLwwRegister<string>; isDone: ReplicaFlag }>;

const [name = 'anna', port = '7471', ...others] = process.argv.slice(2);
const addressOf = (of: string): string => `/ip4/127.0.0.1/tcp/${of}`;

const node = await createNode({
  name,
  cluster: 'todo',
  data: `${process.env.TODO_DATA ?? '.polity-todo'}/${name}`,
  listen: [addressOf(port)],
  join: others.map(addressOf),
  // Nobody votes here and nobody forms anything: that is for what must be agreed on.
  bootstrap: [],
  // It belongs into a file that only the owners of the list can read (secretFile).
  secret: 'an example, at least sixteen bytes',
  log: { level: 'error' },
});

const things = node.replica.orMap<{ readonly [id: string]: Thing }>('things');

/** In the same order at everybody: ids are as random at one as at the other. */
const ids = (): string[] => Object.keys(things.get()).sort();

const show = (): void => {
  console.log(`-- ${name} has ${things.size}`);
  for (const [at, thing] of ids()
    .map((id) => things.get()[id]!)
    .entries())
    console.log(`${at + 1} ${thing.isDone === true ? '[x]' : '[ ]'} ${thing.title ?? '(no title)'}`);
};

/** Answers once it is on this machine's disk; the others hear of it when they can. */
const obey = async (line: string): Promise<void> => {
  const [, word, rest = ''] = /^\s*(\S*)\s*(.*)$/.exec(line)!;
  if (word === 'add') return things.orMap(randomUUID()).lwwRegister('title').set(rest);
  const [, number, title = ''] = /^(\d+)\s*(.*)$/.exec(rest) ?? [];
  const id = ids()[Number(number) - 1];
  if (id === undefined) return console.log('which one? add TITLE, done N, undo N, rename N TITLE, remove N');
  if (word === 'done') return things.orMap(id).flag('isDone').enable();
  if (word === 'undo') return things.orMap(id).flag('isDone').disable();
  if (word === 'rename') return things.orMap(id).lwwRegister('title').set(title);
  if (word === 'remove') return things.remove(id);
};

// What two wrote that knew nothing of each other: the list goes on, and nobody is left wondering.
node.replica.onConflict(({ lost }) => lost !== undefined && console.log(`somebody else wrote too: ${String(lost)}`));
things.subscribe(show);
show();

const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => void obey(line).catch((error: unknown) => console.error(String(error))));
lines.on('close', () => void node.stop());
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => lines.close());
