const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * An abort signal for Ctrl-C, SIGTERM, and the end of the terminal (SIGHUP) while it is not
 * released.
 */
export function onInterrupt(): { signal: AbortSignal; release(): void } {
  const abort = new AbortController();
  const stop = () => abort.abort();
  for (const name of SIGNALS) process.on(name, stop);
  return {
    signal: abort.signal,
    release: () => {
      for (const name of SIGNALS) process.off(name, stop);
    },
  };
}
