// A failure of an application as a file that a person reads: the seed is run once more, and listened to.
import { createChronicle } from '../chronicle.ts';
import type { Knobs } from '../knobs.ts';
import type { Listen } from '../record.ts';
import { failingPartOf, htmlReport, type ReportedRun, reportData } from '../report/index.ts';
import type { SeedResult } from './application.ts';

/** What our own clients would have been. */
const unused: readonly (keyof Knobs)[] = [
  'works',
  'keys',
  'paddingBytes',
  'thinkMs',
  'timeoutMs',
  'calmMs',
  'lullMs',
  'breaksLast',
  'minorityStaysBroken',
  'replicaClients',
  'replicaThinkMs',
  'replicaGossipLoss',
  'replicaRoundMs',
  'replicaLogBytes',
  'callClients',
  'actorClients',
  'actorThinkMs',
  'callThinkMs',
  'callBreakers',
];

/** Of a wrong answer, a little of what came after it says how it came to be seen. */
const afterFocusMs = 1;

const endingNames = { ok: 'ok', fail: 'did not happen', info: 'unknown' } as const;

const reportedRun = (result: SeedResult, verdict: ReportedRun['verdict']): ReportedRun => {
  const { seed, reason, hash, steps, virtualMs, done, faults, knobs, history } = result;
  const endings: Record<string, number> = {};
  let acknowledged = 0;
  for (const { type, f } of history) {
    if (type === 'invoke') continue;
    endings[endingNames[type]] = (endings[endingNames[type]] ?? 0) + 1;
    if (type === 'ok' && f !== 'read') acknowledged++;
  }
  return { seed, verdict, reason, hash, steps, virtualMs, acknowledged, endings, done, faults, knobs, history };
};

/** `repeat`: what a person does to see it again. `run` runs the seed as it failed. */
export const reportFailure = async (
  result: SeedResult,
  repeat: string,
  run: (listen: Listen) => Promise<SeedResult>,
): Promise<string | null> => {
  const { verdict, history, reason, story } = result;
  // Two runs that differ have no one picture.
  if (verdict === 'unrepeatable') return null;
  const part = failingPartOf(history);
  const isAboutClients = part !== null && reason.startsWith(part.explanation);
  const chronicle = createChronicle(isAboutClients ? { focusMs: part.untilMs + afterFocusMs } : {});
  await run(chronicle.listen);
  return htmlReport(
    reportData({
      ...{ result: reportedRun(result, verdict), repeat, shrunkFrom: null, version: null, part, chronicle: chronicle.end() },
      ...{ story, unused },
    }),
  );
};
