import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { eachIn } from "../engine/each.ts";
import { withEngine } from "../engine/engine.ts";
import { FILTER, filtersWith, LIST, passes, print, printList } from "../format/list.ts";
import { labelWords } from "../format/words.ts";
import { LABEL } from "../run/flags.ts";
import { group, verb } from "../verb.ts";
import { inspectOf } from "./inspect.ts";
import { pruneVerb } from "./prune.ts";

const create = verb(
  "create <name>",
  "Make a network.",
  {
    "--subnet <range>": "10.5.1.0/24",
    "--gateway <address>": "the bridge's address",
    "--internal": "without a way out",
    "-d, --driver <driver>": { about: "", by: "bridge", choices: ["bridge"] },
    ...LABEL,
  },
  async (host, [name], { label, internal, subnet, gateway }) => {
    const wish = { subnet, gateway, isInternal: internal, labels: Object.fromEntries(label) };
    await withEngine(host, ({ networks }) => networks.create(name, wish));
    print([name]);
  },
);

type Listed = { name: string; driver: string; labels: Record<string, string> };

const FILTERS = filtersWith<Listed>(
  ({ name }) => [name],
  ({ labels }) => labels,
  { driver: (value) => (each) => each.driver === value },
);

const ls = verb(
  "ls|list",
  "List networks, by names, which are their ids.",
  { ...LIST, [FILTER]: "name=, label=, driver=" },
  async (host, _, flags) => {
    const all = await withEngine(host, async ({ networks }) => networks.all());
    const own = Object.entries({ host: "host", none: "null" }).map(([name, driver]) => {
      return { name, driver, subnet: "", labels: {} };
    });
    const lines = [...all.map((network) => ({ ...network, driver: "bridge" })), ...own]
      .filter(passes(flags.filter, FILTERS))
      .map(({ name, driver, subnet, labels }) => {
        const Labels = labelWords(labels);
        return { ID: name, Name: name, Driver: driver, Scope: "local", Subnet: subnet, Labels };
      });
    printList(lines, "Name, Driver, Scope, Subnet", flags);
  },
);

const rm = verb("rm|remove <name...>", "Remove networks.", {}, (host, [names]) =>
  eachIn(host, names, async ({ containers, networks }, name) => {
    if (containers.all().some(({ hand }) => hand.network === name)) {
      throw new RuntimeError("failed-precondition", `network ${name} has containers`);
    }
    await networks.remove(name);
  }),
);

export const network = group(
  "network",
  "Bridges of containers; names are found on yours.",
  ...[create, ls, inspectOf("network"), rm, pruneVerb(["network"])],
);
