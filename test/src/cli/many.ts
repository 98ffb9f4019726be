// Runs the command lines that its argument has as JSON, and prints what each wrote and how it would have exited.
import { run } from '../../../src/cli/program.ts';

const lines = JSON.parse(process.argv[2]!) as string[][];
const write = process.stdout.write.bind(process.stdout);
process.stdout.setMaxListeners(0);

const results: { code: number; signal: null; stdout: string; stderr: string }[] = [];
for (const line of lines) {
  const result = { code: 0, signal: null, stdout: '', stderr: '' };
  process.exitCode = 0;
  process.stdout.write = (text: string | Uint8Array) => {
    result.stdout += String(text);
    return true;
  };
  process.stderr.write = (text: string | Uint8Array) => {
    result.stderr += String(text);
    return true;
  };
  await run(['node', 'polity', ...line]);
  result.code = Number(process.exitCode);
  results.push(result);
}
process.exitCode = 0;
write(JSON.stringify(results));
