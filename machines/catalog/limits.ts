// Every maximum of the catalog, checked against each other when loaded.
export const catalogLimits = {
  versionCharsMax: 128,
  rangeCharsMax: 256,
} as const;
