// What a source is given in tests, and what it logged; how a test asks it once.
import type { Answer, SourceContext, SourceKind } from '../../../src/discovery/source.ts';

export type Logged = { code: string; message: string; facts: Record<string, unknown> };

export const createContext = (cluster = 'c1'): SourceContext & { logged: Logged[] } => {
  const logged: Logged[] = [];
  return {
    ...{ cluster, self: 'self', logged },
    deriveKey: () => new Uint8Array(32),
    sink: { log: (_level, code, message, facts = {}) => void logged.push({ code, message, facts }), count: () => undefined },
  };
};

export const openSource = async (kind: SourceKind, text: string, context: SourceContext = createContext()) => {
  const plan = kind.parse(text);
  if ('problem' in plan) throw new Error(`${kind.scheme}:${text} ${plan.problem}`);
  return plan.open(context);
};

/** Asks once, with a patience that no good answer needs. */
export const askSource = async (
  kind: SourceKind,
  text: string,
  { context = createContext(), patienceMs = 20_000 }: { context?: SourceContext; patienceMs?: number } = {},
): Promise<Answer> => {
  const source = await openSource(kind, text, context);
  return source.query(AbortSignal.timeout(patienceMs));
};
