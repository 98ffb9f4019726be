// A graph that was checked, with everything at hand that running it needs. Steps are known by their place in the list.
import type { StrategyName } from '../balancer/index.ts';
import type { Referred } from './references.ts';

export type PlannedCall = {
  readonly service: string;
  readonly method: string;
  readonly version: string | null;
  /** As it was written, references and all; shares nothing with what was given. */
  readonly input: unknown;
  readonly references: readonly Referred[];
  readonly timeoutMs: number | null;
  readonly strategy: StrategyName | null;
  readonly key: string | null;
  readonly node: string | null;
  readonly retry: { readonly times: number; readonly delayMs: number };
};

export type PlannedCondition =
  | { readonly step: string; readonly ended: 'done' | 'failed' | 'skipped' }
  | {
      readonly value: unknown;
      readonly references: readonly Referred[];
      readonly test: 'is' | 'not' | 'above' | 'below';
      readonly than: unknown;
    };

/** A step as it was read, before it is known how steps hang together. */
export type ReadStep = {
  readonly name: string;
  readonly call: PlannedCall;
  readonly after: readonly string[];
  readonly when: readonly PlannedCondition[];
  readonly onError: string;
  readonly compensate: PlannedCall | null;
};

export type PlannedStep = ReadStep & {
  readonly at: number;
  /** Runs only once the run has failed: some step's `onError`, or behind one that is. */
  readonly isErrorStep: boolean;
  /** Whose `onError` it is; empty: nobody's. */
  readonly handles: readonly number[];
  /** Without the result of these it is skipped. */
  readonly needs: readonly number[];
  /** Settled before it starts; a failure of these fails the run, unless they say that it does not. */
  readonly follows: readonly number[];
  /** Settled before it starts, however. */
  readonly looksAt: readonly number[];
  /** Those for which this one has to be settled, each once. */
  readonly dependents: readonly number[];
  /** Distinct steps that have to be settled before it. */
  readonly waitsFor: number;
};

export type Plan = {
  readonly steps: readonly PlannedStep[];
  readonly places: ReadonlyMap<string, number>;
  /** Places, each behind all that it waits for; among those that wait for nothing, as in the graph. */
  readonly order: readonly number[];
  readonly timeoutMs: number;
  readonly compensateMs: number;
  readonly concurrency: number;
};

/** Every call of a plan, and what it is for. */
export const callsOf = ({ steps }: Plan): { step: string; isCompensation: boolean; call: PlannedCall }[] =>
  steps.flatMap(({ name, call, compensate }) => [
    { step: name, isCompensation: false, call },
    ...(compensate === null ? [] : [{ step: name, isCompensation: true, call: compensate }]),
  ]);
