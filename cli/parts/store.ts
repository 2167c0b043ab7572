import { Command } from "commander";
import { importCommand } from "./store-import.ts";

/**
 * `r2k store`: etcd's command line. `import` makes a data directory from a snapshot; `verify` and
 * `dump` read the data directory of a stopped member.
 */
export function command(): Command {
  const store = new Command("store")
    .description("serve etcd v3 from a durable store, with etcd's flags")
    .argument("[flags...]")
    // Flags are read by the rules of Go, not of this program.
    .allowUnknownOption()
    .helpOption(false)
    .helpCommand(false)
    .action(async (words: string[]) => {
      const { runServer } = await import("../store/server.ts");
      await runServer(words);
    });
  // Flags behind a subcommand's name are its own, not the server's of the same name.
  store.enablePositionalOptions().addCommand(importCommand());
  store
    .command("verify <data-dir>")
    .description("check every byte of a stopped member's log, state and snapshots")
    .action((dataDir: string) => print(dataDir, "verify"));
  store
    .command("dump <data-dir>")
    .description("print a stopped member's log and state, a line for each record")
    .action((dataDir: string) => print(dataDir, "dump"));
  return store;
}

async function print(dataDir: string, what: "verify" | "dump"): Promise<void> {
  const { verify, dump } = await import("@raft2kube/store/inspect.ts");
  for await (const line of what === "verify" ? verify(dataDir) : dump(dataDir)) {
    process.stdout.write(`${line}\n`);
  }
}
