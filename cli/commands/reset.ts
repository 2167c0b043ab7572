import { systemClock } from "@raft2kube/std/clock.ts";
import type { Command } from "commander";
import { commandWith, type FlagsOf, type FlagTable } from "../flags.ts";
import { resetMachine } from "../machine/reset.ts";
import { CommandError, quietProgress, terminalProgress } from "../terminal.ts";

const FLAGS = {
  "-f, --force": "do not ask",
} as const satisfies FlagTable;

/** `r2k reset`: leaves this machine as it was before `init` or `join`. */
export const command = (): Command =>
  commandWith("reset", "Undo init or join on this machine.", FLAGS, run);

async function run({ force }: FlagsOf<typeof FLAGS>): Promise<void> {
  if (!force) {
    const text = "reset removes this machine's pods, certificates and the data of its etcd";
    throw new CommandError("FORCE", text, { remedy: "r2k reset --force does so" });
  }
  const clock = systemClock();
  const { note } = quietProgress(terminalProgress(clock));
  await resetMachine(clock, note);
  note("[reset] Done");
}
