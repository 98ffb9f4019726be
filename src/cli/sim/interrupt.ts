// Ctrl-C ends the work and not the program: what is known by then is still said.

/** True if it was ended early; a second Ctrl-C ends everything. */
export const untilInterrupted = async (stop: () => Promise<void>, run: () => Promise<void>): Promise<boolean> => {
  let isInterrupted = false;
  const interrupt = (): void => {
    if (isInterrupted) process.exit(130);
    isInterrupted = true;
    void stop();
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  try {
    await run();
  } finally {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  }
  return isInterrupted;
};
