// Boards: laws of merging, what fits, who writes when, and a cluster that writes over itself.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  boardOf,
  boardsToRead,
  formNotes,
  rendezvousLimits as limits,
  lookAgainMs,
  mergeNotes,
  type Note,
  noteBytes,
  parseNotes,
  place,
  withdraw,
} from '../../../machines/rendezvous/index.ts';

const noon = 1_000_000 * limits.hourMs;
const note = (
  peer: string,
  atMs: number,
  record: Note['record'] = { name: peer, addresses: ['/ip4/10.0.0.1/tcp/7401'] },
): Note => ({
  ...{ peer, atMs, record },
});
const names = (notes: readonly Note[]): string =>
  notes.map(({ peer, record }) => (record === null ? `-${peer}` : peer)).join(' ');

const someNote = fc.record({
  peer: fc.constantFrom('a', 'b', 'c', 'd'),
  atMs: fc.integer({ min: noon - 2 * limits.lifeMs, max: noon + 2 * limits.skewMs }),
  record: fc.option(fc.record({ name: fc.constantFrom('x', 'y') })),
});
const someCopies = fc.array(fc.array(someNote, { maxLength: 6 }), { maxLength: 5 });

describe('merging copies of a board', () => {
  test('neither order nor repetition matters, where a time is a writer’s once', () => {
    fc.assert(
      fc.property(someCopies, (copies) => {
        const said = new Map<string, Note['record']>();
        const honest = copies.map((notes) =>
          notes.filter(({ peer, atMs, record }) => {
            const name = `${peer} ${atMs}`;
            if (!said.has(name)) said.set(name, record);
            return said.get(name) === record;
          }),
        );
        const merged = mergeNotes(honest, noon);
        assert.deepEqual(mergeNotes([...honest].reverse(), noon), merged);
        assert.deepEqual(mergeNotes([merged, ...honest, merged], noon), merged);
        const half = Math.floor(honest.length / 2);
        assert.deepEqual(
          mergeNotes([mergeNotes(honest.slice(0, half), noon), mergeNotes(honest.slice(half), noon)], noon),
          merged,
        );
      }),
    );
  });

  test('the newest note of a member stands, and of one time the withdrawal', () => {
    const copies = [
      [note('a', noon - 5), note('b', noon - 3, null)],
      [note('a', noon - 9, null), note('b', noon - 3)],
    ];
    assert.equal(names(mergeNotes(copies, noon)), '-b a');
  });

  test('what is too old or too far ahead is not there', () => {
    const copies = [
      [note('old', noon - limits.lifeMs), note('young', noon - limits.lifeMs + 1)],
      [note('ahead', noon + limits.skewMs), note('absurd', noon + limits.skewMs + 1)],
    ];
    assert.equal(names(mergeNotes(copies, noon)), 'ahead young');
  });
});

describe('a board as bytes', () => {
  test('there and back', () => {
    const notes = [note('a', noon), note('b', noon - 1, null)];
    assert.deepEqual(parseNotes(formNotes(notes)), notes);
  });

  test('never more bytes than a board has; what does not fit is left out, what is smaller still goes in', () => {
    const large = 'x'.repeat(800);
    const notes = [note('a', 3, { large }), note('b', 2, { large }), note('c', 1, { large }), note('d', 0, null)];
    const bytes = formNotes(notes);
    assert.ok(bytes.byteLength <= limits.boardBytesMax);
    assert.equal(names(parseNotes(bytes)!), 'a b -d');
  });

  test('whatever is no list is refused, whatever is no note is left out', () => {
    const parse = (text: string): string | null => {
      const notes = parseNotes(Buffer.from(text));
      return notes === null ? null : names(notes);
    };
    for (const text of ['', '{}', 'null', '[', '"x"', '\ufffe\u0000']) assert.equal(parse(text), null, text);
    assert.equal(parseNotes(new Uint8Array([0xff, 0xfe])), null);
    assert.equal(parseNotes(new Uint8Array(limits.boardBytesMax + 1).fill(0x20)), null);
    const bad = ['1', 'null', '[]', '["a"]', '["a",1]', '["a/b",1,null]', '["",1,null]', '["a",-1,null]', '["a",1.5,null]'];
    const worse = ['["a","1",null]', '["a",1,[]]', '["a",1,"x"]', '["a",1,null,1]', '[{},1,null]'];
    assert.equal(parse(`[${[...bad, ...worse, '["ok",1,{}]'].join(',')}]`), 'ok');
  });

  test('never an exception', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void parseNotes(bytes)));
    fc.assert(fc.property(fc.json(), (text) => void parseNotes(Buffer.from(text))));
  });
});

