import { CodedError } from "@raft2kube/std/errors.ts";
import { Command } from "commander";
import { commandWith, type FlagsOf, type FlagTable } from "../flags.ts";
import { RELEASE_IMAGES } from "../machine/release-images.ts";
import type { Parts } from "../process/started-parts.ts";
import { parseGoFlags } from "../store/go-flags.ts";
import { startMember } from "../store/server.ts";
import * as apiserver from "./apiserver.ts";
import * as controllers from "./controllers.ts";
import { runPart, startTogether } from "./run-part.ts";
import * as scheduler from "./scheduler.ts";

const NAMES = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"] as const;
type Name = (typeof NAMES)[number];

/**
 * `r2k components etcd --FLAG=VALUE... kube-apiserver --FLAG=VALUE...`: a control plane in one
 * process, each component with upstream's flags. They start in the order of a control plane,
 * not of the words, and end in the opposite one; the API server uses the store by calls, unless its
 * flag --etcd-servers names others.
 */
export const command = () =>
  new Command("components")
    .description("Run components of a control plane in one process.")
    .argument("<words...>", "each component's name, and after it its flags as --name=value")
    .allowUnknownOption()
    .action(async (words: string[]) => {
      const given = componentsIn(words);
      await runPart("components", () => startTogether((parts) => start(given, parts)));
    });

/** Each component's flags. Throws CodedError `COMPONENTS` for words that are none's. */
export function componentsIn(words: readonly string[]): Map<Name, string[]> {
  const given = new Map<Name, string[]>();
  let flags: string[] | undefined;
  for (const word of words) {
    const name = NAMES.find((each) => each === word);
    if (name !== undefined && !given.has(name)) given.set(name, (flags = []));
    else if (name === undefined && word.startsWith("--") && flags) flags.push(word);
    else {
      throw new CodedError("COMPONENTS", `"${word}" is no component, or is there twice`, {
        remedy: `each of ${NAMES.join(", ")} is there once, followed by flags as --name=value`,
      });
    }
  }
  return given;
}

async function start(given: ReadonlyMap<Name, string[]>, parts: Parts): Promise<void> {
  const parsed = <T extends FlagTable>(name: Exclude<Name, "etcd">, table: T) => {
    const flags = given.get(name);
    const [, ...defaults] = RELEASE_IMAGES[name].words;
    const outputError = (text: string, write: (text: string) => void) => write(`${name}: ${text}`);
    const command = commandWith(name, "", table).configureOutput({ outputError });
    return flags && command.parse([...defaults, ...flags], { from: "user" });
  };
  const [etcd, api] = [given.get("etcd"), parsed("kube-apiserver", apiserver.FLAGS)];
  const manager = parsed("kube-controller-manager", controllers.FLAGS);
  const placer = parsed("kube-scheduler", scheduler.FLAGS);
  const store = etcd && parts.keep("etcd", await startMember(parseGoFlags(etcd)));
  if (api) parts.keep("kube-apiserver", await apiserver.start(api, store));
  if (manager) {
    const flags = manager.opts<FlagsOf<typeof controllers.FLAGS>>();
    parts.keep("kube-controller-manager", await controllers.start(flags));
  }
  if (placer) {
    const flags = placer.opts<FlagsOf<typeof scheduler.FLAGS>>();
    parts.keep("kube-scheduler", await scheduler.start(flags));
  }
}
