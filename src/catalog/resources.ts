// Resources as they are written in a URL and on the command line.

/** `NAME=AMOUNT` or `NAME=WORD`, each name once; null: that is something else. */
export const resourcesOfPairs = (pairs: readonly string[]): Record<string, number | string> | null => {
  const resources = new Map<string, number | string>();
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    const name = pair.slice(0, Math.max(0, at)).trim();
    if (name === '' || resources.has(name)) return null;
    const text = pair.slice(at + 1).trim();
    resources.set(name, /^\d{1,15}(\.\d{1,15})?$/.test(text) ? Number(text) : text);
  }
  return Object.fromEntries(resources);
};
