// Rolling upgrades of actors: which versions of a snapshot a definition can read, and how. A snapshot only ever becomes newer: nodes of
// an older version refuse it (ACTOR_VERSION), since nobody can tell them what to make of it, and nothing is lost by waiting.
import { type Failure, failure } from '../errors.ts';

/** The part of a definition that says so: `migrate[v]` makes a snapshot of version v one of version v + 1. */
export type Versioned = {
  readonly name: string;
  readonly version: number;
  readonly migrate: Readonly<Record<number, (snapshot: unknown) => unknown>>;
};

export type Path = { ok: true; steps: readonly number[] } | { ok: false; failure: Failure };

const isVersion = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 1;

const hasStep = ({ migrate }: Versioned, version: number): boolean =>
  Object.hasOwn(migrate, version) && typeof migrate[version] === 'function';

const refused = (message: string, details: Record<string, number | string>): Path => ({
  ok: false,
  failure: failure('ACTOR_VERSION', message, details),
});

/** The migrations that lead from a persisted version to the definition's, in order; none if they are equal. */
export const migrationPath = (definition: Versioned, persisted: number): Path => {
  const { name, version } = definition;
  const details = { type: name, persisted, version };
  if (!isVersion(persisted))
    return refused(`a snapshot of '${name}' has no version that is a whole number from 1`, { type: name });
  if (persisted > version)
    return refused(
      `the state of '${name}' is of version ${persisted}, this node hosts version ${version}, which is older: host version ${persisted} again, for a state does not go back`,
      details,
    );
  const steps: number[] = [];
  for (let step = persisted; step < version; step++) {
    if (!hasStep(definition, step))
      return refused(
        `the state of '${name}' is of version ${persisted}, this node hosts version ${version}: no migration from ${step} to ${step + 1}: add migrate[${step}] to its definition`,
        { ...details, gap: step },
      );
    steps.push(step);
  }
  return { ok: true, steps };
};

/** A node that hosts this may open what is persisted so. */
export const canRead = (definition: Versioned, persisted: number): boolean => migrationPath(definition, persisted).ok;

/** The oldest version that the definition can read. */
export const oldestReadable = (definition: Versioned): number => {
  let oldest = definition.version;
  while (oldest > 1 && hasStep(definition, oldest - 1)) oldest--;
  return oldest;
};

/** What is wrong with its migrations, for whoever checks a definition; null: nothing. */
export const migrationsFault = (definition: Versioned): string | null => {
  const { name, version, migrate } = definition;
  if (!isVersion(version)) return `the version of '${name}' is a whole number from 1`;
  const oldest = oldestReadable(definition);
  for (const from of Object.keys(migrate)) {
    const step = Number(from);
    if (!isVersion(step) || !hasStep(definition, step)) return `migrate['${from}'] of '${name}' is no function under a version`;
    if (step >= version) return `migrate[${step}] of '${name}' leads beyond its version ${version}`;
    if (step < oldest) return `migrate[${step}] of '${name}' leads nowhere: there is none from ${oldest - 1} to ${oldest}`;
  }
  return null;
};

/**
 * The snapshot as the definition's version has it. What a migration throws is ACTOR_VERSION too: the state stays as it is persisted,
 * until a node comes that can read it.
 */
export const migrate = (
  definition: Versioned,
  persisted: number,
  snapshot: unknown,
): { ok: true; snapshot: unknown } | { ok: false; failure: Failure } => {
  const path = migrationPath(definition, persisted);
  if (!path.ok) return path;
  let now = snapshot;
  for (const step of path.steps) {
    try {
      now = definition.migrate[step]!(now);
    } catch (error) {
      const { name, version } = definition;
      const why = error instanceof Error ? error.message : 'it threw what is no error';
      const message = `the state of '${name}' is of version ${persisted}, this node hosts version ${version}: the migration from ${step} to ${step + 1} failed, and the state stays as it is: ${why}`;
      return { ok: false, failure: failure('ACTOR_VERSION', message, { type: name, persisted, version, gap: step }) };
    }
  }
  return { ok: true, snapshot: now };
};
