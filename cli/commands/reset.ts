import { systemClock } from "@raft2kube/std/clock.ts";
import { commandWith } from "../flags.ts";
import { lockMachine } from "../locks/machine.ts";
import { resetMachine } from "../machine/reset.ts";
import { CommandError, terminalProgress } from "../terminal.ts";

/** `r2k reset`: leaves this machine as it was before `init` or `join`. */
export const command = () =>
  commandWith(
    "reset",
    "Undo init or join on this machine.",
    { "-f, --force": "do not ask" },
    async ({ force }) => {
      if (!force) {
        const text = "reset removes this machine's pods, certificates and the data of its etcd";
        throw new CommandError("FORCE", text, { remedy: "r2k reset --force does so" });
      }
      const clock = systemClock();
      const { note } = terminalProgress(clock);
      using _lock = lockMachine();
      await resetMachine(clock, note);
      note("[reset] Done");
    },
  );
