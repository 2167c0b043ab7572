/** An abort signal for Ctrl-C and SIGTERM while it is not released. */
export function onInterrupt(): { signal: AbortSignal; release(): void } {
  const abort = new AbortController();
  const stop = () => abort.abort();
  for (const name of ["SIGINT", "SIGTERM"]) process.on(name, stop);
  return {
    signal: abort.signal,
    release: () => {
      for (const name of ["SIGINT", "SIGTERM"]) process.off(name, stop);
    },
  };
}
