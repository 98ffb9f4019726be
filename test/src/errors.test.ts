// Failures as exceptions and as problems, there and back.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ErrorCode, errorTable, failure } from '../../machines/errors.ts';
import { fromProblem, PolityError, toProblem } from '../../src/errors.ts';

test('every code becomes an exception and a problem that say what the table says', () => {
  for (const code of Object.keys(errorTable) as ErrorCode[]) {
    const { status, retryable, definite, title } = errorTable[code];
    const why = failure(code, 'because', { index: 7, group: 'kv', ok: true, none: null });
    const error = new PolityError(why);
    assert.deepEqual([error.code, error.status, error.retryable, error.definite], [code, status, retryable, definite]);
    assert.deepEqual(error.failure, why);
    const problem = toProblem(why, '/v1/kv/a');
    assert.deepEqual([problem.title, problem.status, problem.detail, problem.instance], [title, status, 'because', '/v1/kv/a']);
    assert.deepEqual(fromProblem(JSON.parse(JSON.stringify(problem))), why);
  }
});

test('what is no problem of ours is none', () => {
  for (const value of [null, 'x', 1, [], {}, { code: 'NOPE' }, { code: 'toString' }, { code: 7 }])
    assert.equal(fromProblem(value), null);
  assert.deepEqual(fromProblem({ code: 'FENCED', details: { deep: {} } }), failure('FENCED', errorTable.FENCED.title));
});

test('a cause is kept', () => {
  const cause = new Error('inner');
  assert.equal(new PolityError(failure('INTERNAL', 'x'), { cause }).cause, cause);
});
