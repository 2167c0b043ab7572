import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { Command, Option } from "commander";
import { withEngine } from "../engine/engine.ts";
import type { FindHost } from "../engine/host.ts";
import type { Engine } from "../engine/open-engine.ts";
import type { Volume } from "../engine/volumes.ts";
import { hasLabel, type ListFlags, namePattern, passes, printList } from "../format/list.ts";
import { labelWords } from "../format/words.ts";
import { many } from "../run/flags.ts";
import { booleanOf, pairsOf } from "../run/values.ts";
import { eachIn } from "./each.ts";
import { command as inspect } from "./inspect.ts";

export function command(find: FindHost): Command {
  const volume = new Command("volume").description("Managed volumes.");
  volume
    .command("create")
    .argument("[name]")
    .addOption(many("-l, --label <label>", "NAME=VALUE"))
    .addOption(new Option("-d, --driver <driver>", "").choices(["local"]))
    .action(async (name: string | undefined, { label }: { label: string[] }) => {
      const made = await withEngine(await find(), ({ volumes }) =>
        volumes.ensure(name, {
          labels: pairsOf("--label", label),
          isAnonymous: name === undefined,
        }),
      );
      process.stdout.write(`${made.name}\n`);
    });
  volume
    .command("ls")
    .option("-q, --quiet", "names alone")
    .option("--format <format>", "")
    .addOption(many("-f, --filter <filter>", "name=, label=, dangling=, driver="))
    .action(async (flags: ListFlags & { filter: string[] }) => {
      const all = await withEngine(await find(), async (engine) => {
        const filters = passes<Volume>(flags.filter, filtersOf(engine));
        return (await engine.volumes.list()).filter(filters);
      });
      const lines = all.map(({ name, labels }) => {
        return { Driver: "local", Name: name, Labels: labelWords(labels) };
      });
      printList(lines, { Driver: "DRIVER", Name: "VOLUME NAME" }, flags, "Name");
    });
  volume.addCommand(inspect(find, "volume"));
  volume
    .command("rm")
    .argument("<name...>")
    .option("-f, --force", "no error for one that is not there")
    .action((names: string[], { force = false }: { force?: boolean }) =>
      eachIn(find, names, (engine, name) => remove(engine, name, force)),
    );
  volume
    .command("prune")
    .option("-f, --force", "without a question")
    .option("-a, --all", "named ones too")
    .action(async ({ all }: { all?: boolean }) => {
      const removed = await withEngine(await find(), (engine) =>
        pruneVolumes(engine, all ?? false),
      );
      for (const name of removed) process.stdout.write(`${name}\n`);
    });
  return volume;
}

const filtersOf = (engine: Engine) => ({
  name: (value: string) => {
    const fits = namePattern(value);
    return ({ name }: Volume) => fits(name);
  },
  label: (value: string) => {
    return ({ labels }: Volume) => hasLabel(labels, value);
  },
  driver: (value: string) => () => value === "local",
  dangling: (value: string) => {
    const isWanted = booleanOf("--filter dangling", value);
    return ({ name }: Volume) => (userOf(engine, name) === undefined) === isWanted;
  },
});

function userOf({ containers }: Engine, name: string): string | undefined {
  return containers.all().find(({ hand }) => hand.mounts.some((mount) => mount.name === name))?.hand
    .name;
}

async function remove(engine: Engine, name: string, force: boolean): Promise<void> {
  if (!force) await engine.volumes.get(name);
  const user = userOf(engine, name);
  if (user !== undefined) {
    throw new RuntimeError("failed-precondition", `volume ${name} is used by container ${user}`);
  }
  await engine.volumes.remove(name);
}

/** Removes volumes that no container has: anonymous ones, or with `all` every one. */
export async function pruneVolumes(engine: Engine, all: boolean): Promise<string[]> {
  const removed: string[] = [];
  for (const { name, isAnonymous } of await engine.volumes.list()) {
    if (!(all || isAnonymous) || userOf(engine, name) !== undefined) continue;
    await engine.volumes.remove(name);
    removed.push(name);
  }
  return removed;
}
