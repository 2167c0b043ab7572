const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** An abort signal for Ctrl-C, SIGTERM and the terminal's end (SIGHUP), until it is disposed of. */
export function onInterrupt(): Disposable & { readonly signal: AbortSignal } {
  const abort = new AbortController();
  const stop = () => abort.abort();
  for (const name of SIGNALS) process.on(name, stop);
  return {
    signal: abort.signal,
    [Symbol.dispose]: () => SIGNALS.forEach((name) => process.off(name, stop)),
  };
}
