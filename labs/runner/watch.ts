import { watch } from "node:fs";

/** Delay after a change: a save is often several writes. */
const SETTLE_MS = 50;

/**
 * Runs `work` now and after every change below `folder`, until the signal. Changes during `work`
 * run it once more.
 */
export async function onEveryChange(
  folder: string,
  work: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  let changed = true;
  let wake: () => void = () => undefined;
  const onChange = () => {
    changed = true;
    wake();
  };
  let failure: Error | undefined;
  const watcher = watch(folder, { recursive: true }, onChange);
  watcher.on("error", (error) => {
    failure = error;
    onChange();
  });
  signal.addEventListener("abort", onChange);
  try {
    while (!signal.aborted) {
      if (!changed) await new Promise<void>((resolve) => (wake = resolve));
      if (signal.aborted) return;
      if (failure) throw failure;
      await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
      changed = false;
      await work();
    }
  } finally {
    signal.removeEventListener("abort", onChange);
    watcher.close();
  }
}
