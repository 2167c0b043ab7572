import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { expect, it } from "vitest";
import { onEveryChange } from "./watch.ts";

const soon = { clock: systemClock(), timeout_ms: 40_000, interval_ms: 5 };

it("runs at once, at every save, and again for a save during a run", async () => {
  const folder = mkdtempSync(join(tmpdir(), "r2k-watch-"));
  mkdirSync(join(folder, "store/core"), { recursive: true });
  const save = (text: string) => writeFileSync(join(folder, "store/core/log.ts"), text);
  const end = new AbortController();
  let runs = 0;
  let release: () => void = () => undefined;
  const work = async () => {
    runs++;
    if (runs === 2) await new Promise<void>((resolve) => (release = resolve));
  };
  const watching = onEveryChange(folder, work, end.signal);
  await waitFor("the first run", () => runs === 1, soon);
  save("one");
  await waitFor("a run after a save", () => runs === 2, soon);
  save("two");
  expect(runs).toBe(2);
  release();
  await waitFor("a run for the save during a run", () => runs === 3, soon);
  end.abort();
  await watching;
  rmSync(folder, { recursive: true });
});