describe('placing a note', () => {
  test('on an empty board, beside others, renewed when it is time', () => {
    assert.equal(placed([], note('a', noon)), 'a');
    assert.equal(placed([[note('b', noon - 1)]], note('a', noon)), 'a b');
    assert.equal(placed([[note('a', noon - 60_000)]], note('a', noon)), 'listed');
    assert.equal(placed([[note('a', noon - limits.renewMs)]], note('a', noon)), 'a');
  });

  test('at once when it says something else, or was withdrawn', () => {
    assert.equal(placed([[note('a', noon - 60_000, { name: 'old' })]], note('a', noon)), 'a');
    assert.equal(placed([[note('a', noon - 60_000, null)]], note('a', noon)), 'a');
  });

  test('again, when the latest copy leaves it out, whatever older copies say', () => {
    assert.equal(placed([[note('b', noon)], [note('a', noon - 60_000)]], note('a', noon)), 'a b');
    assert.equal(placed([[note('b', noon), note('a', noon - 90_000)], [note('a', noon - 60_000)]], note('a', noon)), 'a b');
  });

  test('with a clock that was set back, later than the note of before', () => {
    const copy = [note('a', noon + 60_000, null)];
    const placing = place({ latest: copy, all: [copy] }, note('a', noon), noon);
    assert.ok(placing.type === 'write' && placing.notes[0]!.atMs === noon + 60_001);
  });

  test('not where others stand; in the place of who is gone', () => {
    const others = Array.from({ length: limits.notesMax }, (_, at) => note(`n${at}`, noon - at * 100_000, { name: 'n' }));
    assert.equal(placed([others], note('a', noon, {})), 'full');
    const laterMs = noon + limits.lifeMs - (limits.notesMax - 1) * 100_000;
    assert.match(placed([others], note('a', laterMs, {}), laterMs), /^a /);
    assert.match(placed([others.with(3, note('n3', noon, null))], note('a', noon, {})), /^a /, 'withdrawn');
  });

  test('not where its bytes have no place, and never at the cost of others', () => {
    const large = { text: 'x'.repeat(900) };
    assert.equal(placed([[note('b', noon, large), note('c', noon, large)]], note('a', noon, large)), 'full');
    assert.ok(noteBytes(note('b', noon, large)) < limits.noteBytesMax);
  });

  const placed = (copies: Note[][], own: Note, nowMs = own.atMs): string => {
    const placing = place({ latest: copies[0] ?? [], all: copies }, own, nowMs);
    return placing.type === 'write' ? names(placing.notes) : placing.type;
  };
});

describe('withdrawing', () => {
  test('leaves a mark that outdoes every copy, and the others', () => {
    const copies = [[note('a', noon - 5), note('b', noon - 6)], [note('a', noon + 7)]];
    const notes = withdraw({ latest: [], all: copies }, 'a', noon)!;
    assert.equal(names(notes), '-a b');
    assert.equal(names(mergeNotes([notes, ...copies], noon)), '-a b');
  });

  test('where one does not stand, nothing is to be written', () => {
    for (const copy of [[], [note('b', noon)], [note('a', noon, null)]])
      assert.equal(withdraw({ latest: copy, all: [copy] }, 'a', noon), null);
  });
});

