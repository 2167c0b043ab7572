import { watch } from "node:fs";

/** Delay after a change: a save is often several writes. */
const SETTLE_MS = 50;

/** The keys of `lab watch`, in words. */
export const KEYS = "h hint, a all checks, d diff, n next lab, q quit";

type Act = () => void | Promise<void>;

/**
 * Calls an act for each of its keys, one after the other; `failed` gets the error of one that
 * fails. `keys` is false where nothing can be typed.
 */
export function onKeys(
  input: NodeJS.ReadStream,
  acts: Readonly<Record<string, Act>>,
  failed: (thrown: unknown) => void,
): { readonly keys: boolean; readonly close: () => void } {
  const raw = input.isTTY;
  if (raw) input.setRawMode(true);
  let done = Promise.resolve();
  const onData = (data: Buffer) => {
    for (const key of data.toString()) {
      // Ctrl-C reaches a raw terminal as a character.
      const act = key === "\u0003" ? acts["q"] : acts[key];
      if (act) done = done.then(act).catch(failed);
    }
  };
  input.on("data", onData);
  const close = () => {
    input.off("data", onData);
    if (raw) input.setRawMode(false);
    input.pause();
    input.unref?.();
  };
  return { keys: raw, close };
}

/**
 * Runs `work` now, after every change of a source below `folder`, and when it is poked, until the
 * signal. Changes during `work` run it once more.
 */
export async function onEveryChange(
  folder: string,
  work: () => Promise<void>,
  signal: AbortSignal,
  pokes = new EventTarget(),
): Promise<void> {
  let changed = true;
  let wake: () => void = () => undefined;
  const onChange = () => {
    changed = true;
    wake();
  };
  let failure: Error | undefined;
  // The reader's state and the editor's settings, beside the trees, are no sources.
  const watcher = watch(folder, { recursive: true }, (_, name) => {
    if (name === null || /\.(ts|ya?ml|sh)$/.test(name)) onChange();
  });
  pokes.addEventListener("poke", onChange);
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
    pokes.removeEventListener("poke", onChange);
    watcher.close();
  }
}
