import { withEngine } from "../engine/engine.ts";
import type { HandContainer } from "../engine/hand.ts";
import type { Engine } from "../engine/open-engine.ts";
import { healthOf, portWords, STATES, stateOf, statusWords } from "../engine/state.ts";
import { FILTER, filtersWith, LIST, type Line, passes, printList } from "../format/list.ts";
import { agoWords, cut, labelWords, shortId, sizeWords, timeWords } from "../format/words.ts";
import { badFlag, integer } from "../run/values.ts";
import { type Given, verb } from "../verb.ts";

const COMMAND_CHARACTERS = 20;
const COLUMNS = "ID=CONTAINER ID, Image, Command, RunningFor=CREATED, Status, Ports, Names";
const FLAGS = {
  ...LIST,
  "-a, --all": "those that have ended too",
  "-n, --last <number>": { about: "the newest ones", as: integer(1) },
  "-l, --latest": "the newest one",
  "-s, --size": "what each has written",
  [FILTER]:
    "name=, id=, status=, label=, ancestor=, volume=, network=, publish=, before=, since=, " +
    "exited=, health=",
} as const;

export const ps = verb("ps", "List containers that run.", FLAGS, async (host, _, flags) => {
  const lines = await withEngine(host, (engine) => list(engine, flags));
  printList(lines, flags.size ? `${COLUMNS}, Size` : COLUMNS, flags);
});

async function list(engine: Engine, flags: Given<typeof FLAGS>): Promise<Line[]> {
  const last = flags.latest ? 1 : flags.last;
  const wantsAll =
    flags.all || last !== undefined || flags.filter.some((each) => /^(status|exited)=/.test(each));
  const found = engine.containers
    .all()
    .filter((each) => wantsAll || !["created", "exited"].includes(stateOf(engine, each)))
    .filter(passes(flags.filter, filtersOf(engine)));
  return Promise.all(found.slice(0, last).map((each) => lineOf(engine, each, flags)));
}

/** The filters of containers, by their keys. */
const filtersOf = (engine: Engine) =>
  filtersWith<HandContainer>(
    ({ hand }) => [hand.name, `/${hand.name}`],
    ({ record }) => record.config.labels,
    {
      id: (value) => (each) => each.record.id.startsWith(value),
      status: (value) => {
        if (STATES.includes(value)) return (each) => stateOf(engine, each) === value;
        throw badFlag("--filter status", value, `not one of ${STATES.join(", ")}`);
      },
      ancestor: (value) => {
        const id = engine.runtime.images.find(value)?.id;
        return ({ record, hand }) => hand.image === value || record.image.id === id;
      },
      network: (value) => (each) => each.hand.network === value,
      volume: (value) => (each) =>
        each.hand.mounts.some(({ name, destination }) => [name, destination].includes(value)),
      publish: (value) => {
        const [port = "", by = "tcp"] = value.split("/");
        return ({ hand: { ports } }) =>
          ports.some(({ protocol, containerPort: at }) => protocol === by && at === Number(port));
      },
      before: (value) => {
        const { createdAt_ms } = engine.containers.get(value).record;
        return ({ record }) => record.createdAt_ms < createdAt_ms;
      },
      since: (value) => {
        const { createdAt_ms } = engine.containers.get(value).record;
        return ({ record }) => record.createdAt_ms > createdAt_ms;
      },
      exited: (value) => {
        return ({ record: { phase } }) =>
          phase.state === "exited" && phase.exit.exitCode === Number(value);
      },
      health: (value) => (each) => healthOf(engine, each) === value,
    },
  );

async function lineOf(
  engine: Engine,
  container: HandContainer,
  { trunc, size }: Given<typeof FLAGS>,
): Promise<Line> {
  const { runtime, host } = engine;
  const { record, hand } = container;
  const words = record.config.command.join(" ");
  const volumes = hand.mounts.filter(({ type }) => type === "volume");
  const { upper } = runtime.paths.container(record.id);
  return {
    ID: trunc ? shortId(record.id) : record.id,
    Image: hand.image,
    Command: JSON.stringify(trunc ? cut(words, COMMAND_CHARACTERS) : words),
    CreatedAt: timeWords(record.createdAt_ms),
    RunningFor: agoWords(host.clock.now(), record.createdAt_ms),
    Status: statusWords(engine, container),
    State: stateOf(engine, container),
    Ports: record.phase.state === "running" ? hand.ports.map(portWords).join(", ") : "",
    Names: hand.name,
    Labels: labelWords(record.config.labels),
    Mounts: hand.mounts.map(({ name, source }) => name ?? source).join(","),
    LocalVolumes: String(volumes.length),
    Networks: hand.network,
    Size: size ? sizeWords((await runtime.diskUsages.get(upper, hand.name)).used_bytes) : "",
  };
}
