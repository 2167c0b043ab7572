import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { Command } from "commander";
import { withEngine } from "../engine/engine.ts";
import type { FindHost } from "../engine/host.ts";
import type { Engine } from "../engine/open-engine.ts";
import { type ListFlags, printList } from "../format/list.ts";
import { many } from "../run/flags.ts";
import { pairsOf } from "../run/values.ts";
import { eachIn } from "./each.ts";
import { command as inspect } from "./inspect.ts";

type CreateFlags = { subnet?: string; gateway?: string; internal?: boolean; label: string[] };

export function command(find: FindHost): Command {
  const network = new Command("network").description(
    "Bridges of containers; names are found on yours.",
  );
  network
    .command("create")
    .argument("<name>")
    .option("--subnet <range>", "10.5.1.0/24")
    .option("--gateway <address>", "the bridge's address")
    .option("--internal", "without a way out")
    .addOption(many("--label <label>", "NAME=VALUE"))
    .action(async (name: string, { label, internal, ...wish }: CreateFlags) => {
      const labels = pairsOf("--label", label);
      await withEngine(await find(), ({ networks }) =>
        networks.create(name, { ...wish, isInternal: internal ?? false, labels }),
      );
      process.stdout.write(`${name}\n`);
    });
  network
    .command("ls")
    .option("-q, --quiet", "names alone")
    .option("--format <format>", "")
    .action(async (flags: ListFlags) => {
      const all = await withEngine(await find(), async ({ networks }) => networks.all());
      const lines = all.map(({ name, subnet }) => ({
        Name: name,
        Driver: "bridge",
        Subnet: subnet,
      }));
      const own = ["host", "none"].map((name) => ({ Name: name, Driver: name, Subnet: "" }));
      printList(
        [...lines, ...own],
        { Name: "NAME", Driver: "DRIVER", Subnet: "SUBNET" },
        flags,
        "Name",
      );
    });
  network.addCommand(inspect(find, "network"));
  network
    .command("rm")
    .argument("<name...>")
    .action((names: string[]) => eachIn(find, names, remove));
  network
    .command("prune")
    .option("-f, --force", "without a question")
    .action(async () => {
      const removed = await withEngine(await find(), pruneNetworks);
      for (const name of removed) process.stdout.write(`${name}\n`);
    });
  return network;
}

const isUsed = ({ containers }: Engine, name: string) =>
  containers.all().some(({ hand }) => hand.network === name);

async function remove(engine: Engine, name: string): Promise<void> {
  if (isUsed(engine, name)) {
    throw new RuntimeError("failed-precondition", `network ${name} has containers`);
  }
  await engine.networks.remove(name);
}

/** Removes people's networks that have no container. */
export async function pruneNetworks(engine: Engine): Promise<string[]> {
  const unused = engine.networks
    .all()
    .filter(({ isDefault, name }) => !isDefault && !isUsed(engine, name));
  for (const { name } of unused) await engine.networks.remove(name);
  return unused.map(({ name }) => name);
}
