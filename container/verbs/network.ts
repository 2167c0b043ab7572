import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { Command, Option } from "commander";
import { withEngine } from "../engine/engine.ts";
import type { FindHost } from "../engine/host.ts";
import type { Engine } from "../engine/open-engine.ts";
import { hasLabel, type ListFlags, namePattern, passes, printList } from "../format/list.ts";
import { labelWords } from "../format/words.ts";
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
    .addOption(new Option("-d, --driver <driver>", "").choices(["bridge"]))
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
    .addOption(many("-f, --filter <filter>", "name=, label=, driver="))
    .action(async (flags: ListFlags & { filter: string[] }) => {
      const all = await withEngine(await find(), async ({ networks }) => networks.all());
      const own = ["host", "none"].map((name) => ({ name, driver: name, subnet: "", labels: {} }));
      const lines = [...all.map((network) => ({ ...network, driver: "bridge" })), ...own]
        .filter(passes<Listed>(flags.filter, FILTERS))
        .map(({ name, driver, subnet, labels }) => {
          return { Name: name, Driver: driver, Subnet: subnet, Labels: labelWords(labels) };
        });
      printList(lines, { Name: "NAME", Driver: "DRIVER", Subnet: "SUBNET" }, flags, "Name");
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

type Listed = { name: string; driver: string; labels: Record<string, string> };

const FILTERS = {
  name: (value: string) => {
    const fits = namePattern(value);
    return ({ name }: Listed) => fits(name);
  },
  label: (value: string) => {
    return ({ labels }: Listed) => hasLabel(labels, value);
  },
  driver: (value: string) => {
    return ({ driver }: Listed) => (driver === "none" ? "null" : driver) === value;
  },
};

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
