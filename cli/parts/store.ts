import { type Store, startStore } from "@raft2kube/store/main.ts";
import { Command } from "commander";
import { reportFailure } from "../terminal.ts";
import { importCommand } from "./store-import.ts";
import { type StoreFlags, addStoreFlags, storeOptions } from "./store-flags.ts";

/**
 * `r2k store`: etcd's server flags, as far as the store has what they set; any other flag is an
 * error. `import` makes a data directory from a snapshot; `verify` and `dump` read the data
 * directory of a stopped member.
 */
export function command(): Command {
  const store = new Command("store").description("serve etcd v3 from a durable store");
  addStoreFlags(store).action((flags: StoreFlags) => run(flags));
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

async function run(flags: StoreFlags): Promise<void> {
  const store = await startStore({ ...storeOptions(flags), onFatal: end });
  process.stdout.write(`serving etcd v3 on ${store.address}\n`);
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => stop(store));
}

function stop(store: Store): void {
  store.close().then(
    () => process.exit(0),
    (thrown: unknown) => process.exit(reportFailure(thrown)),
  );
}

function end(reason: unknown): void {
  process.exit(reportFailure(reason));
}

async function print(dataDir: string, what: "verify" | "dump"): Promise<void> {
  const { verify, dump } = await import("@raft2kube/store/inspect.ts");
  for await (const line of what === "verify" ? verify(dataDir) : dump(dataDir)) {
    process.stdout.write(`${line}\n`);
  }
}
