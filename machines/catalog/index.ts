// The door of the catalog: create what a node knows of offers, step it, look things up in it; parse and form what it says.
export { type Found, find, type Lookup } from './find.ts';
export { catalogLimits } from './limits.ts';
export { type Described, type Description, describe, type Listed, type ListPage, list } from './list.ts';
export { step } from './machine.ts';
export { formCatalogMessage, formWord, parseCatalogMessage, parseWord } from './messages.ts';
export { idOf, idText, offerBytes, whyUnfit } from './offer.ts';
export { isWanted, type Query, type QueryRefusal, type Wanted, wantedOf } from './query.ts';
export { isInRange, parseRange, type Range } from './range.ts';
export { type CatalogInput, type CatalogState, createCatalog } from './state.ts';
export * from './types.ts';
export { compareVersions, parseVersion, type Version } from './version.ts';