describe('hours', () => {
  test('the last hour’s boards are read while a note on them may be fresh', () => {
    const hours = (nowMs: number): number[] => [...new Set(boardsToRead(nowMs).map(({ hour }) => hour - 1_000_000))];
    assert.deepEqual(hours(noon), [0, -1]);
    assert.deepEqual(hours(noon + limits.lifeMs - 1), [0, -1]);
    assert.deepEqual(hours(noon + limits.lifeMs), [0]);
    assert.equal(boardsToRead(noon).length, 2 * limits.boardsMax);
  });

  test('whose clocks differ by less than a quarter of an hour find each other’s kept notes at any minute', () => {
    for (let minute = 0; minute < 60; minute++)
      for (const skewMs of [-limits.skewMs + 1, 0, limits.skewMs - 1]) {
        const readerMs = noon + minute * 60_000;
        const boards = boardsToRead(readerMs);
        // Also what a writer wrote on the last hour's board by its own clock still stands there.
        const writtenMs = [0, 1, 2].map((times) => readerMs + skewMs - times * limits.renewMs);
        const isFound = writtenMs.some((atMs) => {
          const { hour, index } = boardOf('a', atMs);
          const isRead = boards.some((board) => board.hour === hour && board.index === index);
          return isRead && mergeNotes([[note('a', atMs)]], readerMs).length === 1;
        });
        assert.ok(isFound, `minute ${minute}, ${skewMs} ms ahead`);
      }
  });

  test('members share the boards evenly, others each hour', () => {
    const counts = Array.from({ length: limits.boardsMax }, () => 0);
    for (let at = 0; at < 1000; at++) counts[boardOf(`peer${at}`, noon).index]!++;
    for (const count of counts) assert.ok(count > 200 && count < 300, String(counts));
    const moved = Array.from({ length: 100 }, (_, at) => `peer${at}`).filter(
      (peer) => boardOf(peer, noon).index !== boardOf(peer, noon + limits.hourMs).index,
    );
    assert.ok(moved.length > 50);
  });

  test('a note is looked at soon after it was written, then in time to be renewed, and when the hour begins', () => {
    assert.equal(lookAgainMs(1, noon, 0), limits.settleMs / 2);
    assert.equal(lookAgainMs(2, noon, 0), limits.settleMs);
    assert.equal(lookAgainMs(40, noon, 0.999_999) <= limits.renewMs, true);
    assert.equal(lookAgainMs(0, noon, 0), limits.renewMs * 0.8);
    assert.equal(lookAgainMs(0, noon + limits.hourMs - 1_000, 0.5), 1_000 + limits.turnMs / 2);
  });
});

/** A cluster and one value per board that the last writer wins, with looks that overlap, as in a DHT. */
const cluster = (size: number, hours: number): { found: number[]; writes: number } => {
  const boards = new Map<string, Note[]>();
  const found: number[] = [];
  let [seed, writes] = [1, 0];
  const chance = (): number => (seed = (seed * 48_271) % 0x7fff_ffff) / 0x7fff_ffff;
  const nameOf = ({ hour, index }: { hour: number; index: number }): string => `${hour} ${index}`;
  const due = Array.from({ length: size }, (_, at) => ({
    peer: `peer${at}`,
    atMs: noon + chance() * 5_000,
    settling: 0,
    step: 0,
  }));
  const reading = new Map<string, Note[]>();
  const endMs = noon + hours * limits.hourMs;
  for (let nextCheckMs = noon + 300_000; ; ) {
    const next = due.reduce((one, other) => (other.atMs < one.atMs ? other : one));
    const nowMs = Math.floor(next.atMs);
    if (nowMs > endMs) return { found, writes };
    if (nowMs > nextCheckMs) {
      const copies = boardsToRead(nextCheckMs).map((board) => boards.get(nameOf(board)) ?? []);
      found.push(mergeNotes(copies, nextCheckMs).length);
      nextCheckMs += 60_000;
    }
    const board = boardOf(next.peer, nowMs);
    if (next.step === 0) {
      // What was read is written back a moment later, whatever others wrote meanwhile.
      reading.set(next.peer, boards.get(nameOf(board)) ?? []);
      [next.step, next.atMs] = [1, nowMs + 50 + chance() * 400];
      continue;
    }
    const placing = place(
      { latest: reading.get(next.peer)!, all: [reading.get(next.peer)!] },
      note(next.peer, nowMs, { name: 'n' }),
      nowMs,
    );
    if (placing.type === 'write') {
      boards.set(nameOf(board), parseNotes(formNotes(placing.notes))!);
      writes++;
    }
    next.settling = placing.type === 'write' ? next.settling + 1 : 0;
    [next.step, next.atMs] = [0, nowMs + lookAgainMs(next.settling, nowMs, chance())];
  }
};

describe('a cluster that writes over itself', () => {
  for (const [size, least] of [
    [3, 3],
    [12, 11],
    [300, limits.boardsMax * 6],
  ] as const)
    test(`of ${size}: at any minute of four hours at least ${least} are found, at a bounded cost`, () => {
      const { found, writes } = cluster(size, 4);
      assert.ok(Math.min(...found) >= least, `${Math.min(...found)} of ${size} in ${found.length} checks`);
      // 32 notes, renewed six times an hour, some of them written over.
      assert.ok(writes / 4 < Math.min(size, limits.boardsMax * limits.notesMax) * 6 * 2.5, `${writes} writes`);
    });
});
