import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { eachIn } from "../engine/each.ts";
import { withEngine } from "../engine/engine.ts";
import type { Engine } from "../engine/open-engine.ts";
import type { Volume } from "../engine/volumes.ts";
import { FILTER, filtersWith, LIST, passes, print, printList } from "../format/list.ts";
import { labelWords } from "../format/words.ts";
import { LABEL } from "../run/flags.ts";
import { booleanOf, read } from "../run/values.ts";
import { group, verb } from "../verb.ts";
import { inspectOf } from "./inspect.ts";
import { pruneVerb } from "./prune.ts";

const create = verb(
  "create [name]",
  "Make a volume.",
  { ...LABEL, "-d, --driver <driver>": { about: "", by: "local", choices: ["local"] } },
  async (host, [name], { label }) => {
    const wish = { labels: Object.fromEntries(label), isAnonymous: name === undefined };
    print([(await withEngine(host, ({ volumes }) => volumes.ensure(name, wish))).name]);
  },
);

const ls = verb(
  "ls|list",
  "List volumes.",
  { ...LIST, [FILTER]: "name=, label=, dangling=, driver=" },
  async (host, _, flags) => {
    const all = await withEngine(host, async (engine) => {
      return (await engine.volumes.list()).filter(passes(flags.filter, filtersOf(engine)));
    });
    const lines = all.map(({ name, labels }) => {
      return { Driver: "local", Name: name, Labels: labelWords(labels), Scope: "local" };
    });
    printList(lines, "Driver, Name=VOLUME NAME", flags, "Name");
  },
);

const rm = verb(
  "rm|remove <name...>",
  "Remove volumes.",
  { "-f, --force": "no error for one that is not there" },
  (host, [names], { force }) =>
    eachIn(host, names, async (engine, name) => {
      if (!force) await engine.volumes.get(name);
      const user = userOf(engine, name);
      if (user === undefined) return engine.volumes.remove(name);
      const why = `volume ${name} is used by container ${user}`;
      throw new RuntimeError("failed-precondition", why);
    }),
);

const filtersOf = (engine: Engine) =>
  filtersWith<Volume>(
    ({ name }) => [name],
    ({ labels }) => labels,
    {
      driver: (value) => () => value === "local",
      dangling: (value) => {
        const isWanted = read("--filter dangling", value, booleanOf);
        return ({ name }) => (userOf(engine, name) === undefined) === isWanted;
      },
    },
  );

function userOf({ containers }: Engine, name: string): string | undefined {
  const uses = containers
    .all()
    .find(({ hand }) => hand.mounts.some((mount) => mount.name === name));
  return uses?.hand.name;
}

export const volume = group(
  "volume",
  "Managed volumes.",
  ...[create, ls, inspectOf("volume"), rm, pruneVerb(["volume"])],
);
