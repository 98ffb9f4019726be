// Lengths of time as people write them.

const unitsMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `250ms`, `30s`, `5m`, `1h`, `2d`, or milliseconds; null if it is none. */
export const parseDuration = (text: string): number | null => {
  const match = /^(\d{1,12}(?:\.\d{1,3})?)(ms|s|m|h|d)?$/.exec(text.trim());
  if (match === null) return null;
  const ms = Number(match[1]) * unitsMs[(match[2] ?? 'ms') as keyof typeof unitsMs];
  return Number.isSafeInteger(Math.round(ms)) && ms > 0 ? Math.round(ms) : null;
};
