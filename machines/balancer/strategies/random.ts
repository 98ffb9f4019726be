// Anybody, each with the same chance. Needs no measure and knows none.
import { anyOf, type Strategy } from '../strategy.ts';

export const random: Strategy = { byKey: false, pick: anyOf };
