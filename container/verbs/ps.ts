import { Command } from "commander";
import { withEngine } from "../engine/engine.ts";
import type { HandContainer } from "../engine/hand.ts";
import type { FindHost } from "../engine/host.ts";
import type { Engine } from "../engine/open-engine.ts";
import { portWords, stateOf, statusWords } from "../engine/state.ts";
import { hasLabel, type Line, type ListFlags, passes, printList } from "../format/list.ts";
import { labelWords, shortId, sizeWords, spanWords } from "../format/words.ts";
import { many } from "../run/flags.ts";

interface Flags extends ListFlags {
  all?: boolean;
  last?: string;
  latest?: boolean;
  filter: string[];
  size?: boolean;
}

const COMMAND_CHARACTERS = 20;
const COLUMNS = {
  ID: "CONTAINER ID",
  Image: "IMAGE",
  Command: "COMMAND",
  RunningFor: "CREATED",
  Status: "STATUS",
  Ports: "PORTS",
  Names: "NAMES",
};

export function command(find: FindHost): Command {
  return new Command("ps")
    .alias("ls")
    .description("List containers that run.")
    .option("-a, --all", "those that have ended too")
    .option("-q, --quiet", "ids alone")
    .option("-n, --last <number>", "the newest ones")
    .option("-l, --latest", "the newest one")
    .option("-s, --size", "what each has written")
    .option("--no-trunc", "whole ids and commands")
    .option("--format <format>", "json, a template, or table TEMPLATE")
    .addOption(
      many(
        "-f, --filter <filter>",
        "name=, id=, status=, label=, ancestor=, volume=, network=, exited=, health=",
      ),
    )
    .action(async (flags: Flags) => {
      const lines = await withEngine(await find(), (engine) => list(engine, flags));
      printList(lines, flags.size ? { ...COLUMNS, Size: "SIZE" } : COLUMNS, flags);
    });
}

async function list(engine: Engine, flags: Flags): Promise<Line[]> {
  const isWanted = passes<HandContainer>(flags.filter, filtersOf(engine));
  const wantsAll =
    flags.all ||
    flags.last !== undefined ||
    flags.latest ||
    flags.filter.some((filter) => /^(status|exited)=/.test(filter));
  const found = engine.containers
    .all()
    .filter(
      (container) =>
        (wantsAll || container.record.phase.state === "running") && isWanted(container),
    );
  const count = flags.latest ? 1 : flags.last === undefined ? found.length : Number(flags.last);
  return Promise.all(found.slice(0, count).map((container) => lineOf(engine, container, flags)));
}

/** The filters of containers, by their keys. */
const filtersOf = (engine: Engine) => ({
  name:
    (value: string) =>
    ({ hand }: HandContainer) =>
      hand.name.includes(value),
  id:
    (value: string) =>
    ({ record }: HandContainer) =>
      record.id.startsWith(value),
  status: (value: string) => (container: HandContainer) => stateOf(engine, container) === value,
  ancestor:
    (value: string) =>
    ({ record, hand }: HandContainer) =>
      hand.image === value || engine.runtime.images.find(value)?.id === record.image.id,
  network:
    (value: string) =>
    ({ hand }: HandContainer) =>
      hand.network === value,
  volume:
    (value: string) =>
    ({ hand }: HandContainer) =>
      hand.mounts.some(({ name, destination }) => name === value || destination === value),
  exited:
    (value: string) =>
    ({ record: { phase } }: HandContainer) =>
      phase.state === "exited" && phase.exit.exitCode === Number(value),
  label:
    (value: string) =>
    ({ record }: HandContainer) =>
      hasLabel(record.config.labels, value),
  health: (value: string) => (container: HandContainer) =>
    statusWords(engine, container).includes(`(${value})`),
});

async function lineOf(engine: Engine, container: HandContainer, flags: Flags): Promise<Line> {
  const { record, hand } = container;
  const words = JSON.stringify(record.config.command.join(" "));
  const isCut = flags.trunc !== false && words.length > COMMAND_CHARACTERS;
  const volumes = hand.mounts.filter(({ type }) => type === "volume");
  const { upper } = engine.runtime.paths.container(record.id);
  const size = flags.size ? (await engine.runtime.diskUsages.get(upper)).used_bytes : undefined;
  return {
    ID: flags.trunc === false ? record.id : shortId(record.id),
    Image: hand.image,
    Command: isCut ? `${words.slice(0, COMMAND_CHARACTERS - 2)}…"` : words,
    CreatedAt: new Date(record.createdAt_ms).toISOString(),
    RunningFor: `${spanWords(engine.host.clock.now() - record.createdAt_ms)} ago`,
    Status: statusWords(engine, container),
    State: stateOf(engine, container),
    Ports: record.phase.state === "running" ? hand.ports.map(portWords).join(", ") : "",
    Names: hand.name,
    Labels: labelWords(record.config.labels),
    Mounts: hand.mounts.map(({ name, source }) => name ?? source).join(","),
    LocalVolumes: String(volumes.length),
    Networks: hand.network,
    Size: size === undefined ? "" : sizeWords(size),
  };
}
