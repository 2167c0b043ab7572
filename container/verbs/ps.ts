import { Command } from "commander";
import { withEngine } from "../engine/engine.ts";
import type { HandContainer } from "../engine/hand.ts";
import type { FindHost } from "../engine/host.ts";
import type { Engine } from "../engine/open-engine.ts";
import { healthOf, portWords, STATES, stateOf, statusWords } from "../engine/state.ts";
import {
  hasLabel,
  type Line,
  type ListFlags,
  namePattern,
  passes,
  printList,
} from "../format/list.ts";
import { labelWords, shortId, sizeWords, spanWords } from "../format/words.ts";
import { many } from "../run/flags.ts";
import { badFlag } from "../run/values.ts";

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
        "name=, id=, status=, label=, ancestor=, volume=, network=, publish=, before=, since=, " +
          "exited=, health=",
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
        (wantsAll || ["running", "paused", "restarting"].includes(stateOf(engine, container))) &&
        isWanted(container),
    );
  const count = flags.latest ? 1 : flags.last === undefined ? found.length : Number(flags.last);
  return Promise.all(found.slice(0, count).map((container) => lineOf(engine, container, flags)));
}

/** The filters of containers, by their keys. */
const filtersOf = (engine: Engine) => ({
  name: (value: string) => {
    const fits = namePattern(value);
    return ({ hand }: HandContainer) => fits(hand.name) || fits(`/${hand.name}`);
  },
  id: (value: string) => {
    return ({ record }: HandContainer) => record.id.startsWith(value);
  },
  status: (value: string) => {
    if (STATES.includes(value)) return (each: HandContainer) => stateOf(engine, each) === value;
    throw badFlag("--filter status", value, `not one of ${STATES.join(", ")}`);
  },
  ancestor:
    (value: string) =>
    ({ record, hand }: HandContainer) =>
      hand.image === value || engine.runtime.images.find(value)?.id === record.image.id,
  network: (value: string) => {
    return ({ hand }: HandContainer) => hand.network === value;
  },
  volume:
    (value: string) =>
    ({ hand }: HandContainer) =>
      hand.mounts.some(({ name, destination }) => name === value || destination === value),
  publish: (value: string) => {
    const [port = "", protocol = "tcp"] = value.split("/");
    return ({ hand }: HandContainer) =>
      hand.ports.some((each) => each.protocol === protocol && each.containerPort === Number(port));
  },
  before: (value: string) => {
    const { record } = engine.containers.get(value);
    return (each: HandContainer) => each.record.createdAt_ms < record.createdAt_ms;
  },
  since: (value: string) => {
    const { record } = engine.containers.get(value);
    return (each: HandContainer) => each.record.createdAt_ms > record.createdAt_ms;
  },
  exited:
    (value: string) =>
    ({ record: { phase } }: HandContainer) =>
      phase.state === "exited" && phase.exit.exitCode === Number(value),
  label: (value: string) => {
    return ({ record }: HandContainer) => hasLabel(record.config.labels, value);
  },
  health: (value: string) => (each: HandContainer) => healthOf(engine, each) === value,
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
