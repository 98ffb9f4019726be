// Asks sources once, side by side, for somebody who runs no node: what each of them says, or why it says nothing (row D2).
import type { Finding } from '../../actors/ports/index.ts';
import { faultOf } from './faults.ts';
import { checkAnswer } from './findings.ts';
import { GuardedSource, guardLimits } from './guarded-source.ts';
import type { LookupFault, SourceContext, SourcePlan } from './source.ts';

export type Asked = { source: string } & ({ findings: Finding[]; cut: number; invalid: number } | { fault: LookupFault });

/** In the order of `plans`; resolves after `timeoutMs` at the latest, and never rejects. */
export const askSources = async (plans: readonly SourcePlan[], context: SourceContext, timeoutMs: number): Promise<Asked[]> =>
  Promise.all(
    plans.map(async (plan): Promise<Asked> => {
      const guard = new GuardedSource({
        ...{ plan, context, limits: guardLimits, random: Math.random },
        ...{ onAnswer() {}, onFailed() {} },
      });
      try {
        const { answer, cut, invalid } = checkAnswer(await guard.query(timeoutMs), { self: context.self, own: new Set() });
        return { source: plan.name, findings: answer.findings, cut, invalid };
      } catch (error) {
        return { source: plan.name, fault: faultOf(error) };
      } finally {
        // What ignores its end is not waited for.
        void guard.stop();
      }
    }),
  );
