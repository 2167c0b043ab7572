import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { Command } from "commander";
import { withEngine } from "../engine/engine.ts";
import type { FindHost } from "../engine/host.ts";
import type { Engine } from "../engine/open-engine.ts";
import { networkDocument } from "../format/documents.ts";
import { type ListFlags, printList } from "../format/list.ts";
import { many } from "../run/flags.ts";
import { pairsOf } from "../run/values.ts";
import { each } from "./each.ts";
import { printDocuments } from "./inspect.ts";

interface CreateFlags {
  subnet?: string;
  gateway?: string;
  internal?: boolean;
  label: string[];
}

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
  network
    .command("inspect")
    .argument("<name...>")
    .option("-f, --format <template>", "")
    .action(async (names: string[], { format }: { format?: string }) => {
      const documents = await withEngine(await find(), async (engine) =>
        names.map((name) => networkDocument(engine, engine.networks.get(name))),
      );
      printDocuments(documents, format);
    });
  network
    .command("rm")
    .argument("<name...>")
    .action(async (names: string[]) => {
      const host = await find();
      await each(names, async (name) => {
        await withEngine(host, (engine) => remove(engine, name));
        process.stdout.write(`${name}\n`);
      });
    });
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
