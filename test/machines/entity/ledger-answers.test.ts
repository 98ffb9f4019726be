// Answers in one piece of bytes are what a plain list of the last of them is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { answerIn, areAnswers, withAnswer } from '../../../machines/entity/ledger-answers.ts';
import { ledgerLimits } from '../../../machines/entity/ledger-types.ts';

const { answersMax, answersBytesMax } = ledgerLimits;
const someSize = fc.oneof(fc.nat(20), fc.nat(1_500), fc.constantFrom(0, answersBytesMax, answersBytesMax + 1));
const countBytes = (count: number): number => (count < 128 ? 1 : 1 + countBytes(Math.floor(count / 128)));

test('the last answers are found by their steps, no more of them and no more bytes than there may be', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(someSize, fc.integer({ min: 1, max: 200 })), { maxLength: 100 }), (given) => {
      let answers: Uint8Array | null = null;
      let list: { seq: number; bytes: Uint8Array; size: number }[] = [];
      let seq = 0;
      for (const [size, steps] of given) {
        seq += steps;
        const bytes = new Uint8Array(size).fill(seq);
        answers = withAnswer(answers, seq, bytes);
        if (size <= answersBytesMax) {
          list = list.slice(-(answersMax - 1));
          while (list.reduce((sum, one) => sum + one.size, size) > answersBytesMax) list = list.slice(1);
          list.push({ seq, bytes, size: countBytes(seq) + countBytes(size) + size });
        }
      }
      const known = new Map(list.map((one) => [one.seq, one.bytes]));
      for (let at = 0; at <= seq; at++) assert.deepEqual(answerIn(answers, at), known.get(at) ?? null);
      assert.equal(answers === null, list.length === 0);
      if (answers === null) return;
      assert.ok(areAnswers(answers) && answers.byteLength < answersBytesMax + 20);
      assert.ok(!areAnswers(answers.subarray(0, -1)) && !areAnswers(Uint8Array.of(...answers, 0)));
    }),
    { numRuns: 200 },
  );
});
